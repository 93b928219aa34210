"""Fingerprints of a video: small grey pictures, several per second, and bits of its sound.

They are computed in the decode pass of a build and show whether two videos have the same content,
however the files were processed. A picture is the area between black bars, stretched to a fixed
size, so that it does not depend on bars or the shape of the frame. Still pictures, such as cards
with text, are also kept in detail, because motion does not tell them apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.media.frame import DecodedFrame, Picture

VERSION: Final = 6
RATE: Final = 8
"""Pictures per second."""

WIDTH, HEIGHT = 32, 18
"""Size of a picture, px."""

GRID: Final = (128, 72)
"""Size at which black bars are detected, px."""

DETAIL: Final = (96, 54)
"""Width and height of a detailed picture, px."""

Seen = tuple[npt.NDArray[np.int64], Picture, npt.NDArray[np.uint8]]
"""`pts`, `pictures` and `inside` of `Fingerprints`."""

_BLACK: Final = 24  # out of 255; black including encoding noise
_ALMOST_ALL: Final = 95  # percentile of a row, so that a logo or a stray pixel does not end a bar
_MOST_OF_IT: Final = 80  # the same for a bar with a logo, if the one on the other side is clean
_CLEAN: Final = 3  # lines of the clean bar, at least
_WIDER: Final = 2  # times as wide the other bar may be
_STRAY: Final = 2  # bright lines to ignore at the edge of the frame, such as an encoder's padding
_MAX_BAR: Final = 0.35  # share of a side; a wider black area is a dark picture, not a bar
_AROUND: Final = 5 * RATE  # pictures before and after in which a bar must be black, too
_STILL: Final = 1.0  # mean difference (out of 255) of pictures half a second apart; or less
_DETAILED: Final = 2 * RATE  # pictures from one detailed picture to the next, while nothing moves


def no_details() -> Picture:
    """Return no detailed pictures."""
    return np.zeros((0, *reversed(DETAIL)), np.uint8)


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
        stills: some of the pictures in which nothing moves, by number, rising; shape (k,), int64.
        detailed: the same in detail; shape (k, *reversed(DETAIL)), uint8.
    """

    pts: npt.NDArray[np.int64]
    pictures: Picture
    inside: npt.NDArray[np.uint8]
    sound: npt.NDArray[np.uint32]
    stills: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    detailed: Picture = field(default_factory=no_details)

    def save(self, folder: Path) -> None:
        """Write each array to a file named after it."""
        for name in (*_ALWAYS, *_SINCE_5):
            np.save(folder / f"{name}.npy", getattr(self, name))


_ALWAYS: Final = ("pts", "pictures", "inside", "sound")
_SINCE_5: Final = ("stills", "detailed")


def load(read: Callable[[str], npt.NDArray[Any]]) -> Fingerprints:
    """Read what `Fingerprints.save` wrote; `read` returns the array in a file of a given name.

    Fingerprints of absent videos may be of an earlier version, without detailed pictures.
    """
    made = Fingerprints(*(read(f"{name}.npy") for name in _ALWAYS))
    try:
        return replace(made, **{name: read(f"{name}.npy") for name in _SINCE_5})
    except KeyError:
        return made


def nothing() -> Seen:
    """Return empty arrays of timestamps, pictures and boxes."""
    pictures = np.zeros((0, HEIGHT, WIDTH), np.uint8)
    return np.zeros(0, np.int64), pictures, np.zeros((0, 4), np.uint8)


def no_stills() -> tuple[npt.NDArray[np.int64], Picture]:
    """Return `stills` and `detailed` of a video without still pictures."""
    return np.zeros(0, np.int64), no_details()


@dataclass(frozen=True)
class Look:
    """A frame as fingerprints see it.

    Attributes:
        picture: grey picture of 128x72 pixels.
        edges: brightness of each row, then of each column: the 95th percentile, then the 80th.
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
        self._stills: list[int] = []
        self._detailed: list[Picture] = []

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

    def details(self) -> tuple[npt.NDArray[np.int64], Picture]:
        """Return `stills` and `detailed` of `Fingerprints`, after `finish`."""
        return np.array(self._stills, np.int64), np.concatenate([no_details(), *self._detailed])

    def _finish_one(self) -> None:
        picture = self._waiting.popleft().picture
        box = _box(np.max(self._seen, axis=0), len(picture))
        self._inside.append(box)
        self._done.append(_between_bars(picture, box))
        number = len(self._done) - 1
        if self._is_still(number) and (
            not self._stills
            or number - self._stills[-1] >= _DETAILED
            or not _same(self._done[self._stills[-1]], self._done[number])
        ):
            self._stills.append(number)
            self._detailed.append(_in_detail(picture, box))

    def _is_still(self, number: int) -> bool:
        before = number - RATE // 2
        return before >= 0 and _same(self._done[before], self._done[number])


def of_pictures(looks: list[Picture]) -> tuple[Picture, Picture]:
    """Return unrelated grey pictures of any size, each without its own bars: small, in detail."""
    made, detailed = [], [no_details()]
    for look in looks:
        small = cv2.resize(look, GRID, interpolation=cv2.INTER_AREA)
        box = _box(_edges(small), len(small))
        made.append(_between_bars(small, box))
        detailed.append(_in_detail(small, box))
    return np.array(made, np.uint8).reshape(-1, HEIGHT, WIDTH), np.concatenate(detailed)


def _same(one: Picture, other: Picture) -> bool:
    return float(np.abs(one.astype(np.int16) - other).mean()) <= _STILL


def _edges(look: Picture) -> npt.NDArray[np.uint8]:
    """Return the brightness of each row, then of each column: the 95th percentile, then the 80th.

    Returns:
        Shape (2, rows + columns).
    """
    shares = np.array([_ALMOST_ALL, _MOST_OF_IT])
    across, down = (side * shares // 100 for side in look.shape[::-1])
    rows = np.partition(look, across, axis=1)[:, across]
    columns = np.partition(look, down, axis=0)[down]
    return np.concatenate([rows.T, columns], axis=1)


def _box(edges: npt.NDArray[np.uint8], height: int) -> tuple[int, int, int, int]:
    """Return the left, top, right and bottom of the area of a picture between its bars."""
    top, bottom = _inside(*edges[:, :height])
    left, right = _inside(*edges[:, height:])
    return left, top, right, bottom


def _between_bars(look: Picture, box: tuple[int, int, int, int]) -> Picture:
    """Return a part of a picture, stretched to `WIDTH` x `HEIGHT`."""
    return _stretched(look, box, (WIDTH, HEIGHT))


def _in_detail(look: Picture, box: tuple[int, int, int, int]) -> Picture:
    """Return a part of a picture as the only detailed one; shape (1, height, width)."""
    return _stretched(look, box, DETAIL)[None]


def _stretched(look: Picture, box: tuple[int, int, int, int], size: tuple[int, int]) -> Picture:
    left, top, right, bottom = box
    inner = look[top:bottom, left:right]
    return np.asarray(cv2.resize(inner, size, interpolation=cv2.INTER_AREA), np.uint8)


def _inside(
    almost_all: npt.NDArray[np.uint8], most_of_it: npt.NDArray[np.uint8]
) -> tuple[int, int]:
    """Return the first line that is not part of a bar, and one past the last; all if all is dark.

    If there is a bar on one side, the one on the other side may bear a logo, but is at most twice
    as wide, as after a crop off the centre.

    Args:
        almost_all: brightness of each line without a stray bright pixel.
        most_of_it: brightness of each line without a logo.
    """
    size = len(almost_all)
    first, end = _clean(almost_all)
    start, stop = _clean(most_of_it)
    if size - end >= _CLEAN:
        first = max(first, min(start, _WIDER * (size - end)))
    elif first >= _CLEAN:
        end = min(end, max(stop, size - _WIDER * first))
    return first, end


def _clean(brightness: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return the first line that is not dark, and one past the last; all if all is dark.

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
