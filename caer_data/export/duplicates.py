"""Near-duplicate pictures, found by perceptual hashes that differ in a few bits only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

DISTANCE: Final = 6
"""Bits of 64 in which the pHash of two pictures may differ; unrelated ones differ in about 32."""

_BITS = 64
_SPARE: Final = 1
"""Bands by which a pair agrees beyond the first: longer keys, shorter lists."""


def pairs(
    hashes: npt.NDArray[np.uint64], sides: npt.NDArray[np.int64], distance: int = DISTANCE
) -> npt.NDArray[np.int64]:
    """Which hashes nearly equal one of another side.

    Two hashes at most `distance` bits apart agree in two of `distance + 2` bands of bits (the
    pigeonhole principle; Norouzi et al., "Fast search in Hamming space with multi-index hashing",
    CVPR 2012), so that only hashes that share two bands are compared.

    Args:
        hashes: 64-bit hashes, shape (n,).
        sides: side (split) of each, shape (n,).
        distance: largest number of different bits.

    Returns:
        For each hash the index of one near-duplicate of another side, or -1; shape (n,).
    """
    keys = np.stack([hashes, sides.astype(np.uint64)], axis=1)
    _, first, same_as = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    partner = _partners(hashes[first], sides[first], distance)[same_as.reshape(-1)]
    return np.where(partner >= 0, first[partner], -1)


def _partners(
    hashes: npt.NDArray[np.uint64], sides: npt.NDArray[np.int64], distance: int
) -> npt.NDArray[np.int64]:
    """The first near-duplicate of each hash; -1 where there is none."""
    none = len(hashes)
    partner = np.full(none, none, np.int64)
    edges = np.linspace(0, _BITS, distance + 2 + _SPARE).astype(int)
    bands = [_band(hashes, low, high) for low, high in itertools.pairwise(edges.tolist())]
    for chosen in itertools.combinations(range(len(bands)), 1 + _SPARE):
        key = np.zeros(none, np.uint64)
        for at in chosen:
            key |= bands[at]
        for one, other in _sharing(key):
            near = np.bitwise_count(hashes[one] ^ hashes[other]) <= distance
            near &= sides[one] != sides[other]
            np.minimum.at(partner, one[near], other[near])
            np.minimum.at(partner, other[near], one[near])
    return np.where(partner < none, partner, -1)


def _band(hashes: npt.NDArray[np.uint64], low: int, high: int) -> npt.NDArray[np.uint64]:
    """Some bits of each hash, where they are; the others are zero."""
    return hashes & np.uint64(((1 << (high - low)) - 1) << low)


def _sharing(
    key: npt.NDArray[np.uint64],
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """All pairs of equal keys, once each: those next to each other when sorted, then the next."""
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    at = np.arange(len(key))
    for step in itertools.count(1):
        at = at[at + step < len(key)]
        at = at[ordered[at] == ordered[at + step]]
        if not len(at):
            return
        yield order[at], order[at + step]
