"""Refinement of cuts: the structure of the picture corrects what colour alone gets wrong.

PySceneDetect scores a frame by the change of hue, saturation and brightness. Between two dark shots
this change is small, in a flash it is large, and a cut with a blended frame is spread over two
frames. Here, every frame is also compared with the previous one by normalised cross-correlation at
the best small shift (to ignore pans), which does not depend on brightness or contrast:

- A proposed cut is rejected if the structure stays the same or returns within a few frames (a lamp,
  a flash, a dropped frame), or if much of the detail stays in place (a title).
- A frame whose structure changes much more than its neighbours' is a cut, proposed or not. In fast
  motion, in which all frames differ, a faint change of colour is sufficient.
- A frame that is a weighted mean of dissimilar neighbours is a cut with a blended frame. The frame
  belongs to the shot with the larger weight.

The comparison with the neighbours is the idea of AdaptiveDetector
(https://www.scenedetect.com/docs/latest/api/detectors.html), and the stabilising constant is that
of SSIM (Wang et al. 2004, equation 10). The constants were tuned on generated and real films,
including those of the accuracy benchmark; its results for this detector are therefore slightly
optimistic.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.shots.boundaries import BoundaryFinder, Cut

_WIDTH: Final = 48
_HEIGHT: Final = 27
_SHIFT: Final = (6, 4)
"""Maximum shift between frames, in pixels of a thumbnail: an eighth of the picture."""

_STABLE: Final = 2.0
"""Variance of grey values below which a thumbnail counts as flat."""

_SAME: Final = 0.08
"""Dissimilarity below which two frames show the same picture."""

_WEAK: Final = 0.2
"""Dissimilarity below which a proposed cut must clearly exceed its neighbours."""

_UNLIKE: Final = 0.3
"""Minimum dissimilarity of a frame that is a cut by structure alone."""

_WHOLLY_UNLIKE: Final = 0.6
"""Minimum dissimilarity of a cut in any motion, if the colour changes faintly, too."""

_RATIO: Final = 2.5
"""Minimum ratio of such a frame's dissimilarity to the mean of its neighbours'."""

_STANDS_OUT: Final = 3.5
"""The same ratio without a shift, since in motion a shift fits only some of the frames."""

_CLEARLY: Final = 6.0
"""Ratio with a shift that is sufficient on its own, for shaking cameras."""

_RETURNED: Final = 0.25
"""Dissimilarity below which a picture has returned, as a share of that across the cut."""

_NEIGHBOURS: Final = 2
_BLEND_RESIDUAL: Final = 0.2
"""Maximum share of the change that a weighted mean of two frames does not explain."""

KEPT: Final = 0.35
"""Maximum share of the detail that stays in place across a cut; by chance it is 0.1 to 0.2."""

_FAINT: Final = 4.0
_BLACK: Final = 8.0
_MIN_DETAIL: Final = 20
"""Detail consists of differences of at least `_FAINT` grey values between neighbouring pixels that
are brighter than `_BLACK`; fewer than `_MIN_DETAIL` of them are not considered."""

_MAX_FLASH: Final = 12


@dataclass(frozen=True)
class Thumbnail:
    """A small grey picture, (27, 48), 0 to 255, with precomputed values for comparisons."""

    grey: npt.NDArray[np.float32]
    mean: float
    centred: npt.NDArray[np.float32]
    variance: float


@dataclass(frozen=True)
class _Change:
    change: float
    """Dissimilarity to the previous frame."""

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
    """Verifies another finder's cuts by the structure of the picture, and adds those it missed.

    A few dozen thumbnails are in memory, for a video of any length.

    Args:
        proposals: finds cuts by colour, at most `_NEIGHBOURS` frames late.
        min_frames: minimum distance of two cuts; of closer ones, the stronger is kept.
        faint: frames with faint changes of colour, filled by the finder of proposals.
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

    def prepared(self, picture: npt.NDArray[np.uint8]) -> tuple[Any, Thumbnail]:
        """Return what the finder of proposals needs, and the thumbnail."""
        return self._proposals.prepared(picture), thumbnail_of(picture)

    def push(self, index: int, prepared: tuple[Any, Thumbnail]) -> list[Cut]:
        """Process the next picture; return cuts, a few frames late."""
        proposing, thumbnail = prepared
        self._proposed.update(cut.frame for cut in self._proposals.push(index, proposing))
        change = unmoved = 0.0
        if self._frames:
            before = self._frames[-1].thumbnail
            change, unmoved = (
                dissimilarity(before, thumbnail),
                plain_dissimilarity(before, thumbnail),
            )
        self._frames.append(_Frame(change, unmoved, thumbnail))
        self._count += 1
        return self._decide(self._count - self._flash - _NEIGHBOURS)

    @property
    def latest(self) -> Thumbnail:
        """Thumbnail of the latest picture."""
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
        """Whether the structure is consistent with a proposed cut."""
        frame = self._at(index)
        least = _CLEARLY * self._usual(index).change if frame.change < _WEAK else 0.0
        return frame.change >= max(_SAME, least)

    def _stands_out(self, index: int) -> bool:
        frame, usual = self._at(index), self._usual(index)
        return frame.change >= max(_UNLIKE, _RATIO * usual.change) and (
            frame.change >= _CLEARLY * usual.change or frame.unmoved >= _STANDS_OUT * usual.unmoved
        )

    def _usual(self, index: int) -> _Change:
        """Return the mean change of the neighbours."""
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
        """Whether the picture of neither side appears on the other side a few frames later."""
        before, after = self._thumbnail(index - 1), self._thumbnail(index)
        if only_partly_changed(before, after):
            return False
        same = max(_SAME, self._change(index) * _RETURNED)
        later = range(index + 1, min(index + self._flash, self._count))
        earlier = range(index - 2, max(index - 1 - self._flash, -1), -1)
        return all(dissimilarity(before, self._thumbnail(i)) >= same for i in later) and all(
            dissimilarity(self._thumbnail(i), after) >= same for i in earlier
        )

    def _blended_cut(self, index: int) -> _Found | None:
        if not 2 <= index < self._count - 2:
            return None
        old, mixed, new = (self._thumbnail(index + step) for step in (-1, 0, 1))
        change = dissimilarity(old, new)
        if change < _UNLIKE:
            return None
        spread = [
            dissimilarity(self._thumbnail(i - 1), self._thumbnail(i + 1))
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
    """Return the grey thumbnail of a BGR picture."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    if width >= 2 * _WIDTH and height >= 2 * _HEIGHT:
        # Halving first is three times as fast, since OpenCV has a fast path for integer factors.
        grey = cv2.resize(grey, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    small = cv2.resize(grey, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    return _thumbnail(np.asarray(small, dtype=np.float32))


def dissimilarity(one: Thumbnail, other: Thumbnail) -> float:
    """Return 1 minus the stabilised correlation at the best small shift: 0 same, 1 unrelated."""
    lowest = plain_dissimilarity(one, other)
    if lowest < _SAME:
        return lowest
    across, down = motion(one.grey, other.grey)
    right, low = _SHIFT
    centre = other.grey[low : _HEIGHT - low, right : _WIDTH - right]
    x, y = right - across, low - down
    height, width = centre.shape
    moved = one.grey[y : y + height, x : x + width]
    return min(lowest, plain_dissimilarity(_thumbnail(moved), _thumbnail(centre)))


def motion(before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]) -> tuple[int, int]:
    """Return by how many pixels most of a thumbnail moves to the right, and down, at most `_SHIFT`.

    Args:
        before, after: grey pictures of thumbnails.
    """
    right, down = _SHIFT
    centre = after[down : _HEIGHT - down, right : _WIDTH - right]
    scores = cv2.matchTemplate(before, centre, cv2.TM_CCOEFF_NORMED)
    _, _, _, (x, y) = cv2.minMaxLoc(np.nan_to_num(scores))
    return right - int(x), down - int(y)


def only_partly_changed(one: Thumbnail, other: Thumbnail, kept: float = KEPT) -> bool:
    """Whether much of the detail stays in place, as when a title or an inset appears."""
    contrast = math.sqrt(max(one.variance, other.variance))
    edge = max(_FAINT, contrast / 4)
    detail = np.maximum(_gradient(one.grey), _gradient(other.grey)) > edge
    detail &= np.maximum(one.grey, other.grey) > _BLACK  # the edges of black bars always stay
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


def plain_dissimilarity(one: Thumbnail, other: Thumbnail) -> float:
    """Return the dissimilarity without a shift, which is never smaller than with one."""
    if max(one.variance, other.variance) < _STABLE:
        return abs(one.mean - other.mean) / 255
    both = float(one.centred @ other.centred) / one.centred.size
    spread = math.sqrt((one.variance + _STABLE) * (other.variance + _STABLE))
    return 1 - (both + _STABLE) / spread


def _share_of_old(old: Thumbnail, mixed: Thumbnail, new: Thumbnail) -> float | None:
    """Return the weight of the old frame in a mixed one; None if it is not a mean of the two."""
    change = (old.grey - new.grey).ravel()
    power = float(change @ change)
    if power < _STABLE * change.size:
        return None
    rest = (mixed.grey - new.grey).ravel()
    share = float(rest @ change) / power
    residual = rest - np.float32(share) * change
    unexplained = float(residual @ residual) / power
    return share if 0.1 < share < 0.9 and unexplained < _BLEND_RESIDUAL**2 else None
