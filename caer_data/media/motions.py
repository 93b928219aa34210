"""How alike two strips of fingerprints move, by their lowest frequencies: quick but coarse.

Many shots from one camera look alike in all pictures; motion tells which two are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from caer_data.media import windows
from caer_data.media.matching import MIN_MOTION, Strip

_MIN_PICTURES: Final = 4  # pictures that two strips must have in common
_ENOUGH: Final = 12  # number of pictures from which likeness counts in full


@dataclass(frozen=True)
class Together:
    """How alike two strips move.

    Attributes:
        score: correlation of what changes, 0 to 1; 0 if nothing moves.
        at: position of a picture in each strip, at the best-fitting shift.
        mirrored: whether the second strip is mirrored.
    """

    score: float
    at: tuple[int, int]
    mirrored: bool


def is_enough(strip: Strip) -> bool:
    """Whether a strip has enough pictures to move."""
    return len(strip.times) >= _MIN_PICTURES


class Motions:
    """The changes in some strips, computed once for each strip and window."""

    def __init__(self, strips: Sequence[Strip] | Mapping[int, Strip]) -> None:
        self._strips = strips
        self._changes = lru_cache(8192)(self._made)
        self._levelled = lru_cache(64)(lambda number: windows.levelled(strips[number].pictures))

    def alike(self, one: int, other: int, mirrored: bool, window: int) -> Together:
        """Compare what changes in two strips, at every shift.

        Args:
            one: number of a strip.
            other: number of another strip.
            mirrored: whether the other strip is mirrored.
            window: window of the first in which the second is seen; below 0, the other way around.
        """
        if not all(is_enough(self._strips[number]) for number in (one, other)):
            return Together(0.0, (0, 0), mirrored)
        first, energy = self._changes(one, max(window, 0))
        second, others = self._changes(other, max(-window, 0))
        if mirrored:
            second = second * windows.TURNED
        rows, columns = len(first), len(second)
        # along each diagonal lie the products at one shift
        shift = np.arange(columns) - np.arange(rows)[:, None] + rows - 1
        products = np.bincount(shift.reshape(-1), (first @ second.T).reshape(-1))
        apart = np.arange(rows + columns - 1) - rows + 1
        start, end = np.maximum(0, -apart), np.minimum(rows, columns - apart)
        moved = [energy[end] - energy[start], others[end + apart] - others[start + apart]]
        common = end - start
        enough = (common >= _MIN_PICTURES) & (np.minimum(*moved) > MIN_MOTION * common)
        if not enough.any():
            return Together(0.0, (0, 0), mirrored)
        scale = np.sqrt(moved[0][enough] * moved[1][enough])
        scores = products[enough] / scale * np.minimum(1, common[enough] / _ENOUGH)
        best = int(np.argmax(scores))
        middle = int(start[enough][best] + common[enough][best] // 2)
        at = middle, middle + int(apart[enough][best])
        return Together(float(max(scores[best], 0.0)), at, mirrored)

    def _made(
        self, number: int, window: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
        """Return changes in a strip's lowest frequencies, and their energy up to each picture."""
        rows = windows.frequencies(self._levelled(number), window)
        rows = rows - rows.mean(axis=0)
        energy = np.concatenate([[0.0], np.cumsum((rows.astype(np.float64) ** 2).sum(axis=1))])
        return rows, energy
