"""Animation of a still portrait: the head sways and nods, the eyes blink, the jaw moves in speech.

A smooth displacement field says where every pixel around the head is taken from; the body and edges
do not move. Lengths are shares of the height of the face, and times are in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

SYLLABLES_PER_S: Final = 4.5
_STEP: Final = 4  # px between the points at which the field is computed
_REACH: Final = 1.9  # distance from the middle of the face at which nothing moves
_SWAY: Final = (0.07, 0.035)  # horizontal and vertical amplitude
_TURN: Final = math.radians(3.0)
_JAW: Final = 0.075
_EYES: Final = ((-0.25, -0.2), (0.25, -0.2))  # from the middle of the face
_LID: Final = 0.075
_MOUTH: Final = 0.27  # below the middle
_BLINK_S: Final = 0.2

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Face:
    """A face on the stage: middle and height in pixels, and the seed of its movements."""

    x: float
    y: float
    height: float
    seed: int
    speaks: bool

    def square(self, width: int, height: int) -> tuple[slice, slice]:
        """Return the rows and columns of a stage in which anything moves."""
        reach = _REACH * self.height
        top, bottom = int(self.y - reach), int(self.y + reach)
        left, right = int(self.x - reach), int(self.x + reach)
        rows = slice(max(0, top), min(height, bottom))
        return rows, slice(max(0, left), min(width, right))


class Mover:
    """Moves the pixels around one face.

    Args:
        face: the face on the stage.
        square: rows and columns of the stage that are passed to `moved`.
    """

    def __init__(self, face: Face, square: tuple[slice, slice]) -> None:
        height, width = (s.stop - s.start for s in square)
        grid = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        self._here = np.dstack(grid)
        rows, columns = (np.arange(s.start, s.stop, _STEP, dtype=np.float32) for s in square)
        x, y = np.meshgrid((columns - face.x) / face.height, (rows - face.y) / face.height)
        draw = np.random.default_rng(face.seed)
        self._phases = draw.uniform(0, 2 * math.pi, 4)
        self._blinks = np.cumsum(draw.uniform(0.7, 2.2, 20))
        self._accents = draw.uniform(0.35, 1.0, 600)
        self._face, self._x, self._y = face, x, y
        self._head = _fading(np.hypot(x, y), 0.85, _REACH) * _fading(y, 0.55, 1.1)
        self._jaw = np.exp(-((x / 0.3) ** 2)) * _rising(y - _MOUTH) * _fading(y, 0.5, 0.8)
        self._lids = sum(
            np.exp(-(((x - ex) / 0.13) ** 2) - ((y - ey) / 0.06) ** 2) for ex, ey in _EYES
        )

    def moved(self, pixels: Any, time: float) -> Any:
        """Return the pixels of the square, (height, width, channels), at a time."""
        height, head = self._face.height, self._head
        a, b, c, d = self._phases
        right = _SWAY[0] * math.sin(1.9 * time + a) + 0.02 * math.sin(5.3 * time + b)
        down = _SWAY[1] * math.sin(2.7 * time + c)
        turn = _TURN * math.sin(2.2 * time + d)
        down_by = down + turn * self._x + self._opened(time) * _JAW * self._jaw
        down_by = head * down_by + self._closed(time) * _LID * self._lids
        right_by = head * (right - turn * self._y)
        coarse = np.dstack([right_by, down_by]).astype(np.float32) * height
        rows, columns = self._here.shape[:2]
        moved = cv2.resize(coarse, (coarse.shape[1] * _STEP, coarse.shape[0] * _STEP))
        there = self._here - moved[:rows, :columns]
        return cv2.remap(pixels, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _opened(self, time: float) -> float:
        """Return how far the mouth is open, 0 to 1, following the syllables of the voice."""
        if not self._face.speaks:
            return 0.0
        syllable = time * SYLLABLES_PER_S
        accent = self._accents[int(syllable) % len(self._accents)]
        return float(accent * math.sin(math.pi * (syllable % 1)) ** 2)

    def _closed(self, time: float) -> float:
        """Return how far the eyes are closed, 0 to 1."""
        nearest = float(np.abs(self._blinks - time).min())
        return max(0.0, 1 - nearest / (_BLINK_S / 2))


def _fading(values: Any, start: float, end: float) -> Any:
    """Return 1 up to `start`, 0 from `end` on, and a smooth transition in between."""
    t = np.clip((end - values) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def _rising(values: Any) -> Any:
    """Return 0 above the mouth, 1 slightly below it, and a smooth transition in between."""
    return 1 - _fading(values, -0.02, 0.09)
