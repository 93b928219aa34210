"""Leaks that were planted into datasets of others are found, and clean ones are clean."""

from __future__ import annotations

import csv
import json
import shutil

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from export_fixtures import write_clip
from other_datasets import caer_s, save, scene

from caer_data.auditing import write
from caer_data.auditing.compare import same_faces
from caer_data.auditing.run import audit_folder
from caer_data.cli import cli
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

QUIET = Reporter("quiet")


def verdicts(audited):
    return {verdict.check: verdict for verdict in audited.verdicts}


@pytest.fixture(scope="module")
def leaking(tmp_path_factory):
    """CAER-S with a copy, a re-encoded crop, a mirrored picture and a file that is none."""
    root = caer_s(tmp_path_factory.mktemp("others") / "CAER-S")
    shutil.copy(root / "train/Anger/0001.png", root / "test/Sad/0002.png")
    cropped = cv2.resize(scene(2)[9:171, 16:304], (320, 180))
    save(root / "test/Sad/0003.jpg", cropped, quality=60)
    save(root / "validation/Fear/0002.png", np.ascontiguousarray(scene(3)[:, ::-1]))
    (root / "train/Fear/0009.png").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="module")
def audited(leaking):
    return audit_folder(leaking, 2, QUIET)


def test_media_outside_of_a_table_and_its_folder_are_named(tmp_path):
    elsewhere = save(tmp_path / "elsewhere.png", scene(1))
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [
        {"bytes": None, "path": str(elsewhere)},
        {"bytes": elsewhere.read_bytes(), "path": "1.png"},
    ]
    table = pa.table({"image": pa.array(cells, image), "label": ["Anger", "Happy"]})
    (tmp_path / "set").mkdir()
    pq.write_table(table, tmp_path / "set/train.parquet")
    audited = audit_folder(tmp_path / "set", 1, QUIET)
    assert len(audited.entries) == 2
    assert list(audited.unread) == ["train.parquet:0"]
    assert "holds no media for it" in audited.unread["train.parquet:0"]


def test_copies_crops_and_mirrored_pictures_are_found(audited):
    found = verdicts(audited)
    assert found["same file"].verdict == "finding"
    assert found["repeated footage"].verdict == "finding"
    pairs = audited.pairs[audited.pairs["leaks"]]
    named = {frozenset(pair) for pair in zip(pairs["path"], pairs["of_path"], strict=True)}
    assert named == {
        frozenset(("train/Anger/0001.png", "test/Sad/0002.png")),
        frozenset(("train/Disgust/0001.png", "test/Sad/0003.jpg")),
        frozenset(("train/Fear/0001.png", "validation/Fear/0002.png")),
    }
    assert list(audited.unread) == ["train/Fear/0009.png"]
    assert "not a readable picture" in audited.unread["train/Fear/0009.png"]
    assert found["same face"].verdict == "not measured"


def test_verdicts_call_a_picture_a_picture(audited):
    found = verdicts(audited)
    assert found["same file"].text == "1 of 23 is in more than one split (2 of 24 pictures)"
    assert found["same clip"].verdict == "not measured", "a picture's clip is unknown"
    assert not [v for v in found.values() if "clips" in v.text or "no clip" in v.text]


def test_page_pairs_and_verdicts_are_written(audited, tmp_path):
    write.write(audited, tmp_path / "out", 2)
    page = (tmp_path / "out" / write.PAGE).read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") >= 6
    assert "train/Disgust/0001.png" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    with (tmp_path / "out" / "audit_pairs.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == len(audited.pairs)
    told = json.loads((tmp_path / "out" / write.ABOUT).read_text())
    assert told["layout"] == "CAER-S as released"
    write.check_target(tmp_path / "out", tmp_path / "other")  # an audit may be replaced


def test_a_clean_dataset_has_no_finding(tmp_path):
    audited = audit_folder(caer_s(tmp_path / "s"), 1, QUIET)
    assert audited.findings == []
    assert audited.pairs.empty
    assert verdicts(audited)["same show"].verdict == "not measured"


def test_videos_are_compared_by_what_moves_in_them(tmp_path):
    from fractions import Fraction

    for name, seed in (("train/a.mp4", 1), ("train/b.mp4", 2), ("test/c.mp4", 1)):
        write_clip(tmp_path / "v" / name, seed, 50, Fraction(25))
    audited = audit_folder(tmp_path / "v", 1, QUIET)
    assert audited.layout == "videos in folders by split"
    assert verdicts(audited)["repeated footage"].count == 2
    pair = audited.pairs[audited.pairs["kind"] == "repeated footage"].iloc[0]
    assert (pair["path"], pair["of_path"]) == ("train/a.mp4", "test/c.mp4")
    assert pair["end_s"] > 1


def test_times_of_repeats_count_from_the_start_of_the_source(tmp_path):
    from fractions import Fraction

    folder = tmp_path / "v"
    for name, seed in (("a", 1), ("b", 2), ("c", 1)):
        write_clip(folder / f"{name}.mp4", seed, 50, Fraction(25))
    (folder / "clips.csv").write_text(
        "path,split,emotion,episode,start,end\n"
        "a.mp4,train,joyful,e1,10,12\nb.mp4,train,sad,e1,20,22\nc.mp4,test,joyful,e2,30,32\n"
    )
    audited = audit_folder(folder, 1, QUIET)
    pair = audited.pairs[audited.pairs["kind"] == "repeated footage"].iloc[0]
    assert 10 <= pair["start_s"] < pair["end_s"] <= 12.5
    assert 30 <= pair["of_start_s"] < pair["of_end_s"] <= 32.5
    write.write(audited, tmp_path / "out", 1)
    page = (tmp_path / "out" / write.PAGE).read_text(encoding="utf-8")
    assert "1 pair, 1 of them across splits" in page
    assert "no picture" not in page


def test_classes_are_those_of_the_dataset(tmp_path):
    for name, seed in (("train/boredom/1.png", 1), ("train/awe/2.png", 2), ("test/awe/3.png", 3)):
        save(tmp_path / "p" / name, scene(seed))
    audited = audit_folder(tmp_path / "p", 1, QUIET)
    balance = verdicts(audited)["class balance"]
    assert (balance.verdict, balance.text) == ("finding", "there is no file of boredom in test")
    save(tmp_path / "p" / "test/boredom/4.png", scene(4))
    balance = verdicts(audit_folder(tmp_path / "p", 1, QUIET))["class balance"]
    assert balance.verdict == "note"


def test_without_splits_what_repeats_is_listed_and_nothing_leaks(tmp_path):
    save(tmp_path / "p" / "1.png", scene(1))
    save(tmp_path / "p" / "2.jpg", scene(1))
    audited = audit_folder(tmp_path / "p", 1, QUIET)
    assert not audited.findings
    assert verdicts(audited)["splits"].verdict == "note"
    assert verdicts(audited)["repeated footage"].verdict == "note"


def test_a_release_is_audited_by_its_manifest(everything, tmp_path):
    audited = audit_folder(everything.folder, 1, QUIET)
    assert audited.layout == "a release of caer-data"
    assert [str(v) for v in audited.verdicts] == [
        str(v) for lines in everything.verdicts.values() for v in lines
    ]


@pytest.mark.parametrize("where", ["s/out", "s"])
def test_nothing_is_written_into_the_audited_folder(tmp_path, where):
    caer_s(tmp_path / "s")
    with pytest.raises(CaerError, match="audited folder"):
        write.check_target(tmp_path / where, tmp_path / "s")


def test_a_folder_with_other_files_is_not_written_to(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(CaerError, match="not an audit"):
        write.check_target(tmp_path / "out", tmp_path / "s")


def test_strict_is_a_failure(leaking, tmp_path):
    done = CliRunner().invoke(
        cli, ["audit", str(leaking), "-o", str(tmp_path / "o"), "--strict", "--workers", "2", "-q"]
    )
    assert done.exit_code == 1
    assert (tmp_path / "o" / write.PAGE).is_file()


def test_faces_of_other_splits_are_near_or_not():
    vectors = np.array([[1, 0], [0, 1], [0.99, 0.01], [-1, 0]], np.float32)
    nearest, distance = same_faces(vectors, np.array([0, 0, 1, 1]), 0.5)
    assert list(nearest) == [2, -1, 0, -1]
    assert distance[0] == pytest.approx(0.0141, abs=1e-3)


def test_without_splits_nothing_is_said_of_one_split_and_one_file_is_one_entry(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "set/Anger" / f"{name}.png", scene(1))
    (tmp_path / "set/Anger/c.png").write_bytes(b"no picture")
    said = (
        CliRunner()
        .invoke(
            cli, ["audit", str(tmp_path / "set"), "-o", str(tmp_path / "out"), "--workers", "1"]
        )
        .stderr
    )
    assert "2 pictures show the same footage as another one\n" in said
    assert "1 entry cannot be read, Anger/c.png: " in said
