from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest
from skimage import data

from caer_data.export import frames


@pytest.mark.parametrize(
    ("count", "fps", "pictures"),
    [(30, "25", 2), (84, "24000/1001", 6), (753, "25", 6), (5, "30", 1), (75, "25", 6)],
)
def test_one_picture_a_half_second_at_most_six(count, fps, pictures):
    assert list(frames.number(pd.DataFrame({"frames": [count], "fps": [fps]}), 6)) == [pictures]


def test_the_paper_s_clips_give_about_seventy_thousand():
    # lengths as in the paper and its release: 30 frames or more, mean 84, up to 753
    lengths = np.random.default_rng(0).lognormal(4.27, 0.55, 13201).clip(30, 753).astype(int)
    assert 80 < lengths.mean() < 88
    total = frames.number(pd.DataFrame({"frames": lengths, "fps": "25"}), 6).sum()
    assert 60_000 < total < 75_000


def test_stretches_cover_the_clip_and_need_a_box():
    clips = pd.DataFrame({"clip_id": ["a", "b"], "frames": [10, 7]})
    boxes = pd.DataFrame({"clip_id": ["a", "a", "b"], "frame": [0, 9, 3]})
    found = frames.stretches(clips, boxes, pd.Series([3, 2]))
    assert found.values.tolist() == [["a", 0, 4], ["a", 7, 10], ["b", 0, 4]]


@pytest.mark.parametrize("kind", ["str", "object", "category"])
def test_stretches_are_listed_by_name_and_time(kind, monkeypatch):
    """Whatever the order of clips and boxes, how names are held, and how many boxes are a part."""
    clips = pd.DataFrame({"clip_id": ["c", "a", "b", "none"], "frames": [4, 10, 6, 5]})
    clips = clips.astype({"clip_id": kind})
    boxes = pd.DataFrame(
        {"clip_id": ["b", "c", "other", "a", "c", "a", "b"], "frame": [5, 3, 0, 9, 0, 1, 0]}
    )
    expected = [["a", 0, 5], ["a", 5, 10], ["b", 0, 2], ["b", 4, 6], ["c", 0, 4]]
    for part in (2, 1 << 20):
        monkeypatch.setattr(frames, "_PART", part)
        found = frames.stretches(clips, boxes, pd.Series([1, 2, 3, 4]))
        assert found.values.tolist() == expected
        assert found["clip_id"].dtype == clips["clip_id"].dtype


def test_more_pictures_than_frames_are_one_a_frame():
    clips = pd.DataFrame({"clip_id": ["a"], "frames": [3]})
    boxes = pd.DataFrame({"clip_id": "a", "frame": range(3)})
    found = frames.stretches(clips, boxes, pd.Series([50]))
    assert found[["from_frame", "to_frame"]].values.tolist() == [[0, 1], [1, 2], [2, 3]]


def test_a_blurred_face_is_less_sharp():
    luma = data.camera()
    box = np.array([150, 50, 350, 250])
    blurred = cv2.GaussianBlur(luma, (9, 9), 0)
    assert frames.sharpness(blurred, box) < 0.7 * frames.sharpness(luma, box)
    assert frames.sharpness(luma[:3, :3], np.array([0, 0, 1, 1])) == 0


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((1.2, 2.7, 10.1, 12.0), (1, 2, 11, 12)),
        ((-5, -5, 500, 500), (0, 0, 40, 30)),
        ((39.9, 29.9, 40, 30), (39, 29, 40, 30)),
        ((50, 50, 60, 60), (39, 29, 40, 30)),
    ],
)
def test_boxes_in_whole_pixels_lie_in_the_picture(box, expected):
    assert frames.pixels(np.array(box), 40, 30) == expected
