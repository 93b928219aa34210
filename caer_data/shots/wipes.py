"""Wipes, in which a moving line, circle or clock hand uncovers the new picture.

Each part of the picture changes from old to new at a time that depends on its position. Every pixel
of every frame votes twice: for the picture that it resembles more, and for the old one until the
frame in which it changes most. The second vote holds in motion, too, as only frames next to each
other are compared, with what moves laid over itself. For each of the usual forms, the steadily
moving edge that agrees with the most votes is found. In a wipe, almost all pixels agree in every
frame. In a dissolve, the votes in the middle are undecided, and in motion they agree with no edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.shots.refine import motion

Floats = npt.NDArray[np.float32]
_Integers = npt.NDArray[np.int64]

MIN_FRAMES: Final = 6
"""Minimum number of frames in which the edge is inside the picture."""

_AGREE: Final = 0.6
"""Minimum agreement of any frame: 1 if all votes are for their side of the edge, 0 if half are."""

_AGREE_MEAN: Final = 0.8
"""Minimum mean agreement of all frames."""

_AGREE_MEAN_SHORT: Final = 0.85
"""The same for fewer than `_SHORT` frames, in which a hand, a sheet or a fast pan passes, too."""

_SHORT: Final = 9
_LASTS: Final = 0.5
"""Minimum share of the frames in which the edge is inside the picture."""

_CHANGED: Final = 0.58
"""Minimum share of the picture that differs by a quarter of the contrast: a sheet covers less."""

_GLOW: Final = 0.28
"""Maximum distance of the pixels along the edge from both pictures, as a share of that between the
pictures, and beyond that of other pixels. Light that passes is brighter than both."""

_STANDS_OUT: Final = 2.0
"""A pixel votes by how far its largest change exceeds this multiple of its mean change."""

_EVERY: Final = 2  # step between the rows and columns used, which suffices to find a form
_TRIED: Final = 4  # number of forms tried: those that agree best with the middle frame
_NEAR: Final = np.ones((3, 3), np.uint8)
_NONE: Final = np.float32(1e-6)


@dataclass(frozen=True)
class Wipe:
    """A wipe.

    Attributes:
        quality: mean agreement times the share of the picture that differs, 0 to 1: less for a
            part of a wipe than for the whole.
        olds: number of frames that mostly show the old picture.
        first, last: indexes of the first and last frame with the edge inside the picture.
    """

    quality: float
    olds: int
    first: int
    last: int


def changes(before: Floats, after: Floats) -> Floats:
    """Return how much the pixels of two pictures differ, other than by a small motion.

    Args:
        before, after: grey pictures of thumbnails, (27, 48).

    Returns:
        Grey levels of every second pixel of every second row, (pixels,).
    """
    across, down = motion(before, after)
    new = _unexplained(before, after, across, down)
    gone = _unexplained(after, before, -across, -down)
    return (new + gone)[::_EVERY, ::_EVERY].ravel()


def wipe_in(pictures: Floats, changed: Floats) -> Wipe | None:
    """Return the wipe from the first picture to the last; None if there is none.

    Args:
        pictures: grey pictures of thumbnails, (frames, 27, 48); the first is before the wipe, the
            last after it.
        changed: `changes` from each picture to the next, (frames - 1, pixels).
    """
    few = pictures[:, ::_EVERY, ::_EVERY]
    shape, few = (few.shape[1], few.shape[2]), few.reshape(len(few), -1)
    old, new = few[0], few[-1]
    apart = np.abs(old - new)
    contrast = max(float(old.std()), float(new.std()))
    share = float(np.mean(apart > contrast / 4))
    if len(few) - 2 < MIN_FRAMES or share < _CHANGED:
        return None
    when = changed.argmax(axis=0)
    alike = np.abs(few[1:-1] - new) - np.abs(few[1:-1] - old)
    votes = _shares(_until(when, changed)) + _shares(alike)
    found = _edge(votes, shape)
    if found is None or _glows(few, when, apart) > _GLOW:
        return None
    return replace(found, quality=found.quality * share)


def _unexplained(one: Floats, other: Floats, across: int, down: int) -> Floats:
    """Return how far pixels of the other picture are outside what is near them in this one."""
    low, high = cv2.erode(one, _NEAR), cv2.dilate(one, _NEAR)
    rest = np.maximum(0, np.maximum(low - other, other - high))
    if across or down:
        move = np.array([[1, 0, across], [0, 1, down]], np.float32)
        size = one.shape[1], one.shape[0]
        low, high = (
            cv2.warpAffine(limit, move, size, borderMode=cv2.BORDER_REPLICATE)
            for limit in (low, high)
        )
        rest = np.minimum(rest, np.maximum(0, np.maximum(low - other, other - high)))
    return np.asarray(cv2.blur(rest, (3, 3)), np.float32)


def _until(when: _Integers, changed: Floats) -> Floats:
    """Return votes for the old picture until each pixel's largest change: (frames, pixels)."""
    most = changed.max(axis=0)
    usual = (changed.sum(axis=0) - most) / (len(changed) - 1)
    weight = np.maximum(0, most - np.float32(_STANDS_OUT) * usual)
    frame = np.arange(1, len(changed))[:, None]
    return np.asarray(np.where(when >= frame, weight, -weight), np.float32)


def _shares(votes: Floats) -> Floats:
    total: Floats = np.abs(votes).sum(axis=1, keepdims=True) + _NONE
    return np.asarray(votes / total, np.float32)


def _edge(votes: Floats, shape: tuple[int, int]) -> Wipe | None:
    """Return the wipe whose edge, moving steadily, agrees best with the votes (frames, pixels)."""
    count = len(votes)
    starts, lengths = _edges(count)
    orders, _ = _forms(shape)
    total = np.abs(votes).sum(axis=1, keepdims=True) + _NONE
    middle = _agreements(votes[count // 2][orders]).max(axis=1) / total[count // 2]
    least = np.where(lengths - 1 < _SHORT, _AGREE_MEAN_SHORT, _AGREE_MEAN)
    best: Wipe | None = None
    for form in np.argsort(-middle, kind="stable")[:_TRIED]:
        if middle[form] < _AGREE:
            break  # wherever the edge is
        agreements = _agreements(votes[:, orders[form]]) / total
        most = agreements.max(axis=1)
        if most.min() < _AGREE or most.mean() < _AGREE_MEAN - _NONE:
            continue
        frames = np.take_along_axis(agreements, _places(count, int(form), shape), axis=1)
        mean = frames.mean(axis=0)
        fits = (mean >= least) & (frames.min(axis=0) >= _AGREE)
        line = int(np.argmax(np.where(fits, mean, -1)))
        if fits[line] and (best is None or mean[line] > best.quality):
            start, length = int(starts[line]), int(lengths[line])
            olds = int(np.count_nonzero(2 * (np.arange(1, count + 1) - start) < length))
            best = Wipe(float(mean[line]), olds, start, start + length - 2)
    return best


def _agreements(votes: Floats) -> Floats:
    """Return the agreement with each place of the edge: (rows, places).

    Args:
        votes: (rows, pixels), in the order in which pixels change. Pixels before the edge have
            changed, so that their votes count against the old picture.
    """
    turned = np.cumsum(votes, axis=1)
    whole = turned[:, -1:]
    return np.concatenate([whole, whole - 2 * turned], axis=1)


def _glows(few: Floats, when: _Integers, apart: Floats) -> float:
    """Return how far the pixels along the edge are from both pictures, beyond other pixels."""
    low, high = np.minimum(few[0], few[-1]), np.maximum(few[0], few[-1])
    outside = np.maximum(0, np.maximum(low - few, few - high))
    pixels = np.arange(len(when))
    along = np.maximum(outside[when, pixels], outside[when + 1, pixels])
    return float((along.mean() - outside[1:-1].mean()) / (apart.mean() + _NONE))


@cache
def _edges(count: int) -> tuple[_Integers, _Integers]:
    """Return the edges tried in so many frames: when they enter, and how long they take."""
    shortest = max(MIN_FRAMES + 1, math.ceil(_LASTS * count))
    pairs = [
        (start, length)
        for length in range(shortest, count + 2)
        for start in range(count + 2 - length)
    ]
    starts, lengths = np.array(pairs, np.int64).T
    return starts, lengths


@cache
def _places(count: int, form: int, shape: tuple[int, int]) -> _Integers:
    """Return where the edges are in each frame, as numbers of pixels changed: (frames, edges)."""
    starts, lengths = _edges(count)
    frame = np.arange(1, count + 1)[:, None]
    _, values = _forms(shape)
    return np.searchsorted(values[form], (frame - starts) / lengths)


@cache
def _forms(shape: tuple[int, int]) -> tuple[_Integers, npt.NDArray[np.float64]]:
    """Return the usual forms, both ways: (forms, pixels).

    Returns:
        The order in which pixels change, and when they do in this order, 0 to 1.
    """
    height, width = shape
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    forms = [
        x, y, x + y, x - y, np.abs(x), np.abs(y), np.hypot(x * 16 / 9, y),
        np.maximum(np.abs(x), np.abs(y)), np.abs(x) + np.abs(y),
        np.arctan2(x, y), np.arctan2(x, -y), np.arctan2(y, x), np.arctan2(y, -x),
    ]  # fmt: skip
    flat = np.stack([(form - form.min()).ravel() / np.ptp(form) for form in forms])
    both = np.concatenate([flat, 1 - flat])
    orders = np.argsort(both, axis=1, kind="stable")
    return orders, np.take_along_axis(both, orders, axis=1)
