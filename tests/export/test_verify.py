from __future__ import annotations

import json
import shutil

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from export_fixtures import tree

from caer_data.cli import cli, main
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.export import checksums
from caer_data.export.verify import verify


@pytest.fixture
def release(everything, tmp_path):
    return shutil.copytree(everything.folder, tmp_path / "release")


def test_a_release_as_it_was_made(everything):
    result = CliRunner().invoke(cli, ["verify", str(everything.folder), "--json"])
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout.splitlines()[-1])
    assert outcome["problems"] == []
    assert outcome["files"] == len(tree(everything.folder)) - 1  # without the list itself


def test_the_list_is_one_that_sha256sum_reads(everything):
    lines = (everything.folder / "SHA256SUMS").read_text().splitlines()
    assert dict(reversed(line.split("  ")) for line in lines) == {
        path: sha for path, sha in tree(everything.folder).items() if path != "SHA256SUMS"
    }


def _change(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "name", ["CAER/train/Happy/0001.mp4", "CAER-S/train.txt", "webdataset/train-000000.tar",
             "croissant.json", "huggingface/train/metadata.parquet"]
)  # fmt: skip
@pytest.mark.parametrize("damage", [_change, lambda path: path.unlink()], ids=["changed", "gone"])
def test_every_kind_of_file_is_checked(release, name, damage):
    damage(release / name)
    problems = verify(release, Reporter("quiet")).problems
    assert any(problem.startswith(name) for problem in problems)


def test_an_edited_card_is_said_and_is_no_damage(release):
    for name in ("README.md", "datasheet.md"):
        (release / name).write_text((release / name).read_text() + "\nWritten by hand.\n")
    found = verify(release, Reporter("quiet"))
    assert found.problems == []
    assert found.edited == ["README.md", "datasheet.md"]


def test_a_card_that_is_gone_is_damage(release):
    (release / "README.md").unlink()
    assert verify(release, Reporter("quiet")).problems == ["README.md: missing"]


def test_what_is_not_stated_yet_is_named(release):
    assert {"creators", "contact", "license"} <= set(verify(release, Reporter("quiet")).missing)


def test_a_file_too_many(release):
    (release / "CAER/train/Happy/9999.mp4").write_text("mine")
    problems = verify(release, Reporter("quiet")).problems
    assert problems == ["CAER/train/Happy/9999.mp4: not part of the release"]


def test_a_list_that_was_changed_with_the_file(release):
    from caer_data.export import checksums

    _change(release / "CAER/train/Happy/0001.mp4")
    checksums.write(release)
    problems = verify(release, Reporter("quiet")).problems
    assert problems == ["CAER/train/Happy/0001.mp4: the hash in the manifest differs from the list"]


def test_the_command_fails_with_one_sentence(release, capsys):
    _change(release / "CAER/train/Happy/0001.mp4")
    with pytest.raises(SystemExit) as stop:
        main(["verify", str(release), "-q"])
    assert stop.value.code == 1
    assert "1 problem in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("no list", "expected a hash"),
        (f"{'0' * 64}  ../../etc/passwd", "points outside"),
        (f"{'0' * 64}  /etc/passwd", "points outside"),
    ],
)
def test_a_list_from_elsewhere_cannot_point_outside(release, lines, said):
    (release / "SHA256SUMS").write_text(lines + "\n")
    with pytest.raises(CaerError, match=said):
        verify(release, Reporter("quiet"))


def test_not_a_release(tmp_path):
    with pytest.raises(CaerError, match="not a release"):
        verify(tmp_path, Reporter("quiet"))


def test_a_release_without_its_manifest(release):
    (release / "manifest.parquet").unlink()
    with pytest.raises(CaerError, match=r"manifest.parquet is missing; fetch or export"):
        verify(release, Reporter("quiet"))


def test_a_file_in_place_of_a_release(release):
    with pytest.raises(CaerError, match=r"README.md: this is a file; name the folder"):
        verify(release / "README.md", Reporter("quiet"))


def test_a_release_of_an_earlier_version_is_verified(release):
    """Columns that came since are read as empty."""
    path = release / "manifest.parquet"
    since = ["clip_key", "variable_rate", "box_x1", "box_y1", "box_x2", "box_y2"]
    pq.write_table(pq.read_table(path).drop_columns(since), path)
    checksums.write(release)
    found = verify(release, Reporter("quiet"))
    assert found.problems == []
    assert found.files > 100
