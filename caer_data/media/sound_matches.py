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

_LONGEST: Final = 2**20  # fingerprints of one video, which are 18 hours
_NONE: Final = np.zeros(0, np.int64)

Prints = npt.NDArray[np.uint32]


def pairs(strips: Sequence[Strip], sides: npt.NDArray[np.int64]) -> dict[tuple[int, int], int]:
    """Find the pairs of strips with several equal fingerprints of sound, one shift apart.

    Args:
        strips: the strips.
        sides: side of each strip; strips of the same side are not compared.

    Returns:
        By the indexes of two strips, the lower first: how many fingerprints are near.
    """
    spans = [_span(strip) for strip in strips]
    owner = np.repeat(np.arange(len(strips)), [len(sound) for _, sound in spans])
    if not len(owner):
        return {}
    place = np.concatenate([start + np.arange(len(sound)) for start, sound in spans])
    values = np.concatenate([sound for _, sound in spans]).astype(np.uint64)
    bits = np.bitwise_count(values)
    useful = np.flatnonzero((bits >= _PLAIN) & (bits <= _BITS - _PLAIN))
    owner, place, values = owner[useful], place[useful], values[useful]
    held = np.flatnonzero(place % _KNOWN == 0)
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
        shift = place[here] - place[asked] + _LONGEST
        both = owner[asked] * len(strips) + owner[here]
        keys, count = np.unique(both * 2 * _LONGEST + shift, return_counts=True)
        keys, count = keys[count >= _AGREE], count[count >= _AGREE]
        for key, times in zip((keys // (2 * _LONGEST)).tolist(), count.tolist(), strict=True):
            one, other = divmod(key, len(strips))
            pair = min(one, other), max(one, other)
            found[pair] = max(times, found.get(pair, 0))
    return found


def aligned(one: Strip, other: Strip) -> tuple[int, int] | None:
    """Return a picture of each strip of the same moment by their sound; None if it differs."""
    (start, a), (begin, b) = _span(one), _span(other)
    if min(len(a), len(b)) < _ENOUGH:
        return None
    heard = ((a != 0)[:, None] & (b != 0)).reshape(-1)
    equal = _BITS - np.bitwise_count(a[:, None] ^ b).astype(np.int64).reshape(-1)
    diagonal = (np.arange(len(b)) - np.arange(len(a))[:, None] + len(a) - 1).reshape(-1)
    common = np.bincount(diagonal, heard)
    share = np.bincount(diagonal, equal * heard) / np.maximum(_BITS * common, 1)
    share[common < _ENOUGH] = 0
    best = int(np.argmax(share))
    if share[best] < HEARD:
        return None
    apart = best - len(a) + 1
    middle = (max(0, -apart) + min(len(a), len(b) - apart)) / 2
    times = (start + middle) / RATE, (begin + middle + apart) / RATE
    return _at(one, times[0]), _at(other, times[1])


def _at(strip: Strip, time: float) -> int:
    return int(np.argmin(np.abs(strip.times - time)))


def _span(strip: Strip) -> tuple[int, Prints]:
    """Return the fingerprints of a strip's own sound, and the position of the first one."""
    start, end = (round(float(strip.times[at]) * RATE) for at in (0, -1))
    if end - start >= _ENOUGH + _BLURRED:
        end -= _BLURRED
    return start, strip.sound[start : end + 1]
