"""How the pictures of two strips of fingerprints overlap, to a fraction of a pixel.

A copy may be cropped or mirrored, so that the pictures of one strip lie inside those of the other.
A search over a few sizes finds roughly where; the box is then refined. The inner pictures are
averaged over the pixels of the outer ones, so that both are equally blurred.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.media.fingerprints import HEIGHT, WIDTH
from caer_data.media.frame import Picture

Rows = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]

ALIKE: Final = 0.72
"""Minimum correlation of pictures that may be the same."""

_SCALES: Final = (
    (1.0, 1.0), (0.95, 0.95), (0.9, 0.9), (0.85, 0.85), (0.8, 0.8), (0.75, 0.75),
    (1.0, 0.93), (1.0, 0.87), (1.0, 0.8), (1.0, 0.75), (0.93, 1.0), (0.87, 1.0), (0.75, 1.0),
)  # fmt: skip
_STEPS: Final = (0.03, 0.015, 0.007, 0.003)  # by which a box is moved, from coarse to fine
_MOVES: Final = np.array(
    [(1, 0, 1, 0), (0, 1, 0, 1), (-1, 0, 1, 0), (0, -1, 0, 1), (-1, -1, 1, 1)], float
)
_GAIN: Final = 0.002  # of correlation, for which the same step is tried again
_MIN_SIDE: Final = 0.6  # of a box
_OTHER: Final = 16.0  # out of 255; minimum difference between a logo and what it covers,
_OTHER_SHARE: Final = 4.0  # and as a multiple of the median difference
_UNCHANGED: Final = 4.0  # out of 255; maximum standard deviation of a logo over time
_LOGO: Final = 0.1  # maximum share of the pixels that a logo and its edge cover


@dataclass(frozen=True)
class Place:
    """How the pictures of two strips overlap.

    Attributes:
        inside: True if the second strip's pictures are inside the first's, otherwise vice versa.
        box: left, top, right, bottom of the shared part, as shares of the outer picture.
        mirrored: whether left and right are exchanged.
    """

    inside: bool
    box: Box
    mirrored: bool


def locate(one: Picture, other: Picture, mirrored: bool) -> Place | None:
    """Find roughly how two pictures overlap; None if they are not similar."""
    other = cv2.flip(other, 1) if mirrored else other
    best, found = ALIKE, None
    for inside in (True, False):
        outer, inner = (one, other) if inside else (other, one)
        for width, height in _SCALES[not inside :]:
            size = round(width * WIDTH), round(height * HEIGHT)
            part = cv2.resize(inner, size, interpolation=cv2.INTER_AREA)
            _, score, _, (x, y) = cv2.minMaxLoc(
                cv2.matchTemplate(outer, part, cv2.TM_CCOEFF_NORMED)
            )
            if score > best:
                box = x / WIDTH, y / HEIGHT, (x + size[0]) / WIDTH, (y + size[1]) / HEIGHT
                best, found = score, Place(inside, box, mirrored)
    return found


def refined(one: Picture, other: Picture, place: Place) -> Place:
    """Return a place with the box at which pairs of pictures correlate best.

    Args:
        one: pictures of the first strip; shape (n, HEIGHT, WIDTH).
        other: pictures of the second, of the same moments.
        place: how they overlap, roughly.
    """
    box, best = np.array(place.box), _correlation(one, other, place)
    for step in _STEPS:
        better = True
        while better:
            before = best
            for move in (*_MOVES, *-_MOVES):
                moved = np.clip(box + step * move, 0, 1)
                if min(moved[2] - moved[0], moved[3] - moved[1]) < _MIN_SIDE:
                    continue
                score = _correlation(one, other, _with_box(place, moved))
                if score > best:
                    box, best = moved, score
            better = best - before > _GAIN
    return _with_box(place, box)


def _with_box(place: Place, sides: npt.NDArray[np.float64]) -> Place:
    left, top, right, bottom = sides.tolist()
    return replace(place, box=(left, top, right, bottom))


def _correlation(one: Picture, other: Picture, place: Place) -> float:
    first, second = views(one, other, place)
    first -= first.mean(axis=1, keepdims=True)
    second -= second.mean(axis=1, keepdims=True)
    size = float(np.vdot(first, first)) * float(np.vdot(second, second))
    return float(np.vdot(first, second)) / max(math.sqrt(size), 1e-3)


def views(one: Picture, other: Picture, place: Place) -> tuple[Rows, Rows]:
    """Return the shared part of two strips' pictures, on the pixels of the outer ones.

    Returns:
        Brightness, a row per picture of each strip; both have as many columns as pixels are shared.
    """
    turned = other[:, :, ::-1] if place.mirrored else other
    outer, inner = (one, turned) if place.inside else (turned, one)
    x, across = _averaged(WIDTH, place.box[0], place.box[2])
    y, down = _averaged(HEIGHT, place.box[1], place.box[3])
    shared = outer[:, y, x].astype(np.float32).reshape(len(outer), -1)
    made = (down @ inner.astype(np.float32) @ across.T).reshape(len(inner), -1)
    return (shared, made) if place.inside else (made, shared)


def overlaid(
    one: Rows, other: Rows, place: Place, moments: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return which pixels of a shared part a logo covers in only one of two strips.

    A logo does not change, differs from what the other strip shows, and is small. In a dark
    picture, it is all that one sees.

    Args:
        one: the shared part in the first strip, as `views` returns it.
        other: the shared part in the second.
        place: how they overlap.
        moments: numbers of pictures of each strip that show the same moments; shape (2, n).
    """
    sides = one[moments[0]], other[moments[1]]
    apart = sides[0].mean(axis=0) - sides[1].mean(axis=0)
    apart = np.abs(apart - np.median(apart))
    different = apart >= max(_OTHER, _OTHER_SHARE * float(np.median(apart)))
    unchanged = np.minimum(*(side.std(axis=0) for side in sides)) <= _UNCHANGED
    columns, _ = _averaged(WIDTH, place.box[0], place.box[2])
    found = (different & unchanged).reshape(-1, columns.stop - columns.start)
    around = cv2.dilate(found.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool).reshape(-1)
    return around if around.mean() <= _LOGO else np.zeros_like(around)


@lru_cache(512)
def _averaged(size: int, start: float, end: float) -> tuple[slice, Rows]:
    """Return the pixels of a side that a part covers, and how to average the part's over them.

    Args:
        size: number of pixels of the side, and of the part's.
        start: where the part begins, as a share of the side.
        end: where it ends.
    """
    edges = size * (start + (end - start) * np.arange(size + 1) / size)
    pixels = np.arange(size)[:, None]
    covered = np.minimum(pixels + 1, edges[1:]) - np.maximum(pixels, edges[:-1])
    covered = np.clip(covered, 0, None)
    most = np.flatnonzero(covered.sum(axis=1) > 0.5)  # half of a pixel and more
    part = slice(int(most[0]), int(most[-1]) + 1)
    rows = covered[part] / covered[part].sum(axis=1, keepdims=True)
    return part, np.asarray(rows, np.float32)
