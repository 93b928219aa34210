from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from caer_data import Dataset
from caer_data.engine import recipe, spill, tables
from caer_data.export import boxes
from caer_data.export.manifest import BOXES

CLIP = {
    "clip_id": "c", "video_id": "v", "start_frame": 100, "start_s": 4.0,
    "end_frame": 150, "shot_id": "s", "person_id": "p", "frames": 50,
    "fps": "25", "width": 160, "height": 120,
}  # fmt: skip


SOURCES = pd.DataFrame([{"video_id": "v", "height": 240}])


def track(name, person="p", start=0, end=1000):
    place = {"shot_id": "s", "video_id": "v", "person_id": person}
    frames = {"start_frame": start, "end_frame": end, "start_s": start / 25, "end_s": end / 25}
    scores = dict.fromkeys(("coverage", "score", "face_height", "sharpness", "brightness"), 0.5)
    return {"track_id": name, **place, **frames, **scores, "detections": 5}


def faces(name, numbers, box=(20, 40, 60, 100)):
    return [
        {"track_id": name, "frame": n, "time_s": n / 25, "x1": box[0], "y1": box[1], "x2": box[2],
         "y2": box[3], "interpolated": n % 2 == 1}
        for n in numbers
    ]  # fmt: skip


@pytest.fixture
def seen(tmp_path):
    """Boxes of clips, made from rows of `tracks` and `faces`."""

    def of(tracks, found, *clips):
        dataset = Dataset(tmp_path)
        dataset.recipe_path.write_text(recipe.dump(recipe.Recipe()))
        dataset.write(tables.TRACKS, tables.frame(tables.TRACKS, tracks))
        dataset.write(tables.FACES, tables.frame(tables.FACES, found))
        return boxes.of_dataset(dataset, pd.DataFrame(clips or [CLIP]), SOURCES)

    return of


def test_boxes_are_scaled_and_counted_from_the_clip_start(seen):
    found = seen([track("t")], faces("t", [99, 100, 149, 150]))
    assert list(found.frame) == [0, 49]
    assert found.loc[0, ["x1", "y1", "x2", "y2"]].tolist() == [10, 20, 30, 50]
    assert found["interpolated"].tolist() == [False, True]
    tables.check(BOXES, found)


def test_boxes_end_at_the_picture_and_those_outside_are_left_out(seen):
    outside = faces("t", [101], box=(400, 40, 460, 100))
    beyond = faces("t", [100], box=(-20, -8, 60, 999))
    found = seen([track("t")], beyond + outside)
    assert found[["frame", "x1", "y1", "x2", "y2"]].values.tolist() == [[0, 0, 0, 30, 120]]


def test_boxes_of_other_persons_are_left_out(seen):
    found = seen([track("t"), track("u", "q")], faces("u", [100, 101]) + faces("t", [102]))
    assert found["frame"].tolist() == [2]
    assert seen([track("u", "q")], faces("u", [100, 101])).empty


def test_no_boxes_at_all(seen):
    assert seen([track("t")], []).empty


@pytest.mark.parametrize("longer_first", [True, False])
def test_clips_and_frames_are_in_order_whatever_order_the_faces_have(
    seen, monkeypatch, longer_first
):
    monkeypatch.setattr(boxes, "_PAIRS", 1)  # a block a clip
    monkeypatch.setattr(tables, "_PART", 2)
    longer, shorter = track("b", end=1000), track("a", start=100, end=110)
    later = {**CLIP, "clip_id": "a", "start_frame": 200, "end_frame": 250}
    of_longer = faces("b", [249, 201, 103, 102, 200], box=(20, 40, 60, 100))
    of_shorter = faces("a", [101, 102], box=(40, 40, 80, 100))
    found = seen(
        [shorter, longer],
        of_longer + of_shorter if longer_first else of_shorter + of_longer,
        CLIP,
        later,
    )
    assert found["clip_id"].astype(str).tolist() == ["a"] * 3 + ["c"] * 3
    assert found["frame"].tolist() == [0, 1, 49, 1, 2, 3]
    assert found["x1"].tolist() == [10, 10, 10, 20, 10, 10]  # frame 2 is of the longer track


def test_faces_that_another_program_wrote_back_are_read(seen, tmp_path):
    given = faces("t", [100, 101])
    found = seen([track("t")], given)
    path = tmp_path / "tables/faces.parquet"
    own = pq.read_table(path).to_pandas()
    own[own.columns[::-1]].astype({"x1": "float64"}).to_parquet(path)
    again = boxes.of_dataset(Dataset(tmp_path), pd.DataFrame([CLIP]), SOURCES)
    pd.testing.assert_frame_equal(found, again)


@pytest.mark.parametrize("last_shot", ["s39", "s00"])
@pytest.mark.parametrize("order", [1, -1])
def test_memory_is_returned_after_each_block_and_nothing_is_lost(
    seen, monkeypatch, last_shot, order
):
    shots = [f"s{n:02d}" for n in range(39)] + [last_shot]
    clips = [
        {**CLIP, "clip_id": f"c{n:02d}", "shot_id": shot, "start_frame": 0, "end_frame": 300,
         "frames": 300}
        for n, shot in enumerate(shots)
    ]  # fmt: skip
    tracks = [{**track(f"t{shot}"), "shot_id": shot} for shot in sorted(set(shots))]
    found = [
        row
        for n, one in enumerate(tracks[::order])
        for row in faces(one["track_id"], range(300), box=(20 + n, 40, 90 + n, 100))
    ]
    whole = seen(tracks, found, *clips)
    plain = whole.copy(deep=True)
    returned = []

    def noted(*arrays: np.ndarray) -> None:
        returned.append(sum(array.nbytes for array in arrays))
        spill.set_aside(*arrays)

    monkeypatch.setattr(boxes, "set_aside", noted)
    monkeypatch.setattr(boxes, "_PAIRS", 1)
    pd.testing.assert_frame_equal(seen(tracks, found, *clips), plain)
    assert len(plain) == 40 * 300
    assert returned[-1] == len(plain) * 22  # of few clips, the numbers have 8 bits
    assert len(returned) > 40  # the faces, and each clip
    parts = list(boxes.parts(whole, 7_000))
    pd.testing.assert_frame_equal(pd.concat(parts), plain)
    assert returned[-1] == len(whole) * 22


def test_all_columns_of_boxes_are_put_down(monkeypatch):
    """Also the codes of their clips, of which pandas makes copies."""
    named = pd.Categorical.from_codes(np.zeros(300, np.int32), [f"c{n}" for n in range(40_000)])
    columns = {"clip_id": named, "frame": np.arange(300, dtype=np.int32)}
    columns |= {side: np.ones(300, np.float32) for side in ("x1", "y1", "x2", "y2")}
    given = pd.DataFrame({**columns, "interpolated": np.zeros(300, bool)}, copy=False)
    returned: list[np.ndarray] = []
    monkeypatch.setattr(boxes, "set_aside", lambda *arrays: returned.extend(arrays))
    boxes.put_down(given.iloc[100:])
    held = [given["clip_id"].array.codes, *(given[name].to_numpy() for name in given.columns[1:])]
    assert all(any(np.shares_memory(own, array) for array in returned) for own in held)
