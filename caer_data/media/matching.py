"""Comparison of two strips of fingerprints: whether and where they show the same content."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from caer_data.media import details, overlapping, sound_prints
from caer_data.media.fingerprints import RATE, no_details
from caer_data.media.frame import Picture
from caer_data.media.overlapping import ALIKE, Place, Rows
from caer_data.media.windows import FLAT

HEARD: Final = 0.75
"""Share of equal bits from which two passages surely have the same sound; 0.5 is chance."""

_MIN_PICTURES: Final = 6  # pictures that two strips must have in common
_REFINED: Final = (-3, 0, 3)  # pictures around a similar one by which the overlap is refined
MIN_MOTION: Final = 0.0008
"""Minimum mean squared change of a unit vector; smaller changes are encoding noise."""
_SURELY: Final = 4  # changes this many times larger are motion, even if the other strip is still
_SHIFTS: Final = tuple(number / 40 for number in range(-5, 6))  # seconds between pictures
_EARLY: Final = 0.02  # seconds by which a time may be outside of a strip
_STILLS: Final = 4  # still pictures of a passage that are compared in detail
_SAME_STILL: Final = 1.5  # seconds; detailed pictures are up to two seconds apart
_NEAR_STILL: Final = 0.5  # seconds by which they may lie outside of the passage
_PERIOD: Final = 6  # pictures among which motion is compared by itself
_MOVES: Final = 3  # a period moves if it has this many times the minimum motion,
_MOVES_SHARE: Final = 0.1  # and this share of the motion of the passage


@dataclass(frozen=True)
class Strip:
    """The fingerprints of one shot, clip or picture.

    Attributes:
        times: time of each picture, seconds from the video's first frame; shape (n,).
        pictures: grey pictures; shape (n, HEIGHT, WIDTH), uint8.
        sound: sound of the whole video, from its first frame on; shape (m,), uint32.
        stills: time of each detailed picture, seconds; shape (k,).
        detailed: pictures in which nothing moves, in detail; shape (k, height, width), uint8.
    """

    times: npt.NDArray[np.float64]
    pictures: Picture
    sound: npt.NDArray[np.uint32]
    stills: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    detailed: Picture = field(default_factory=no_details)


@dataclass(frozen=True)
class Match:
    """A passage that two strips share.

    Attributes:
        one: first and last time in the first strip, seconds.
        other: first and last time in the second strip, seconds.
        place: how the pictures overlap.
        picture: mean correlation of the pictures, at most 1.
        motion: correlation of the changes in them; None if nothing moves.
        sound: share of equal bits of the sound; None if there is none.
        least: correlation of the changes in the period of the passage in which they agree least;
            None if nothing moves in any.
    """

    one: tuple[float, float]
    other: tuple[float, float]
    place: Place
    picture: float
    motion: float | None
    sound: float | None
    least: float | None = None

    @property
    def length(self) -> float:
        """Seconds from the first to the last picture."""
        return self.one[1] - self.one[0]

    @property
    def worth(self) -> float:
        """Quality of the match, higher for similar pictures, similar motion and 1 s or longer."""
        moving = self.picture if self.motion is None else self.motion
        return (self.picture + moving) * min(1.0, self.length + 1 / RATE)

    @property
    def rank(self) -> tuple[bool, float, float]:
        """Sort key: the better match has the same sound, is worth more, or is longer."""
        heard = self.sound is not None and self.sound >= HEARD
        return heard, round(self.worth, 1), self.length


@dataclass(frozen=True)
class _View:
    """The shared part of a strip's pictures.

    Attributes:
        times: as in `Strip`.
        rows: pictures as unit vectors; shape (n, pixels).
        clear: which of them are not almost uniform, so that they can be compared; shape (n,).
    """

    times: npt.NDArray[np.float64]
    rows: Rows
    clear: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, times: npt.NDArray[np.float64], pictures: Rows) -> _View:
        rows = pictures - pictures.mean(axis=1, keepdims=True)
        size = np.linalg.norm(rows, axis=1, keepdims=True)
        clear = size[:, 0] >= FLAT * np.sqrt(rows.shape[1])
        return cls(times, np.asarray(rows / np.maximum(size, 1e-3)), clear)


def compare(one: Strip, other: Strip, at: tuple[int, int], mirrored: bool) -> Match | None:
    """Find the shared passage around two pictures that may be the same.

    Args:
        one: a strip.
        other: another strip.
        at: index of a picture in each strip.
        mirrored: whether to compare with the second strip mirrored.

    Returns:
        The shared passage, of any quality; None if the two pictures are not similar.
    """
    place = overlapping.locate(one.pictures[at[0]], other.pictures[at[1]], mirrored)
    if place is None:
        return None
    around = [
        (at[0] + step, at[1] + step)
        for step in _REFINED
        if 0 <= at[0] + step < len(one.pictures) and 0 <= at[1] + step < len(other.pictures)
    ]
    first, second = ([pair[side] for pair in around] for side in (0, 1))
    place = overlapping.refined(one.pictures[first], other.pictures[second], place)
    shared = overlapping.views(one.pictures, other.pictures, place)
    start, apart = max(0, at[0] - at[1]), at[1] - at[0]
    common = np.arange(start, min(len(shared[0]), len(shared[1]) - apart))
    seen = ~overlapping.overlaid(*shared, place, np.stack([common, common + apart]))
    shared = shared[0][:, seen], shared[1][:, seen]
    views = _View.of(one.times, shared[0]), _View.of(other.times, shared[1])
    matches = [
        _passage(one, other, views, start, place)
        for start in (_moves_together(*views), at)
        if start is not None
    ]
    # motion determines the time offset better than two similar pictures
    return max((m for m in matches if m is not None), key=lambda m: m.rank, default=None)


def _passage(
    one: Strip, other: Strip, views: tuple[_View, _View], at: tuple[int, int], place: Place
) -> Match | None:
    """Return the passage that extends from two similar pictures as far as pictures are similar.

    Pictures that are almost uniform, as between two fades, do not end it.
    """
    first, second = views
    apart = at[1] - at[0]
    start, end = max(0, -apart), min(len(first.rows), len(second.rows) - apart)
    here = slice(start, end), slice(start + apart, end + apart)
    same = _along(first.rows[here[0]], second.rows, start + apart)
    clear = first.clear[here[0]] & second.clear[here[1]]
    low, high = _run((same >= ALIKE) | ~clear, at[0] - start)
    told = low + np.flatnonzero(clear[low:high])
    if not len(told):
        return None
    low, high = int(told[0]), int(told[-1]) + 1
    a, b = slice(start + low, start + high), slice(start + low + apart, start + high + apart)
    moved = compare_motion(first, second, a, b.start)
    return Match(
        (float(one.times[a][0]), float(one.times[a][-1])),
        (float(other.times[b][0]), float(other.times[b][-1])),
        place,
        float(same[told].mean()),
        moved[0],
        _sound(one, other, float(one.times[a][0]), float(other.times[b][0]), high - low),
        moved[1],
    )


def in_detail(match: Match, one: Strip, other: Strip) -> float | None:
    """Return how alike the still pictures of a passage are in detail; None if there are none.

    Each of some still pictures of the first strip is compared with those that the second shows at
    about the same time; the least alike one counts.
    """
    first, last = match.one[0] - _NEAR_STILL, match.one[1] + _NEAR_STILL
    mine = np.flatnonzero((one.stills >= first) & (one.stills <= last))
    apart = match.other[0] - match.one[0]
    scores = []
    for still in mine[:: max(1, len(mine) // _STILLS)]:
        due = one.stills[still] + apart
        near = np.flatnonzero(np.abs(other.stills - due) <= _SAME_STILL)
        pairs = [details.alike(one.detailed[still], other.detailed[n], match.place) for n in near]
        scores.append(max((pair for pair in pairs if pair is not None), default=None))
    return min((score for score in scores if score is not None), default=None)


def _moves_together(first: _View, second: _View) -> tuple[int, int] | None:
    """Return the indexes of two pictures around which both strips move alike; None if none do."""
    rows = [_changes(view.rows, view.clear) for view in (first, second)]
    energy = [np.concatenate([[0.0], np.cumsum((r**2).sum(axis=1))]) for r in rows]
    if min(e[-1] / len(r) for e, r in zip(energy, rows, strict=True)) < MIN_MOTION:
        return None
    products = rows[0] @ rows[1].T
    best, found = 0.0, None
    for apart in range(_MIN_PICTURES - len(rows[0]), len(rows[1]) - _MIN_PICTURES + 1):
        start, end = max(0, -apart), min(len(rows[0]), len(rows[1]) - apart)
        moved = [
            energy[0][end] - energy[0][start],
            energy[1][end + apart] - energy[1][start + apart],
        ]
        if min(moved) <= MIN_MOTION * (end - start):
            continue
        along = np.diagonal(products, apart)
        score = float(along.sum()) / float(np.sqrt(moved[0] * moved[1]))
        if score > best:
            at = start + int(np.argmax(along))
            best, found = score, (at, at + apart)
    return found


def _changes(rows: Rows, clear: npt.NDArray[np.bool_]) -> Rows:
    """Return pictures without their mean; zeros for those that are not clear."""
    if not clear.any():
        return np.zeros_like(rows)
    return np.asarray((rows - rows[clear].mean(axis=0)) * clear[:, None])


def _along(first: Rows, second: Rows, start: int) -> npt.NDArray[np.float32]:
    """Return the correlation of pictures with another strip's from `start` on.

    Neighbouring pictures are also tried, since the pictures of two strips may be half a step apart.
    """
    best = np.full(len(first), -1.0, np.float32)
    for step in (-1, 0, 1):
        places = np.clip(np.arange(len(first)) + start + step, 0, len(second) - 1)
        best = np.maximum(best, np.einsum("ij,ij->i", first, second[places]))
    return best


def _run(alike: npt.NDArray[np.bool_], here: int) -> tuple[int, int]:
    """Return the longest range around `here` without two consecutive different pictures."""
    if not alike[here]:
        return here, here
    low = high = here
    while low > 0 and (alike[low - 1] or (low > 1 and alike[low - 2])):
        low -= 1
    while high < len(alike) - 1 and (
        alike[high + 1] or (high < len(alike) - 2 and alike[high + 2])
    ):
        high += 1
    return low, high + 1


def compare_motion(
    first: _View, second: _View, part: slice, start: int
) -> tuple[float | None, float | None]:
    """Compare what changes in a part of one strip and, from `start` on, in another.

    Pictures are eight per second only on average, and those of the second may be taken between
    those of the first: the second's are interpolated at the times of the first's, at several
    shifts of up to an eighth of a second.

    Returns:
        `motion` and `least` of `Match`.
    """
    rows, clear = first.rows[part], first.clear[part]
    times = first.times[part] - first.times[part][0] + second.times[start]
    best: tuple[float, Rows, Rows] | None = None
    still = True
    for shift in _SHIFTS:
        inside, between = _at(second, times + shift)
        inside &= clear
        if inside.sum() < max(2, len(rows) // 2):
            continue
        pair = rows[inside], between[inside]
        changes = [side - side.mean(axis=0) for side in pair]
        energy = [float(np.vdot(side, side)) for side in changes]
        least = MIN_MOTION * len(pair[0])
        still &= min(energy) < least and max(energy) < _SURELY * least
        score = _ratio(changes[0], changes[1], energy)
        if best is None or score > best[0]:
            best = score, *pair
    if best is None or still:
        return None, None
    return best[0], _least(best[1], best[2])


def _at(view: _View, times: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.bool_], Rows]:
    """Return a strip's pictures at some times, and which of these lie inside it and are clear."""
    own = view.times
    if len(own) < 2:
        return np.abs(times - own[0]) <= _EARLY, view.rows[np.zeros(len(times), np.int64)]
    after = np.clip(np.searchsorted(own, times), 1, len(own) - 1)
    before = after - 1
    part = np.clip((times - own[before]) / (own[after] - own[before]), 0, 1)
    share = part.astype(np.float32)[:, None]
    inside = (times >= own[0] - _EARLY) & (times <= own[-1] + _EARLY) & view.clear[before]
    inside &= view.clear[after]
    between = (1 - share) * view.rows[before] + share * view.rows[after]
    return inside, np.asarray(between, np.float32)


def _least(first: Rows, second: Rows) -> float | None:
    """Return how alike two strips move in the period in which they move least alike.

    Other takes of a scene may move alike as a whole, but hardly from moment to moment.
    """
    moved = float(((first - first.mean(axis=0)) ** 2).sum()) / len(first)
    enough = max(_MOVES * MIN_MOTION, _MOVES_SHARE * moved)
    found: list[float] = []
    for at in range(max(1, len(first) - _PERIOD + 1)):
        changes = [side[at : at + _PERIOD] for side in (first, second)]
        changes = [side - side.mean(axis=0) for side in changes]
        energy = [float(np.vdot(side, side)) for side in changes]
        if max(energy) >= enough * len(changes[0]):
            found.append(_ratio(changes[0], changes[1], energy))
    return min(found, default=None)


def _ratio(first: Rows, second: Rows, energy: list[float]) -> float:
    scale = np.sqrt(energy[0] * energy[1])
    return float(np.vdot(first, second) / scale) if scale > 0 else 0.0


def _sound(one: Strip, other: Strip, first: float, second: float, pictures: int) -> float | None:
    """Return the share of equal bits at the best shift of up to 0.25 s; None if silent."""
    rate = sound_prints.RATE
    length = max(rate // 2, pictures * rate // RATE)
    heard = one.sound[round(first * rate) :][:length]
    shares = []
    for shift in range(-rate // 4, rate // 4 + 1):
        begin = round(second * rate) + shift
        b = other.sound[max(begin, 0) :][: max(len(heard) + min(begin, 0), 0)]
        a = heard[max(-begin, 0) :][: len(b)]
        both = (a != 0) & (b != 0)
        if both.sum() >= rate // 2:
            different = np.bitwise_count(a[both] ^ b[both])
            shares.append(1 - float(different.mean()) / 32)
    return max(shares, default=None)
