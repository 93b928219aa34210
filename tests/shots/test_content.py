"""Our detectors by content and PySceneDetect's find the same cuts."""

from __future__ import annotations

import numpy as np
import pytest
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector, ContentDetector

from caer_data.shots.content import Adaptive, Content, to_hsv


def film(seed: int) -> list[np.ndarray]:
    """Shots of random lengths, some of one frame, over noise that grows."""
    random = np.random.default_rng(seed)
    frames: list[np.ndarray] = []
    while len(frames) < 300:
        colour = random.integers(0, 256, 3)
        for _ in range(int(random.choice([1, 2, 7, 25, 40]))):
            noise = random.normal(0, seed * 6, (24, 32, 3))
            frames.append((colour + noise).clip(0, 255).astype(np.uint8))
    return frames[: 300 - seed]


def cuts(detector, frames: list[np.ndarray]) -> list[int]:
    found = []
    ours = isinstance(detector, Adaptive | Content)
    for index, picture in enumerate(frames):
        time = FrameTimecode(index, 25.0)
        found += detector.process_frame(time, to_hsv(picture) if ours else picture)
    found += detector.post_process(FrameTimecode(len(frames) - 1, 25.0))
    return [cut.frame_num for cut in found]


@pytest.mark.parametrize("length", [0, 5, 15])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("ours", "theirs", "threshold", "value"),
    [
        (Content, ContentDetector, "threshold", 27.0),
        (Content, ContentDetector, "threshold", 60.0),
        (Adaptive, AdaptiveDetector, "adaptive_threshold", 3.0),
        (Adaptive, AdaptiveDetector, "adaptive_threshold", 1.2),
    ],
    ids=["content", "content 60", "adaptive", "adaptive 1.2"],
)
def test_cuts_are_those_of_the_library(ours, theirs, threshold, value, seed, length):
    frames = film(seed)
    settings = {threshold: value, "min_scene_len": length}
    expected = cuts(theirs(**settings), frames)
    assert cuts(ours(**settings), frames) == expected
    assert expected or (seed, length) != (0, 0)
