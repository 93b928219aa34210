"""Strips of fingerprints that sound alike, and how their sound fits together.

Pictures of dark, still or heavily edited footage may not tell which shots are copies, or at which
moment they are to be compared; their sound often does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from caer_data.media import windows
from caer_data.media.matching import HEARD, Strip
from caer_data.media.sound_prints import RATE

_BITS: Final = 32
_BANDS: Final = tuple(
    tuple(bit for bit in range(_BITS) if (bit - left) % 8 >= 3) for left in (0, 2, 4, 6)
)
"""Sets of 20 bits; fingerprints that agree in one of them are compared."""
_NEAR: Final = 3  # maximum number of different bits of two fingerprints
_PLAIN: Final = 4  # minimum number of set bits, and of others; fewer are hum, not sound
_AGREE: Final = 2  # fingerprints that must be near at the same shift
_KNOWN: Final = 2  # one of this many fingerprints can be found; all of the other strip are asked
_STRIPS: Final = 256  # looked up at a time
_BLURRED: Final = 4  # fingerprints at the end of a strip that hear what follows it
_ENOUGH: Final = 12  # fingerprints that two strips must have in common

_NONE: Final = np.zeros(0, np.int64)

Prints = npt.NDArray[np.uint32]


def pairs(
    strips: Sequence[Strip], sides: npt.NDArray[np.int64], most: int
) -> dict[tuple[int, int], int]:
    """Find the pairs of strips with several equal fingerprints of sound, one shift apart.

    Thousands of strips may have the same theme music. Of the strips that one sounds like, only
    those with the most equal fingerprints are kept, so that memory grows with the strips and not
    with their pairs.

    Args:
        strips: the strips.
        sides: side of each strip; strips of the same side are not compared.
        most: number of strips that are kept for each strip; it may be among more of the others'.

    Returns:
        By the indexes of two strips, the lower first: how many fingerprints are near.
    """
    spans = [_span(strip) for strip in strips]
    owner = np.repeat(np.arange(len(strips)), [len(sound) for _, sound in spans])
    if not len(owner):
        return {}
    own = np.concatenate([np.arange(len(sound)) for _, sound in spans])
    place = own + np.array([start for start, _ in spans])[owner]
    values = np.concatenate([sound for _, sound in spans]).astype(np.uint64)
    bits = np.bitwise_count(values)
    useful = np.flatnonzero((bits >= _PLAIN) & (bits <= _BITS - _PLAIN))
    owner, own, values = owner[useful], own[useful], values[useful]
    held = np.flatnonzero(place[useful] % _KNOWN == 0)
    longest = max(len(sound) for _, sound in spans)
    known = windows.Known(values[held], owner[held], _BANDS)
    found: dict[tuple[int, int], int] = {}
    for start in range(0, len(strips), _STRIPS):
        first, last = np.searchsorted(owner, [start, start + _STRIPS])
        near = [
            (asked + first) * len(values) + held[here]
            for asked, here, _ in known.near(values[first:last], _NEAR)
        ]
        asked, here = np.divmod(np.unique(np.concatenate([_NONE, *near])), len(values))
        apart = sides[owner[asked]] != sides[owner[here]]
        asked, here = asked[apart], here[apart]
        shift = own[here] - own[asked] + longest
        both, which = np.unique(owner[asked] * len(strips) + owner[here], return_inverse=True)
        keys, count = np.unique(which * 2 * longest + shift, return_counts=True)
        best = np.zeros(len(both), np.int64)
        np.maximum.at(best, keys // (2 * longest), count)
        one, other = np.divmod(both, len(strips))
        kept = _first(one, best, most)
        rows = (one[kept].tolist(), other[kept].tolist(), best[kept].tolist())
        for a, b, times in zip(*rows, strict=True):
            pair = min(a, b), max(a, b)
            found[pair] = max(times, found.get(pair, 0))
    return found


def _first(
    strip: npt.NDArray[np.int64], count: npt.NDArray[np.int64], most: int
) -> npt.NDArray[np.int64]:
    """Return which rows have the highest counts of their strip, at least `_AGREE`."""
    order = np.lexsort((-count, strip))  # stable, so the first of equal ones comes first
    rank = np.arange(len(order)) - np.searchsorted(strip, strip[order])
    return order[(rank < most) & (count[order] >= _AGREE)]


def aligned(one: Strip, other: Strip) -> tuple[int, int] | None:
    """Return a picture of each strip of the same moment by their sound; None if it differs."""
    (start, a), (begin, b) = _span(one), _span(other)
    if min(len(a), len(b)) < _ENOUGH:
        return None
    common, agreed = _by_shift(a, b)
    share = agreed / np.maximum(_BITS * common, 1)
    share[common < _ENOUGH] = 0
    best = int(np.argmax(share))
    if share[best] < HEARD:
        return None
    apart = best - len(a) + 1
    middle = (max(0, -apart) + min(len(a), len(b) - apart)) / 2
    times = (start + middle) / RATE, (begin + middle + apart) / RATE
    return _at(one, times[0]), _at(other, times[1])


def _by_shift(a: Prints, b: Prints) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return how many fingerprints overlap that are not silent, and how many of their bits agree.

    Both are given for each shift of `b`, from 1 - len(a) to len(b) - 1. They are correlations,
    which take n log n steps with Fourier transforms; a still picture may last for hours.
    """
    size = 1 << (len(a) + len(b) - 2).bit_length()
    waves = [np.fft.rfft(_signs(prints), size) for prints in (a, b)]
    products = waves[0].conj() * waves[1]
    found = np.fft.irfft([products[-1], products[:-1].sum(axis=0)], size)
    shifts = np.arange(1 - len(a), len(b)) % size
    common, surplus = np.rint(found[:, shifts]).astype(np.int64)
    return common, (_BITS * common + surplus) // 2


def _signs(prints: Prints) -> npt.NDArray[np.float64]:
    """Return the bits as 1 and -1, shape (33, n), and 1 in the last row; 0 for silence."""
    bits = (prints >> np.arange(_BITS, dtype=np.uint32)[:, None] & 1) * 2.0 - 1
    return np.asarray(np.concatenate([bits, np.ones((1, len(prints)))]) * (prints != 0))


def _at(strip: Strip, time: float) -> int:
    return int(np.argmin(np.abs(strip.times - time)))


def _span(strip: Strip) -> tuple[int, Prints]:
    """Return the fingerprints of a strip's own sound, and the position of the first one."""
    start, end = (round(float(strip.times[at]) * RATE) for at in (0, -1))
    if end - start >= _ENOUGH + _BLURRED:
        end -= _BLURRED
    return start, strip.sound[start : end + 1]
