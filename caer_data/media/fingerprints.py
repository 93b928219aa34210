"""Fingerprints of a video: small grey pictures, several per second, and bits of its sound.

They are computed in the decode pass of a build and show whether two videos have the same content,
however the files were processed. A picture is the area between black bars, stretched to a fixed
size, so that it does not depend on bars or the shape of the frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.media.frame import DecodedFrame, Picture

VERSION: Final = 4
RATE: Final = 8
"""Pictures per second."""

WIDTH, HEIGHT = 32, 18
"""Size of a picture, px."""

GRID: Final = (128, 72)
"""Size at which black bars are detected, px."""

Seen = tuple[npt.NDArray[np.int64], Picture, npt.NDArray[np.uint8]]
"""`pts`, `pictures` and `inside` of `Fingerprints`."""

_BLACK: Final = 24  # out of 255; black including encoding noise
_ALMOST_ALL: Final = 95  # percentile of a row, so that a logo or a stray pixel does not end a bar
_STRAY: Final = 2  # bright lines to ignore at the edge of the frame, such as an encoder's padding
_MAX_BAR: Final = 0.35  # share of a side; a wider black area is a dark picture, not a bar
_AROUND: Final = 5 * RATE  # pictures before and after in which a bar must be black, too


@dataclass(frozen=True)
class Fingerprints:
    """The fingerprints of one video.

    Attributes:
        pts: timestamp of each picture in the video's time base, rising; shape (n,), int64.
        pictures: grey pictures; shape (n, HEIGHT, WIDTH), uint8.
        inside: left, top, right, bottom of the area between black bars, in cells of `GRID` over the
            displayed frame; shape (n, 4), uint8.
        sound: fingerprints of the sound, `sound_prints.RATE` per second from the first frame on;
            shape (m,), uint32; empty without sound.
    """

    pts: npt.NDArray[np.int64]
    pictures: Picture
    inside: npt.NDArray[np.uint8]
    sound: npt.NDArray[np.uint32]

    def save(self, folder: Path) -> None:
        """Write each array to a file named after it."""
        for name in ("pts", "pictures", "inside", "sound"):
            np.save(folder / f"{name}.npy", getattr(self, name))


def load(read: Callable[[str], npt.NDArray[Any]]) -> Fingerprints:
    """Read what `Fingerprints.save` wrote; `read` returns the array in a file of a given name."""
    names = ("pts.npy", "pictures.npy", "inside.npy", "sound.npy")
    return Fingerprints(*map(read, names))


def nothing() -> Seen:
    """Return empty arrays of timestamps, pictures and boxes."""
    pictures = np.zeros((0, HEIGHT, WIDTH), np.uint8)
    return np.zeros(0, np.int64), pictures, np.zeros((0, 4), np.uint8)


@dataclass(frozen=True)
class Look:
    """A frame as fingerprints see it.

    Attributes:
        picture: grey picture of 128x72 pixels.
        edges: brightness of each row, then of each column: the 95th percentile.
    """

    picture: Picture
    edges: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, picture: Picture) -> Look:
        """Return the look of a grey picture of 128x72 pixels."""
        return cls(picture, _edges(picture))


def looked_at(frame: DecodedFrame) -> Look:
    """Return the look of a frame; threads can look at frames in any order."""
    return Look.of(frame.luma(*GRID))


class Writer:
    """Computes fingerprints of frames that are pushed one by one; `finish` returns them.

    Args:
        time_base: unit of the timestamps, seconds.
        every: pictures per second; None uses every frame.
    """

    def __init__(self, time_base: Fraction, every: int | None = RATE) -> None:
        self._step = Fraction(0) if every is None else 1 / (every * time_base)
        self._next: Fraction | None = None
        self._pts: list[int] = []
        self._done: list[Picture] = []
        self._inside: list[tuple[int, int, int, int]] = []
        self._waiting: deque[Look] = deque()
        self._seen: deque[npt.NDArray[np.uint8]] = deque(maxlen=2 * _AROUND + 1)

    def push(self, frame: DecodedFrame) -> None:
        """Add the next frame; most frames are skipped."""
        if self.due(frame.pts):
            self.add(looked_at(frame))

    def due(self, pts: int) -> bool:
        """Whether to use the next frame, given its time; if so, pass its picture to `add`."""
        if self._next is not None and pts < self._next:
            return False
        first = pts if self._next is None else self._next
        steps = 1 if not self._step else int((pts - first) / self._step) + 1
        self._next = first + steps * self._step
        self._pts.append(pts)
        return True

    def add(self, look: Look) -> None:
        """Add the picture of a frame."""
        self._waiting.append(look)
        self._seen.append(look.edges)
        if len(self._waiting) > _AROUND:
            self._finish_one()

    def finish(self) -> Seen:
        """Return the timestamps, pictures and boxes of all frames used."""
        while self._waiting:
            self._finish_one()
        pictures = np.array(self._done, np.uint8).reshape(-1, HEIGHT, WIDTH)
        inside = np.array(self._inside, np.uint8).reshape(-1, 4)
        return np.array(self._pts, np.int64), pictures, inside

    def _finish_one(self) -> None:
        picture = self._waiting.popleft().picture
        box = _box(np.max(self._seen, axis=0), len(picture))
        self._inside.append(box)
        self._done.append(_between_bars(picture, box))


def of_pictures(looks: list[Picture]) -> Picture:
    """Return the fingerprints of unrelated grey pictures of any size, each with its own bars."""
    made = []
    for look in looks:
        small = cv2.resize(look, GRID, interpolation=cv2.INTER_AREA)
        made.append(_between_bars(small, _box(_edges(small), len(small))))
    return np.array(made, np.uint8).reshape(-1, HEIGHT, WIDTH)


def _edges(look: Picture) -> npt.NDArray[np.uint8]:
    """Return the brightness of each row, then of each column: the 95th percentile."""
    rows = np.partition(look, look.shape[1] * _ALMOST_ALL // 100, axis=1)
    columns = np.partition(look, look.shape[0] * _ALMOST_ALL // 100, axis=0)
    return np.concatenate(
        [rows[:, look.shape[1] * _ALMOST_ALL // 100], columns[look.shape[0] * _ALMOST_ALL // 100]]
    )


def _box(edges: npt.NDArray[np.uint8], height: int) -> tuple[int, int, int, int]:
    """Return the left, top, right and bottom of the area of a picture between its bars."""
    top, bottom = _inside(edges[:height])
    left, right = _inside(edges[height:])
    return left, top, right, bottom


def _between_bars(look: Picture, box: tuple[int, int, int, int]) -> Picture:
    """Return a part of a picture, stretched to `WIDTH` x `HEIGHT`."""
    left, top, right, bottom = box
    inner = look[top:bottom, left:right]
    return np.asarray(cv2.resize(inner, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _inside(brightness: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return the first line that is not part of a bar, and one past the last; all if all is dark.

    One or two bright lines at the edge of the frame do not count as picture.
    """
    size, bright = len(brightness), np.flatnonzero(brightness > _BLACK)
    for _ in range(2):
        gaps = np.flatnonzero(np.diff(bright) > _STRAY)
        if len(gaps) and gaps[0] < _STRAY and bright[0] < _STRAY:
            bright = bright[gaps[0] + 1 :]
        bright = size - 1 - bright[::-1]
    if not len(bright) or max(bright[0], size - 1 - bright[-1]) > _MAX_BAR * size:
        return 0, size
    return int(bright[0]), int(bright[-1]) + 1
