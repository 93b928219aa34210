"""pyannote.video's shot detector: the displaced frame difference.

Each frame is predicted from the previous one by dense optical flow. The remaining difference is the
displaced frame difference. There is a cut where it exceeds its running median by more than the
threshold, relative to that median (https://github.com/pyannote/pyannote-video, `Shot`: pictures 50
pixels high, median over two seconds, threshold 1.0, of neighbouring frames only the first).

There are two deviations. The original has no minimum difference, so that camera noise causes cuts
in still pictures; here the difference must be at least 10 grey values out of 255. At both ends of
the video, the median is taken over the existing frames, not over zeros.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.media.probe import VideoInfo
from caer_data.shots.boundaries import Cut

_HEIGHT: Final = 50
_CONTEXT_S: Final = 2.0
_THRESHOLD: Final = 1.0
_MIN_DIFFERENCE: Final = 10.0
"""Minimum difference of a cut, in grey values out of 255."""


class DisplacedFrameDifference:
    """Finds cuts by the difference that optical flow does not explain, one second late."""

    def __init__(self, info: VideoInfo, threshold: float | None) -> None:
        self.size = (max(16, round(_HEIGHT * info.width / info.height)), _HEIGHT)
        self._threshold = _THRESHOLD if threshold is None else threshold
        self._half = max(1, math.ceil(_CONTEXT_S * info.fps) // 2)
        none = [math.nan] * self._half
        self._context = deque(none, maxlen=2 * self._half + 1)
        self._previous: npt.NDArray[np.uint8] | None = None
        self._last = 0
        self._next = 1
        self._above = -1

    def prepared(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the picture in grey."""
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)

    def push(self, index: int, prepared: npt.NDArray[np.uint8]) -> list[Cut]:
        """Compare a picture with the previous one and decide on the frame one second ago."""
        previous, self._previous = self._previous, prepared
        self._last = index
        return [] if previous is None else self._add(displaced_frame_difference(previous, prepared))

    def finish(self) -> list[Cut]:
        """Decide on the last second."""
        cuts: list[Cut] = []
        while self._next <= self._last:
            cuts += self._add(math.nan)
        return cuts

    def _add(self, difference: float) -> list[Cut]:
        self._context.append(difference)
        if len(self._context) <= 2 * self._half:
            return []
        index, self._next = self._next, self._next + 1
        median = float(np.nanmedian(self._context))
        value = self._context[self._half]
        if value < _MIN_DIFFERENCE or value - median <= self._threshold * median:
            return []
        follows = self._above == index - 1
        self._above = index
        return [] if follows else [Cut(index, "cut", value / 255)]


def displaced_frame_difference(
    previous: npt.NDArray[np.uint8], current: npt.NDArray[np.uint8]
) -> float:
    """Return the mean absolute difference of a grey picture to the next, warped by the flow."""
    flow = cv2.calcOpticalFlowFarneback(
        previous,
        current,
        None,
        pyr_scale=0.5,
        levels=3,
        winsize=15,
        iterations=3,
        poly_n=5,
        poly_sigma=1.1,
        flags=0,
    )
    height, width = previous.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(
        current, x + flow[..., 0], y + flow[..., 1], cv2.INTER_NEAREST, None, cv2.BORDER_REPLICATE
    )
    return float(cv2.absdiff(previous, moved).mean())
