from __future__ import annotations

import errno
import io
import json
import os

import pytest

from caer_data.engine import tables
from caer_data.engine.errors import BusyError, CaerError
from caer_data.export import checksums, folder
from caer_data.export.manifest import MANIFEST


@pytest.fixture
def target(tmp_path):
    return tmp_path / "release"


def begin(target, key="key", name="a.txt", content="a"):
    """Do what an export does, up to publishing."""
    with folder.unfinished(target, key) as under_way:
        (under_way.root / name).write_text(content)
        describe(under_way.root)
        under_way.publish(target)


def describe(root):
    """Say in a folder that it is a release of the files it holds."""
    about = {"format": "caer-data release", "version": 1}
    (root / folder.ABOUT).write_text(json.dumps(about))
    checksums.write(root)


def test_a_whole_release_takes_its_place_and_nothing_is_left_beside_it(target):
    begin(target)
    assert (target / "a.txt").read_text() == "a"
    assert [p.name for p in target.parent.iterdir()] == ["release"]


def test_an_older_release_is_replaced_as_a_whole(target):
    begin(target)
    begin(target, "other", "b.txt", "b")
    assert sorted(p.name for p in target.iterdir()) == [checksums.NAME, "b.txt", folder.ABOUT]
    assert [p.name for p in target.parent.iterdir()] == ["release"]


def interrupt(target, key, results=(), tail=""):
    with pytest.raises(KeyboardInterrupt), folder.unfinished(target, key) as under_way:
        for result in results:
            (under_way.root / "a.png").write_bytes(b"1234")
            under_way.note(result)
        with (under_way.root.parent / "done.jsonl").open("a") as stream:
            stream.write(tail)
        (under_way.root / ".b.png.caer-00000000-1-1-12345678.part").write_text("half")
        os.utime(under_way.root / ".b.png.caer-00000000-1-1-12345678.part", (0, 0))
        raise KeyboardInterrupt


RESULT = {"clip_id": "c1", "files": {"a.png": {"bytes": 4}}}


@pytest.mark.parametrize(
    ("key", "tail", "size", "known"),
    [
        pytest.param("key", "", 4, ["c1"], id="goes-on"),
        pytest.param("key", '{"clip_id": "c2", "fi', 4, ["c1"], id="torn-last-line"),
        pytest.param("key", "", 3, [], id="a-file-is-cut-off"),
        pytest.param("other", "", 4, [], id="other-contents-start-anew"),
    ],
)
def test_what_was_finished_before_is_known(target, key, tail, size, known):
    interrupt(target, "key", [RESULT], tail)
    home = target.with_name(".release.unfinished")
    (home / "release" / "a.png").write_bytes(b"1234"[:size])
    with folder.unfinished(target, key) as under_way:
        assert list(under_way.done) == known
        assert list(under_way.results()) == [RESULT] * len(known)
        assert not list(under_way.root.rglob("*.part"))
        assert (under_way.root / "a.png").exists() == (key == "key")
        under_way.note({"clip_id": "c3", "files": {}})
        assert json.loads((home / "done.jsonl").read_text().splitlines()[-1])["clip_id"] == "c3"


def test_a_list_that_cannot_be_written_at_the_end_does_no_harm(target, monkeypatch):
    class Full(io.StringIO):
        def close(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    with folder.unfinished(target, "key") as under_way:
        monkeypatch.setattr(under_way, "_stream", Full())
        under_way.note(RESULT)
    assert not target.with_name(".release.unfinished").exists()


def test_the_old_release_survives_an_interruption(target):
    begin(target)
    interrupt(target, "other")
    assert (target / "a.txt").read_text() == "a"


@pytest.mark.parametrize("new_is_there", [True, False])
def test_a_kill_between_the_two_renames_is_mended(target, new_is_there):
    begin(target)
    target.rename(target.with_name(".release.replaced"))
    if new_is_there:
        target.mkdir()
        (target / "b.txt").write_text("b")
    interrupt(target, "key")
    assert [p.name for p in target.parent.glob("*.replaced")] == []
    assert (target / ("b.txt" if new_is_there else "a.txt")).exists()


def test_two_at_once(target):
    with (
        folder.unfinished(target, "key"),
        pytest.raises(BusyError, match="another caer-data command"),
        folder.unfinished(target, "key"),
    ):
        pass


@pytest.mark.parametrize(
    "place",
    ["dataset", ".", "dataset/clips", "dataset/tables/x", "dataset/work", "dataset/../dataset"],
)
def test_the_dataset_is_never_a_target(tmp_path, place):
    (tmp_path / "dataset").mkdir()
    with pytest.raises(CaerError, match="choose another folder"):
        folder.check_target(tmp_path / place, tmp_path / "dataset", overwrite=True)


def test_a_link_to_the_dataset_is_no_way_around(tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "dataset")
    with pytest.raises(CaerError, match="choose another folder"):
        folder.check_target(tmp_path / "link", tmp_path / "dataset", overwrite=True)


@pytest.mark.parametrize(
    ("files", "overwrite", "said"),
    [
        pytest.param({"letters.txt": "a"}, True, "not empty and not a release", id="not-a-release"),
        pytest.param({folder.ABOUT: '{"name": "my app"}'}, True, "not a release", id="an-app"),
        pytest.param({folder.ABOUT: "[["}, True, "not a release", id="no-json"),
        pytest.param({}, False, None, id="empty"),
    ],
)
def test_what_is_there_is_kept(tmp_path, target, files, overwrite, said):
    target.mkdir()
    for name, text in files.items():
        (target / name).write_text(text)
    if said is None:
        folder.check_target(target, tmp_path / "dataset", overwrite)
        return
    with pytest.raises(CaerError, match=said):
        folder.check_target(target, tmp_path / "dataset", overwrite)


def test_a_release_is_replaced_only_with_the_flag(tmp_path, target):
    begin(target)
    with pytest.raises(CaerError, match="replace it with --overwrite"):
        folder.check_target(target, tmp_path / "dataset", overwrite=False)
    folder.check_target(target, tmp_path / "dataset", overwrite=True)


def test_a_release_with_files_of_others_is_not_replaced(tmp_path, target):
    begin(target)
    (target / "a.txt").write_text("edited")
    (target / "link").symlink_to(tmp_path)
    for number in range(5):
        (target / f"n{number}").write_text("mine")
    with pytest.raises(CaerError, match=r"changed: a\.txt, link, n0, n1, n2 and 2 more"):
        folder.check_target(target, tmp_path / "dataset", overwrite=True)


def test_what_is_put_into_a_release_meanwhile_is_not_lost(target):
    begin(target)
    with pytest.raises(CaerError, match=r"NOTES\.md"), folder.unfinished(target, "k") as under_way:
        describe(under_way.root)
        (target / "NOTES.md").write_text("mine")
        under_way.publish(target)
    assert (target / "NOTES.md").read_text() == "mine"


def test_a_folder_of_others_in_the_place_of_the_unfinished(target):
    home = target.with_name(".release.unfinished")
    home.mkdir()
    (home / "letters.txt").write_text("mine")
    with pytest.raises(CaerError, match=r"contains letters\.txt"), folder.unfinished(target, "k"):
        pass
    assert (home / "letters.txt").exists()


def test_a_folder_of_others_in_the_place_of_the_replaced(target):
    begin(target)
    replaced = target.with_name(".release.replaced")
    replaced.mkdir()
    (replaced / "letters.txt").write_text("mine")
    with pytest.raises(CaerError, match="not a release"), folder.unfinished(target, "k"):
        pass
    assert (replaced / "letters.txt").exists()


def test_an_older_release_is_known_by_its_manifest(target):
    target.mkdir()
    about = {"format": 1, "caer_data": "0.1.0", "key": "k", "facts": {}}
    (target / folder.ABOUT).write_text(json.dumps(about))
    checksums.write(target)
    with pytest.raises(CaerError, match="not a release"):
        folder.check_target(target, target.with_name("d"), overwrite=True)
    tables.write(MANIFEST, tables.empty(MANIFEST), target / "manifest.parquet")
    checksums.write(target)
    folder.check_target(target, target.with_name("d"), overwrite=True)


def test_a_file_in_the_place_of_the_release(tmp_path, target):
    target.write_text("a file")
    with pytest.raises(CaerError, match="is a file; choose"):
        folder.check_target(target, tmp_path / "dataset", overwrite=True)


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(CaerError, match="too long"), folder.unfinished(tmp_path / ("x" * 250), "k"):
        pass


def test_of_a_clip_made_twice_the_last_result_counts(target):
    again = RESULT | {"bytes": 7}
    interrupt(target, "key", [RESULT, {"clip_id": "c2", "files": {}}, again])
    with folder.unfinished(target, "key") as under_way:
        assert list(under_way.results()) == [again, {"clip_id": "c2", "files": {}}]
