from __future__ import annotations

import built_dataset
import pandas as pd
import pyarrow.parquet as pq
import pytest

from caer_data import Dataset
from caer_data.annotate.studio import media
from caer_data.engine import clip_keys as identity
from caer_data.engine import tables
from caer_data.labels.accept import merge

VIDEO = {"video_id": "v", "sha256": "0" * 64, "width": 640, "height": 320}
CLIP = {
    "clip_id": "c", "video_id": "v", "track_id": "t",
    "start_frame": 10, "end_frame": 20, "start_pts": 100, "end_pts": 200,
}  # fmt: skip
FACES = [("t", 9, 0.0), ("t", 15, 160.0), ("t", 16, 320.0), ("u", 15, 480.0)]


def key(clip=None, video=None, shift=0.0, faces=FACES) -> str | None:
    columns = ["track_id", "frame", "x1"]
    boxes = pd.DataFrame(faces, columns=columns)
    boxes = boxes.assign(x1=boxes["x1"] + shift, y1=80.0, x2=boxes["x1"] + 100, y2=400.0)
    clips = pd.DataFrame([CLIP | (clip or {})])
    return identity.keys(clips, pd.DataFrame([VIDEO | (video or {})]), boxes)[0]


def test_the_key_holds_the_box_of_the_middle_frame():
    """x1 160 of 640, y1 80 of 320, x2 260 of 640, y2 beyond the frame."""
    assert key().split("-")[1] == "16162664"


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        pytest.param({"clip": {"clip_id": "other"}}, True, id="another-number"),
        pytest.param({"clip": {"start_frame": 11}}, True, id="numbered-otherwise"),
        pytest.param({"shift": 5.0}, True, id="last-digits"),
        pytest.param({"shift": 30.0}, False, id="the-box-moved"),
        pytest.param({"clip": {"start_pts": 101}}, False, id="starts-later"),
        pytest.param({"clip": {"end_pts": 201}}, False, id="ends-later"),
        pytest.param({"clip": {"track_id": "u"}}, False, id="another-target"),
        pytest.param({"clip": {"track_id": None}}, False, id="no-target"),
        pytest.param({"video": {"sha256": "1" * 64}}, False, id="another-video"),
    ],
)
def test_what_is_seen_makes_the_clip(change, stays):
    assert identity.same(key(), key(**change)) == stays
    assert identity.same(key(**change), key()) == stays


def test_a_video_without_a_hash_gives_no_key():
    assert key(video={"sha256": None}) is None


def rated(dataset: Dataset, source: str = "csv") -> pd.DataFrame:
    """One answer to every kept clip."""
    clips = dataset.clips
    rows = [
        {"clip_id": clip_id, "rater": "r", "emotion": "sad", "confidence": 1.0,
         "status": "accepted", "too_fast": False, "edited": False, "source": source,
         "source_id": str(number)}
        for number, clip_id in enumerate(clips.loc[clips["status"] == "kept", "clip_id"])
    ]  # fmt: skip
    return tables.frame(tables.RATINGS, rows)


def test_tables_of_an_earlier_version_are_read_and_get_their_keys(tmp_path):
    dataset = built_dataset.make(tmp_path / "d", pictures=False)
    dataset.write(tables.RATINGS, rated(dataset))
    for table in (tables.CLIPS, tables.RATINGS):
        path = dataset.path_of(table)
        pq.write_table(pq.read_table(path).drop_columns("clip_key"), path)
    assert dataset.ratings["clip_key"].isna().all()
    keys = identity.stamp(dataset)
    assert len(keys) == len(dataset.ratings)
    assert dict(zip(dataset.ratings["clip_id"], dataset.ratings["clip_key"], strict=True)) == keys
    assert {key.split("-")[1] for key in keys.values()} == {"16163248"}
    keyed = dataset.ratings.assign(clip_key="0" * 16 + "-none")
    dataset.write(tables.RATINGS, keyed)
    identity.stamp(dataset)
    assert set(dataset.ratings["clip_key"]) == {"0" * 16 + "-none"}


def test_the_fates_of_rated_clips(tmp_path):
    dataset = built_dataset.make(tmp_path / "d", pictures=False)
    dataset.write(tables.RATINGS, rated(dataset))
    keys = identity.stamp(dataset)
    clips = dataset.clips
    clips["clip_key"] = clips["clip_id"].map(keys)
    first, second, *others = keys
    clips.loc[clips["clip_id"] == first, "status"] = "dropped"
    clips.loc[clips["clip_id"] == second, "clip_key"] = "0" * 16 + "-none"
    counts = identity.fates(dataset, clips)
    assert counts == {"same": len(others), "changed": 1, "gone": 1}


@pytest.mark.parametrize("source", ["csv", "label-studio", "made-up"])
def test_an_answer_to_a_clip_that_changed_is_kept_and_refused(tmp_path, source):
    dataset = built_dataset.make(tmp_path / "d", pictures=False)
    before = rated(dataset, source)
    keys = identity.stamp(dataset)
    identity.fill(before, keys)
    changed = next(iter(keys))
    now = keys | {changed: "0" * 16 + "-none"}
    empty = tables.empty(tables.ASSIGNMENTS)
    merged = merge(before, tables.empty(tables.RATINGS), empty, now)
    refused = merged[merged["status"] == "refused"]
    assert refused[["clip_id", "reason"]].to_numpy().tolist() == [[changed, "clip_changed"]]
    again = merge(merged, tables.empty(tables.RATINGS), empty, keys)
    if source != "label-studio":  # whose answers are judged when they are pulled
        assert set(again["status"]) == {"accepted"}


def test_raters_see_a_changed_clip_as_a_new_one(tmp_path):
    """Two tracks exchanged keep number, span and track, and yet are another clip."""
    dataset = built_dataset.make(tmp_path / "d", pictures=False)
    clips = dataset.clips
    clips["clip_key"] = clips["clip_id"].map(identity.stamp(dataset)).astype(object)
    clips.loc[clips["clip_key"].isna(), "clip_key"] = None
    names = media.keys(clips)
    dealt = [{"clip_id": c, "rater": "r", "position": 0, "block": 0} for c in names.values()]
    assignments = tables.frame(tables.ASSIGNMENTS, dealt)
    identity.fill(assignments, identity.known(clips))
    dataset.write(tables.ASSIGNMENTS, assignments)
    assert media.keys(media.named(dataset, clips)) == names
    changed = next(iter(names.values()))
    head = clips.set_index("clip_id").loc[changed, "clip_key"].split("-")[0]
    clips.loc[clips["clip_id"] == changed, "clip_key"] = f"{head}-48163248"
    after = media.keys(media.named(dataset, clips))
    assert [names.get(name) for name in after].count(None) == 1
    assert set(after.values()) == set(names.values())


def test_rows_that_get_keys_are_those_that_are_read_back(tmp_path):
    dataset = built_dataset.make(tmp_path / "d", pictures=False)
    rows = rated(dataset)
    for now in ({}, identity.stamp(dataset)):
        assert identity.fill(rows, now) == bool(now)
        dataset.write(tables.RATINGS, rows)
        pd.testing.assert_frame_equal(rows, dataset.ratings)
        assert rows.equals(dataset.ratings)
