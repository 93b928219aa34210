"""Cuts that colour alone misses or makes up: the structure of the picture decides.

PySceneDetect scores a frame by how far hue, saturation and brightness move. Between two dark shots
they move little, in a flash they move much, and a cut with one blended frame is spread over two.
Here every frame is also compared with the one before by normalised cross-correlation at the best
small shift (so that a pan does not count), which sees neither brightness nor contrast:

- a proposed cut across which the structure stays, or comes back within a few frames, is a lamp, a
  flash or a dropped frame: it is left out; likewise one across which much of the detail stays in
  its place, which is a title;
- a frame whose structure changes by far more than its neighbours' is a cut, proposed or not; in
  fast motion, in which every frame is unlike the one before, a hint of the colour is enough;
- a frame that is a weighted mean of its neighbours, which are unlike, is a cut with a blended
  frame; the shot that has the larger weight gets it.

The comparison with the neighbours is AdaptiveDetector's idea
(https://www.scenedetect.com/docs/latest/api/detectors.html), the stabilising constant that of SSIM
(Wang et al. 2004, equation 10). The constants were chosen on generated films and on real ones,
those of the accuracy benchmark among them: its figures for this detector flatter it a little.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.shots.boundaries import BoundaryFinder, Cut

_WIDTH: Final = 48
_HEIGHT: Final = 27
_SHIFT: Final = (6, 4)
"""Largest shift that is searched, in pixels of a thumbnail: an eighth of the picture a frame."""

_STABLE: Final = 2.0
"""Variance of grey values below which a thumbnail is taken as flat."""

_SAME: Final = 0.08
"""Unlikeness below which two frames show the same picture."""

_WEAK: Final = 0.2
"""Unlikeness below which a proposed cut must stand out clearly from its neighbours."""

_UNLIKE: Final = 0.3
"""Unlikeness from which a frame can be a cut by structure alone."""

_WHOLLY_UNLIKE: Final = 0.6
"""Unlikeness from which it is a cut, whatever moves around it, if the colour hints at one, too."""

_RATIO: Final = 2.5
"""How many times the mean of its neighbours' the unlikeness of such a frame must be."""

_STANDS_OUT: Final = 3.5
"""How many times that must be without a shift: in motion, a shift fits some frames and not others.
"""

_CLEARLY: Final = 6.0
"""How many times is enough with a shift: the camera shakes."""

_RETURNED: Final = 0.25
"""Unlikeness below which a picture has come back, as a share of that across the cut."""

_NEIGHBOURS: Final = 2
_BLEND_RESIDUAL: Final = 0.2
"""Largest share of the change that a weighted mean of two frames may leave unexplained."""

KEPT: Final = 0.35
"""Share of the detail that may stay in its place across a cut; chance alone keeps 0.1 to 0.2."""

_FAINT: Final = 4.0
_BLACK: Final = 8.0
_MIN_DETAIL: Final = 20
"""Detail: steps between neighbouring pixels of this many grey values at least, not in the dark, and
so many of them."""

_MAX_FLASH: Final = 12


@dataclass(frozen=True)
class Thumbnail:
    """A small grey picture: values (27, 48), 0 to 255, and what comparing needs of them."""

    grey: npt.NDArray[np.float32]
    mean: float
    centred: npt.NDArray[np.float32]
    variance: float


@dataclass(frozen=True)
class _Change:
    change: float
    """Unlikeness to the frame before."""

    unmoved: float
    """The same without a shift."""


@dataclass(frozen=True)
class _Frame(_Change):
    thumbnail: Thumbnail


@dataclass(frozen=True)
class _Found:
    index: int
    change: float

    def cut(self) -> Cut:
        return Cut(self.index, "cut", min(1.0, self.change))


class Refined:
    """Another finder's cuts, verified by the structure of the picture, and those it missed.

    Holds a few dozen thumbnails, however long the video is.

    Args:
        proposals: finds cuts by colour, at most `_NEIGHBOURS` frames late.
        min_frames: of two cuts that are closer than this, the stronger is kept.
        faint: cuts that the colour only hints at, filled by whoever finds the proposals.
    """

    def __init__(
        self, proposals: BoundaryFinder, min_frames: int, faint: set[int] | None = None
    ) -> None:
        self.size = proposals.size
        self._proposals = proposals
        self._min_frames = min_frames
        self._flash = min(max(min_frames, _NEIGHBOURS), _MAX_FLASH)
        self._proposed: set[int] = set()
        self._faint = set() if faint is None else faint
        self._frames: deque[_Frame] = deque(maxlen=2 * self._flash + 2 * _NEIGHBOURS + 2)
        self._count = 0
        self._decided = 1
        self._waiting: _Found | None = None

    def push(self, index: int, picture: npt.NDArray[np.uint8]) -> list[Cut]:
        """Take the next picture; cuts come out some frames late."""
        self._proposed.update(cut.frame for cut in self._proposals.push(index, picture))
        thumbnail = thumbnail_of(picture)
        change = unmoved = 0.0
        if self._frames:
            before = self._frames[-1].thumbnail
            change, unmoved = unlikeness(before, thumbnail), plain_unlikeness(before, thumbnail)
        self._frames.append(_Frame(change, unmoved, thumbnail))
        self._count += 1
        return self._decide(self._count - self._flash - _NEIGHBOURS)

    @property
    def latest(self) -> Thumbnail:
        """Thumbnail of the picture taken last."""
        return self._frames[-1].thumbnail

    def finish(self) -> list[Cut]:
        """Decide on the last frames."""
        self._proposed.update(cut.frame for cut in self._proposals.finish())
        cuts = self._decide(self._count)
        if self._waiting is not None:
            cuts.append(self._waiting.cut())
        return cuts

    def _decide(self, until: int) -> list[Cut]:
        certain = []
        while self._decided < until:
            index = self._decided
            self._decided += 1
            cut = self._cut_at(index)
            self._proposed.discard(index)
            self._faint.discard(index)
            waiting = self._waiting
            if waiting is not None and index - waiting.index >= self._min_frames:
                certain.append(waiting.cut())
                self._waiting = waiting = None
            if (
                cut is not None
                and cut.index >= self._min_frames
                and (waiting is None or cut.change >= waiting.change)
            ):
                self._waiting = cut
        return certain

    def _cut_at(self, index: int) -> _Found | None:
        change = self._change(index)
        faint = index in self._faint and change >= _WHOLLY_UNLIKE
        if self._believed(index) if index in self._proposed else faint or self._stands_out(index):
            return _Found(index, change) if self._stays_away(index) else None
        return self._blended_cut(index)

    def _believed(self, index: int) -> bool:
        """Whether the structure does not speak against a proposed cut."""
        frame = self._at(index)
        least = _CLEARLY * self._usual(index).change if frame.change < _WEAK else 0.0
        return frame.change >= max(_SAME, least)

    def _stands_out(self, index: int) -> bool:
        frame, usual = self._at(index), self._usual(index)
        return frame.change >= max(_UNLIKE, _RATIO * usual.change) and (
            frame.change >= _CLEARLY * usual.change or frame.unmoved >= _STANDS_OUT * usual.unmoved
        )

    def _usual(self, index: int) -> _Change:
        """Mean change of the neighbours."""
        around = [
            self._at(index + step)
            for step in range(-_NEIGHBOURS, _NEIGHBOURS + 1)
            if step and 1 <= index + step < self._count
        ]
        count = max(1, len(around))
        return _Change(
            sum(f.change for f in around) / count, sum(f.unmoved for f in around) / count
        )

    def _stays_away(self, index: int) -> bool:
        """Whether neither side's picture is seen on the other side a few frames on."""
        before, after = self._thumbnail(index - 1), self._thumbnail(index)
        if only_partly_changed(before, after):
            return False
        same = max(_SAME, self._change(index) * _RETURNED)
        later = range(index + 1, min(index + self._flash, self._count))
        earlier = range(index - 2, max(index - 1 - self._flash, -1), -1)
        return all(unlikeness(before, self._thumbnail(i)) >= same for i in later) and all(
            unlikeness(self._thumbnail(i), after) >= same for i in earlier
        )

    def _blended_cut(self, index: int) -> _Found | None:
        if not 2 <= index < self._count - 2:
            return None
        old, mixed, new = (self._thumbnail(index + step) for step in (-1, 0, 1))
        change = unlikeness(old, new)
        if change < _UNLIKE:
            return None
        spread = [
            unlikeness(self._thumbnail(i - 1), self._thumbnail(i + 1))
            for i in (index - 3, index - 2, index + 2, index + 3)
            if 1 <= i < self._count - 1
        ]
        share = _share_of_old(old, mixed, new)
        if share is None or change < _RATIO * sum(spread) / max(1, len(spread)):
            return None
        cut = index if share < 0.5 else index + 1
        return _Found(cut, change) if self._stays_away(index + 1) else None

    def _at(self, index: int) -> _Frame:
        return self._frames[index - self._count]

    def _thumbnail(self, index: int) -> Thumbnail:
        return self._at(index).thumbnail

    def _change(self, index: int) -> float:
        return self._at(index).change


def thumbnail_of(picture: npt.NDArray[np.uint8]) -> Thumbnail:
    """Grey thumbnail of a BGR picture."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    if width >= 2 * _WIDTH and height >= 2 * _HEIGHT:
        # Halving first is three times as fast: only whole factors have a quick path in OpenCV.
        grey = cv2.resize(grey, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    small = cv2.resize(grey, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    return _thumbnail(np.asarray(small, dtype=np.float32))


def unlikeness(one: Thumbnail, other: Thumbnail) -> float:
    """One minus the stabilised correlation at the best small shift: 0 same picture, 1 unlike."""
    lowest = plain_unlikeness(one, other)
    if lowest < _SAME:
        return lowest
    right, down = _SHIFT
    centre = other.grey[down : _HEIGHT - down, right : _WIDTH - right]
    scores = cv2.matchTemplate(one.grey, centre, cv2.TM_CCOEFF_NORMED)
    _, _, _, (x, y) = cv2.minMaxLoc(np.nan_to_num(scores))
    height, width = centre.shape
    moved = one.grey[y : y + height, x : x + width]
    return min(lowest, plain_unlikeness(_thumbnail(moved), _thumbnail(centre)))


def only_partly_changed(one: Thumbnail, other: Thumbnail, kept: float = KEPT) -> bool:
    """Whether much of the detail is still there, in its place: a title or an inset came up."""
    contrast = math.sqrt(max(one.variance, other.variance))
    edge = max(_FAINT, contrast / 4)
    detail = np.maximum(_gradient(one.grey), _gradient(other.grey)) > edge
    detail &= np.maximum(one.grey, other.grey) > _BLACK  # the rims of black bars always stay
    if np.count_nonzero(detail) < _MIN_DETAIL:
        return False
    stays = np.abs(one.grey - other.grey)[detail] < edge / 2
    return float(stays.mean()) > kept


def _gradient(grey: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    across = np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    return across + np.abs(np.diff(grey, axis=0, append=grey[-1:]))


def _thumbnail(grey: npt.NDArray[np.float32]) -> Thumbnail:
    mean = cv2.mean(grey)[0]
    centred = (grey - np.float32(mean)).ravel()
    return Thumbnail(grey, mean, centred, float(centred @ centred) / centred.size)


def plain_unlikeness(one: Thumbnail, other: Thumbnail) -> float:
    """Unlikeness without a shift, which is never smaller than `unlikeness`."""
    if max(one.variance, other.variance) < _STABLE:
        return abs(one.mean - other.mean) / 255
    both = float(one.centred @ other.centred) / one.centred.size
    spread = math.sqrt((one.variance + _STABLE) * (other.variance + _STABLE))
    return 1 - (both + _STABLE) / spread


def _share_of_old(old: Thumbnail, mixed: Thumbnail, new: Thumbnail) -> float | None:
    """Weight of the old frame in the mixed one, or None if it is not a mean of the two."""
    change = (old.grey - new.grey).ravel()
    power = float(change @ change)
    if power < _STABLE * change.size:
        return None
    rest = (mixed.grey - new.grey).ravel()
    share = float(rest @ change) / power
    residual = rest - np.float32(share) * change
    unexplained = float(residual @ residual) / power
    return share if 0.1 < share < 0.9 and unexplained < _BLEND_RESIDUAL**2 else None
