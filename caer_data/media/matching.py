"""Comparison of two strips of fingerprints: whether and where they show the same content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.media import sound_prints
from caer_data.media.fingerprints import HEIGHT, RATE, WIDTH
from caer_data.media.frame import Picture

Vectors = npt.NDArray[np.float32]

_SCALES: Final = (
    (1.0, 1.0), (0.95, 0.95), (0.9, 0.9), (0.85, 0.85), (0.8, 0.8), (0.75, 0.75),
    (1.0, 0.93), (1.0, 0.87), (1.0, 0.8), (1.0, 0.75), (0.93, 1.0), (0.87, 1.0), (0.75, 1.0),
)  # fmt: skip
_FINER: Final = 2  # pictures are compared at this multiple of their size
_ALIKE: Final = 0.72  # minimum correlation of pictures that may be the same
_MIN_PICTURES: Final = 6  # pictures that two strips must have in common
MIN_MOTION: Final = 0.0008
"""Minimum mean squared change of a unit vector; smaller changes are encoding noise."""
_SURELY: Final = 4  # changes this many times larger are motion, even if the other strip is still


@dataclass(frozen=True)
class Strip:
    """The fingerprints of one shot, clip or picture.

    Attributes:
        times: time of each picture, seconds from the video's first frame; shape (n,).
        pictures: grey pictures; shape (n, HEIGHT, WIDTH), uint8.
        sound: sound of the whole video, from its first frame on; shape (m,), uint32.
    """

    times: npt.NDArray[np.float64]
    pictures: Picture
    sound: npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Place:
    """How the pictures of two strips overlap.

    Attributes:
        inside: True if the second strip's pictures are inside the first's, otherwise vice versa.
        box: left, top, right, bottom of the shared part, as shares of the outer picture.
        mirrored: whether left and right are exchanged.
    """

    inside: bool
    box: tuple[float, float, float, float]
    mirrored: bool


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
    """

    one: tuple[float, float]
    other: tuple[float, float]
    place: Place
    picture: float
    motion: float | None
    sound: float | None

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
    def rank(self) -> tuple[float, float]:
        """Sort key: the better match is worth more, or is worth the same and is longer."""
        return round(self.worth, 1), self.length


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
    place = locate(one.pictures[at[0]], other.pictures[at[1]], mirrored)
    if place is None:
        return None
    first, second = views(one.pictures, other.pictures, place)
    matches = [
        _passage(one, other, first, second, start, place)
        for start in (_moves_together(first, second), at)
        if start is not None
    ]
    # motion determines the time offset better than two similar pictures
    return max((m for m in matches if m is not None), key=lambda m: m.rank, default=None)


def locate(one: Picture, other: Picture, mirrored: bool) -> Place | None:
    """Find how two pictures overlap; None if they are not similar."""
    turned = cv2.flip(other, 1) if mirrored else other
    large = [
        cv2.resize(p, (WIDTH * _FINER, HEIGHT * _FINER), interpolation=cv2.INTER_LINEAR)
        for p in (one, turned)
    ]
    best, found = _ALIKE, None
    for inside in (True, False):
        outer, inner = large if inside else large[::-1]
        for width, height in _SCALES[not inside :]:
            size = round(width * WIDTH * _FINER), round(height * HEIGHT * _FINER)
            part = cv2.resize(inner, size, interpolation=cv2.INTER_AREA)
            _, score, _, (x, y) = cv2.minMaxLoc(
                cv2.matchTemplate(outer, part, cv2.TM_CCOEFF_NORMED)
            )
            if score > best:
                sides = (x, y, x + size[0], y + size[1])
                whole = (WIDTH * _FINER, HEIGHT * _FINER) * 2
                box = tuple(a / b for a, b in zip(sides, whole, strict=True))
                best, found = score, Place(inside, box, mirrored)
    return found


def views(one: Picture, other: Picture, place: Place) -> tuple[Vectors, Vectors]:
    """Return the shared part of two strips' pictures as unit vectors; (n, WIDTH * HEIGHT)."""
    turned = other[:, :, ::-1] if place.mirrored else other
    parts = [part(one, place.box), turned] if place.inside else [one, part(turned, place.box)]
    return _unit(parts[0]), _unit(parts[1])


def part(pictures: Picture, box: tuple[float, float, float, float]) -> Picture:
    """Return a part of each picture, given as shares of its sides, at the size of the whole."""
    if box == (0, 0, 1, 1):
        return pictures
    x, y = box[0] * WIDTH, box[1] * HEIGHT
    sx, sy = (box[2] - box[0]), (box[3] - box[1])
    warp = np.array([[sx, 0, x + sx / 2 - 0.5], [0, sy, y + sy / 2 - 0.5]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    made = [
        cv2.warpAffine(p, warp, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        for p in pictures
    ]
    return np.array(made, np.uint8)


def _unit(pictures: Picture) -> Vectors:
    rows = pictures.reshape(len(pictures), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-3))


def _passage(
    one: Strip, other: Strip, first: Vectors, second: Vectors, at: tuple[int, int], place: Place
) -> Match | None:
    """Return the passage that extends from two similar pictures as far as pictures are similar."""
    apart = at[1] - at[0]
    start, end = max(0, -apart), min(len(first), len(second) - apart)
    same = _along(first[start:end], second, start + apart)
    here = at[0] - start
    low, high = _run(same >= _ALIKE, here)
    if low == high:
        return None
    a, b = slice(start + low, start + high), slice(start + low + apart, start + high + apart)
    return Match(
        (float(one.times[a][0]), float(one.times[a][-1])),
        (float(other.times[b][0]), float(other.times[b][-1])),
        place,
        float(same[low:high].mean()),
        motion(first[a], second[b]),
        _sound(one, other, float(one.times[a][0]), float(other.times[b][0]), high - low),
    )


def _moves_together(first: Vectors, second: Vectors) -> tuple[int, int] | None:
    """Return the indexes of two pictures around which both strips move alike; None if none do."""
    rows = [strip - strip.mean(axis=0) for strip in (first, second)]
    energy = [np.concatenate([[0.0], np.cumsum((r**2).sum(axis=1))]) for r in rows]
    if min(e[-1] / len(r) for e, r in zip(energy, rows, strict=True)) < MIN_MOTION:
        return None
    products = rows[0] @ rows[1].T
    best, found = 0.0, None
    for apart in range(_MIN_PICTURES - len(first), len(second) - _MIN_PICTURES + 1):
        start, end = max(0, -apart), min(len(first), len(second) - apart)
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


def _along(first: Vectors, second: Vectors, start: int) -> Vectors:
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


def motion(first: Vectors, second: Vectors) -> float | None:
    """Return the correlation of the changes in two equally long strips; None if both are still.

    The times of the second may be between those of the first; its pictures are interpolated.
    """
    changes = [rows - rows.mean(axis=0) for rows in (first, second)]
    energy = [float((rows**2).sum()) for rows in changes]
    least = MIN_MOTION * len(first)
    if min(energy) < least and max(energy) < _SURELY * least:
        return None
    best = -1.0
    for part in (0.0, 1 / 3, 2 / 3):
        between = changes[1].copy()
        between[:-1] = (1 - part) * changes[1][:-1] + part * changes[1][1:]
        for step in (-1, 0, 1):
            a = changes[0][max(0, -step) : len(first) - max(0, step)]
            b = between[max(0, step) : len(first) - max(0, -step)]
            scale = np.sqrt(float((a**2).sum()) * float((b**2).sum()))
            if scale > 0:
                best = max(best, float((a * b).sum() / scale))
    return best


def _sound(one: Strip, other: Strip, first: float, second: float, pictures: int) -> float | None:
    """Return the share of equal bits at the best shift of up to 0.25 s; None if silent."""
    rate = sound_prints.RATE
    length = max(rate // 2, pictures * rate // RATE)
    a = one.sound[round(first * rate) :][:length]
    shares = []
    for shift in range(-rate // 4, rate // 4 + 1):
        begin = round(second * rate) + shift
        b = other.sound[begin : begin + len(a)] if begin >= 0 else other.sound[:0]
        heard = (a[: len(b)] != 0) & (b != 0)
        if heard.sum() >= rate // 2:
            different = np.bitwise_count(a[: len(b)][heard] ^ b[heard])
            shares.append(1 - float(different.mean()) / 32)
    return max(shares, default=None)
