"""Gradual transitions, whose frames are weighted means of an old and a new picture.

In a dissolve, a fade, or a cut blended over several frames, all parts of the picture change by the
same share at the same time, whereas in motion they change at different times. The frames around a
centre are therefore fitted as `share * old + (1 - share) * new`, where old and new are the frames
at the ends of a window, for windows of several lengths. A transition is a window

- whose ends show dissimilar pictures,
- whose frames all match the fit, with shares that fall from 1 to 0 in small steps, and
- before and after which the pictures are stable and do not return (as after a flash or a blink).

The cut is placed in the middle: at the first frame in which the new picture outweighs the old.

Fitting a model of the edit is the idea of Hampapur, Jain and Weymouth, "Production model based
digital video segmentation" (Multimedia Tools and Applications, 1995). A window that is not a
dissolve may be a wipe (`wipes`). The constants were tuned on the first half of the footage of
`performance/edited_films.py`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from caer_data.shots.boundaries import Cut, Kind
from caer_data.shots.refine import (
    Refined,
    Thumbnail,
    dissimilarity,
    only_partly_changed,
    plain_dissimilarity,
)
from caer_data.shots.wipes import MIN_FRAMES, Floats, Wipe, changes, wipe_in

_HALVES: Final = (2, 3, 4, 6, 8, 11, 15, 20)
"""Half lengths of the windows, frames."""

_MAX_HALF: Final = _HALVES[-1]
_UNLIKE: Final = 0.35
"""Minimum dissimilarity of the pictures at the ends of a transition."""

_BEFORE: Final = 0.2
"""Minimum weight of each picture in the middle of a transition."""

_RESIDUAL: Final = 0.3
"""Maximum share of the change that the fit does not explain in any frame."""

_STEP: Final = 0.36
"""Maximum fall of the share from one frame to the next, so that a change takes three frames."""

_RISE: Final = 0.06
"""Maximum rise of the share, which may be noise."""

_DRIFT: Final = 0.5
"""Maximum dissimilarity just before or after a transition, as a share of the transition's own."""

_FLAT: Final = 20.0
"""Variance below which a thumbnail is blank; a fade to black ends in a hard cut or in none."""

_KEPT: Final = 0.25
"""Maximum share of the detail that stays in place: less than across a hard cut, as titles fade in.
"""

_BESIDE_WIPE: Final = 3
"""Frames before and after a wipe in which the pictures must be stable; fewer, as more may move."""

_RETURN: Final = 8
"""Frames after a transition in which the old picture must not return."""


@dataclass(frozen=True)
class _Transition:
    start: int
    end: int
    cut: int
    quality: float
    kind: Kind

    def holds(self, index: int) -> bool:
        return self.start <= index <= self.end


class WithGradual:
    """Finds refined cuts and the middles of gradual transitions.

    A transition replaces the cuts inside it. About eighty thumbnails are in memory, for a video of
    any length.

    Args:
        cuts: finds the hard cuts.
        min_frames: minimum distance of a transition from a hard cut; closer ones are ignored.
    """

    def __init__(self, cuts: Refined, min_frames: int) -> None:
        self.size = cuts.size
        self._finder = cuts
        self._min_frames = min_frames
        self._thumbnails: deque[Thumbnail] = deque(maxlen=4 * _MAX_HALF + 1)
        self._changes: deque[Floats | None] = deque(maxlen=4 * _MAX_HALF + 1)
        self._count = 0
        self._centre = 0
        self._best: _Transition | None = None
        self._waiting: list[Cut] = []

    def prepared(self, picture: npt.NDArray[np.uint8]) -> tuple[Any, Thumbnail]:
        """Return what the finder of hard cuts needs."""
        return self._finder.prepared(picture)

    def push(self, index: int, prepared: tuple[Any, Thumbnail]) -> list[Cut]:
        """Process the next picture; return cuts, about two seconds late."""
        self._waiting += self._finder.push(index, prepared)
        self._thumbnails.append(self._finder.latest)
        self._changes.append(None)
        self._count += 1
        return self._decide(self._count - 2 * _MAX_HALF)

    def finish(self) -> list[Cut]:
        """Decide on the last frames."""
        self._waiting += self._finder.finish()
        cuts = self._decide(self._count)
        self._settle()
        return cuts + self._waiting

    def _decide(self, until: int) -> list[Cut]:
        while self._centre < until:
            if self._best is not None and not self._best.holds(self._centre):
                self._settle()
            found = self._transition(self._centre)
            if found and (self._best is None or found.quality > self._best.quality):
                self._best = found
            self._centre += 1
        certain = self._centre - 2 * _MAX_HALF - self._min_frames
        cuts = [cut for cut in self._waiting if cut.frame < certain]
        del self._waiting[: len(cuts)]
        return cuts

    def _settle(self) -> None:
        best, self._best = self._best, None
        if best is None:
            return
        hard = [cut for cut in self._waiting if not best.holds(cut.frame)]
        if all(abs(cut.frame - best.cut) >= self._min_frames for cut in hard):
            gradual = Cut(best.cut, best.kind, min(1.0, best.quality))
            self._waiting = sorted([*hard, gradual], key=lambda cut: cut.frame)

    def _transition(self, centre: int) -> _Transition | None:
        """Return the best transition with this centre; None if there is none."""
        found = None
        for half in _HALVES:
            if centre % max(1, half // 3):
                continue  # long transitions have wide middles, so fewer centres suffice
            if centre - half < max(0, self._count - len(self._thumbnails)):
                break
            if centre + half >= self._count:
                break
            fit = self._fit(centre, half)
            if fit is not None and (found is None or fit.quality > found.quality):
                found = fit
        return found

    def _fit(self, centre: int, half: int) -> _Transition | None:
        start, end = centre - half, centre + half
        old, new = self._at(start), self._at(end)
        if plain_dissimilarity(old, new) < _UNLIKE or min(old.variance, new.variance) < _FLAT:
            return None
        change = (old.grey - new.grey).ravel()
        power = float(change @ change)
        middle = float((self._at(centre).grey - new.grey).ravel() @ change) / power
        if not _BEFORE < middle < 1 - _BEFORE:
            return None
        pictures = np.stack([self._at(i).grey for i in range(start, end + 1)])
        between = pictures[1:-1]
        mixed = _mixed(between, change, new.grey, power, half) if 0.3 < middle < 0.7 else None
        wipe = None if mixed else self._wipe(start, pictures)
        if not (mixed or wipe) or (unlike := dissimilarity(old, new)) < _UNLIKE:
            return None
        if mixed and self._settled(start, end, unlike, max(3, half)):
            quality, olds = mixed
            return _Transition(start, end, start + 1 + olds, unlike * quality, "dissolve")
        if wipe and self._settled(start, end, unlike, _BESIDE_WIPE):
            first, last = start + wipe.first, start + 2 + wipe.last
            cut = start + 1 + wipe.olds
            return _Transition(first, last, cut, unlike * wipe.quality, "wipe")
        return None

    def _wipe(self, start: int, pictures: Floats) -> Wipe | None:
        if len(pictures) - 2 < MIN_FRAMES:
            return None
        changed = [self._changed(i) for i in range(start + 1, start + len(pictures))]
        return wipe_in(pictures, np.stack(changed))

    def _changed(self, index: int) -> Floats:
        """Return what changes from the previous picture; computed when it is needed first."""
        found = self._changes[index - self._count]
        if found is None:
            found = changes(self._at(index - 1).grey, self._at(index).grey)
            self._changes[index - self._count] = found
        return found

    def _settled(self, start: int, end: int, unlike: float, span: int) -> bool:
        """Whether the pictures before and after are stable and do not return."""
        first, last = self._count - len(self._thumbnails), self._count - 1
        old, new = self._at(start), self._at(end)
        if only_partly_changed(old, new, _KEPT):
            return False
        earlier, later = self._at(max(first, start - span)), self._at(min(last, end + span))
        if max(dissimilarity(earlier, old), dissimilarity(new, later)) > _DRIFT * unlike:
            return False
        return all(
            dissimilarity(old, self._at(i)) >= unlike / 4
            for i in range(end + 1, min(end + _RETURN, last) + 1)
        ) and all(
            dissimilarity(self._at(i), new) >= unlike / 4
            for i in range(max(start - _RETURN, first), start)
        )

    def _at(self, index: int) -> Thumbnail:
        return self._thumbnails[index - self._count]


def _mixed(
    between: npt.NDArray[np.float32],
    change: npt.NDArray[np.float32],
    new: npt.NDArray[np.float32],
    power: float,
    half: int,
) -> tuple[float, int] | None:
    """Return a dissolve's quality and number of mostly old pictures; None if it is not one."""
    rest = between.reshape(len(between), -1) - new.ravel()
    shares = rest @ change / power
    falls = -np.diff(shares, prepend=1.0, append=0.0)
    if falls.max() > min(_STEP, 2 / half) or falls.min() < -_RISE:
        return None
    rest -= shares[:, None] * change
    residual = float(np.sqrt(np.square(rest).sum(axis=1).max() / power))
    if residual > _RESIDUAL:
        return None
    return 1 - residual, int(np.argmax(shares < 0.5))
