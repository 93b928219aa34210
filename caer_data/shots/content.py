"""PySceneDetect's content-based cut detectors, with a faster computation of the frame score.

The original converts six planes to 32 bits for the same score, which costs more than decoding small
videos. Scores, thresholds and cuts equal PySceneDetect's (https://www.scenedetect.com); a test
verifies this.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from scenedetect import FrameTimecode
from scenedetect.detector import FlashFilter

_WINDOW: Final = 2  # number of frames before and after whose scores are averaged
_MIN_CONTENT: Final = 15.0  # minimum content value of a cut
_FAINT: Final = 2.5  # the same for pictures of low contrast, in which little can change
_MAX_RATIO: Final = 255.0
_ZERO: Final = 1e-5


def to_hsv(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Convert a picture (BGR) for `process_frame` of the detectors in this module."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV), np.uint8)


class _Score:
    """Mean difference of hue, saturation and value from the previous frame."""

    def __init__(self) -> None:
        self._last: npt.NDArray[np.uint8] | None = None

    def of(self, hsv: npt.NDArray[np.uint8]) -> float:
        """Return the score of the next frame, HSV (height, width, 3); 0 for the first one."""
        last, self._last = self._last, hsv
        return 0.0 if last is None else float(cv2.norm(hsv, last, cv2.NORM_L1)) / hsv.size


class Content:
    """Finds cuts where the content changes by `threshold` or more."""

    def __init__(self, threshold: float, min_scene_len: int) -> None:
        self._score = _Score()
        self._threshold = threshold
        self._filter = FlashFilter(FlashFilter.Mode.MERGE, min_scene_len)

    def process_frame(self, time: FrameTimecode, hsv: npt.NDArray[np.uint8]) -> list[Any]:
        """Process the next frame; return cuts."""
        above = self._score.of(hsv) >= self._threshold
        return list(self._filter.filter(time, above))

    def post_process(self, time: FrameTimecode) -> list[Any]:
        """Return the last cuts; there are none."""
        return []


class Adaptive:
    """Finds cuts where the content changes much more than in the surrounding frames.

    Attributes:
        faint: frames that are cuts only by the lower threshold for pictures of low contrast; the
            reader of this set removes them.
    """

    def __init__(self, adaptive_threshold: float, min_scene_len: int) -> None:
        self._score = _Score()
        self._threshold = adaptive_threshold
        self._min_scene_len = min_scene_len
        self._recent: deque[tuple[FrameTimecode, float]] = deque(maxlen=2 * _WINDOW + 1)
        self._last_cut: FrameTimecode | None = None
        self.faint: set[int] = set()

    def process_frame(self, time: FrameTimecode, hsv: npt.NDArray[np.uint8]) -> list[Any]:
        """Process the next frame; return a cut two frames late."""
        self._last_cut = time if self._last_cut is None else self._last_cut
        self._recent.append((time, self._score.of(hsv)))
        if len(self._recent) <= 2 * _WINDOW:
            return []
        middle, score = self._recent[_WINDOW]
        others = [s for i, (_, s) in enumerate(self._recent) if i != _WINDOW]
        average = sum(others) / len(others)
        ratio = min(score / average, _MAX_RATIO) if average >= _ZERO else _MAX_RATIO
        if ratio < self._threshold:
            return []
        if score < _MIN_CONTENT:
            if score >= _FAINT:
                self.faint.add(middle.frame_num)
            return []
        if (middle - self._last_cut) < self._min_scene_len:
            return []
        self._last_cut = middle
        return [middle]

    def post_process(self, time: FrameTimecode) -> list[Any]:
        """Return the last cuts; there are none, since the last frames have no window."""
        return []
