from __future__ import annotations

import pandas as pd

from caer_data.engine import tables
from caer_data.export import boxes
from caer_data.export.manifest import BOXES

CLIP = {
    "clip_id": "c", "video_id": "v", "start_frame": 100, "start_s": 4.0,
    "frames": 50, "fps": "25", "width": 160, "height": 120,
}  # fmt: skip


def faces(numbers, times=None, box=(20, 40, 60, 100)):
    found = tables.frame(
        tables.FACES,
        [
            {"track_id": "t", "frame": n, "time_s": n / 25 if times is None else times[i],
             "x1": box[0], "y1": box[1], "x2": box[2], "y2": box[3], "interpolated": False}
            for i, n in enumerate(numbers)
        ],
    )  # fmt: skip
    return found.drop(columns="track_id").assign(clip_id="c")


def sources():
    return pd.DataFrame([{"video_id": "v", "height": 240}])


def test_boxes_are_scaled_and_counted_from_the_clip_start():
    found = boxes.of_targets(pd.DataFrame([CLIP]), sources(), faces([99, 100, 149, 150]))
    assert list(found.frame) == [0, 49]
    assert found.loc[0, ["x1", "y1", "x2", "y2"]].tolist() == [10, 20, 30, 50]
    tables.check(BOXES, found)


def test_boxes_end_at_the_picture_and_those_outside_are_left_out():
    outside = faces([101], box=(400, 40, 460, 100))
    beyond = faces([100], box=(-20, -8, 60, 999))
    found = boxes.of_targets(pd.DataFrame([CLIP]), sources(), pd.concat([beyond, outside]))
    assert found[["frame", "x1", "y1", "x2", "y2"]].values.tolist() == [[0, 0, 0, 30, 120]]


def test_targets_of_other_clips_are_left_out():
    other = faces([100, 101]).assign(clip_id="d")
    assert boxes.of_targets(pd.DataFrame([CLIP]), sources(), other).empty


def test_no_boxes_at_all():
    assert boxes.of_targets(pd.DataFrame([CLIP]), sources(), faces([])).empty
