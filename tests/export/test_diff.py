"""What two releases differ in."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction

import pytest

from caer_data.cli import main
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.export.diff import diff
from caer_data.export.manifest import BOXES, MANIFEST, SOURCES


@pytest.fixture
def changed(everything, tmp_path):
    """A release in which one clip went, one is another, one has other labels, one other boxes."""
    target = tmp_path / "after"
    target.mkdir()
    for name in ("manifest.parquet", "boxes.parquet", "sources.parquet", "release.json"):
        shutil.copy(everything.folder / name, target / name)
    manifest = tables.read(MANIFEST, target / "manifest.parquet")
    clips = sorted(manifest.clip_id.unique())
    manifest = manifest[manifest.clip_id != clips[0]]
    manifest.loc[manifest.clip_id == clips[1], ["clip_key", "clip_id"]] = ["abcdefghij", "new"]
    own = manifest.clip_id == clips[2]
    manifest.loc[own, ["emotion", "label"]] = ["sad", 5]
    manifest.loc[manifest.clip_id == clips[4], "clip_id"] = "renamed"
    tables.write(MANIFEST, manifest, target / "manifest.parquet")
    boxes = tables.read(BOXES, target / "boxes.parquet")
    boxes.loc[boxes.clip_id == clips[3], "x2"] += 1
    boxes.loc[boxes.clip_id == clips[4], "clip_id"] = "renamed"
    tables.write(BOXES, boxes, target / "boxes.parquet")
    about = json.loads((target / "release.json").read_text())
    about["facts"]["about"]["name"] = "second edition"
    about["facts"]["card"]["version"] = "1.1.0"
    (target / "release.json").write_text(json.dumps(about))
    return target, clips


def test_a_release_and_itself(everything):
    found = diff(everything.folder, everything.folder)
    assert found.same
    assert (found.before, found.after, found.about) == (21, 21, {})


def test_what_came_went_and_changed(everything, changed):
    after, clips = changed
    found = diff(everything.folder, after)
    assert (found.before, found.after, found.same) == (21, 20, False)
    assert [clip.clip_id for clip in found.went] == clips[:2]
    assert [(clip.key, clip.clip_id) for clip in found.came] == [("abcdefghij", "new")]
    told = {change.clip.clip_id: change.columns for change in found.changed}
    assert list(told) == clips[2:4]  # the renamed clip has its key, and is the same
    assert told[clips[2]]["emotion"] == ("fear", "sad")
    assert list(told[clips[3]]) == ["boxes"]
    assert found.about["name"][1] == "second edition"
    assert found.about["release.yaml, version"] == (None, "1.1.0")


def test_the_verb_says_it_and_json_lists_it(everything, changed, capsys):
    after, clips = changed
    with pytest.raises(SystemExit) as stop:
        main(["diff", str(everything.folder), str(after)])
    assert stop.value.code == 0
    said = capsys.readouterr().err
    assert "21 clips before, 20 after: 1 added, 2 removed, 2 changed." in said
    assert f"removed: {clips[0]}" in said
    with pytest.raises(SystemExit):
        main(["diff", str(everything.folder), str(after), "--json"])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [clip["clip_id"] for clip in told["difference"]["went"]] == clips[:2]


def test_a_folder_that_is_no_release(everything, tmp_path):
    with pytest.raises(CaerError, match="not a release"):
        diff(everything.folder, tmp_path)


def test_another_unit_of_time_is_no_other_time(everything, changed):
    """A rip has its own timestamps: times are compared, and clips differ by their source alone."""
    after, clips = changed
    sources = tables.read(SOURCES, after / "sources.parquet")
    files = tables.read(MANIFEST, after / "manifest.parquet")
    own = files["clip_id"] == clips[5]
    video = sources["video_id"] == files.loc[own, "video_id"].iloc[0]
    base = Fraction(sources.loc[video, "time_base"].iloc[0])
    sources.loc[video, ["time_base", "sha256"]] = [str(base / 4), "a" * 64]
    of_video = files["video_id"] == sources.loc[video, "video_id"].iloc[0]
    files.loc[of_video, ["start_pts", "end_pts"]] *= 4
    files.loc[of_video, "source_sha256"] = "a" * 64
    tables.write(SOURCES, sources, after / "sources.parquet")
    tables.write(MANIFEST, files, after / "manifest.parquet")
    told = {
        change.clip.clip_id: change.columns for change in diff(everything.folder, after).changed
    }
    assert list(told[clips[5]]) == ["source_sha256"]


@pytest.mark.parametrize("moved", [0.001, -0.002])
def test_rounded_timestamps_are_no_other_time(everything, changed, moved):
    """Matroska rounds timestamps to milliseconds, and each clip's to its own side."""
    after, clips = changed
    files = tables.read(MANIFEST, after / "manifest.parquet")
    files.loc[files["clip_id"] == clips[5], ["start_s", "end_s"]] += moved
    tables.write(MANIFEST, files, after / "manifest.parquet")
    assert clips[5] not in {
        change.clip.clip_id for change in diff(everything.folder, after).changed
    }


def test_a_clip_that_moved_by_a_short_frame_has_another_time(everything, changed):
    after, clips = changed
    files = tables.read(MANIFEST, after / "manifest.parquet")
    files.loc[files["clip_id"] == clips[5], "start_s"] += 1 / 240
    tables.write(MANIFEST, files, after / "manifest.parquet")
    told = {
        change.clip.clip_id: change.columns for change in diff(everything.folder, after).changed
    }
    assert list(told[clips[5]]) == ["start_s"]
