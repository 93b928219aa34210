"""Near-duplicate pictures, found by perceptual hashes that differ in a few bits only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

DISTANCE: Final = 6
"""Bits of 64 in which the pHash of two pictures may differ; unrelated ones differ in about 32."""

MAX_PAIRS: Final = 32
"""Others that one hash is paired with in a list of all pairs."""

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


def every(
    hashes: npt.NDArray[np.uint64], sides: npt.NDArray[np.int64], distance: int = DISTANCE
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """All pairs of hashes of two sides that nearly equal each other, nearest first.

    Of equal hashes of one side each is paired with the first one of the other side, and a hash with
    `MAX_PAIRS` others at most: what is shown everywhere gives as many pairs as pictures, not the
    square.

    Returns:
        Places of both hashes, and the bits in which they differ.
    """
    keys = np.stack([hashes, sides.astype(np.uint64)], axis=1)
    _, first, same_as = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    one, other, bits = _nearest(hashes[first], sides[first], distance)
    members = np.split(
        np.argsort(same_as.reshape(-1), kind="stable"),
        np.cumsum(np.bincount(same_as.reshape(-1)))[:-1],
    )
    pairs = [
        (a, b, n)
        for i, j, n in zip(one.tolist(), other.tolist(), bits.tolist(), strict=True)
        for a, b in (
            *((a, members[j][0]) for a in members[i]),
            *((members[i][0], b) for b in members[j][1:]),
        )
    ]
    columns = np.array(pairs, np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2].astype(np.uint8)


def _nearest(
    hashes: npt.NDArray[np.uint64], sides: npt.NDArray[np.int64], distance: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Pairs of different sides, once each, nearest first, at most `MAX_PAIRS` a hash."""
    found = [np.zeros((0, 3), np.int64)]
    for one, other in _candidates(hashes, distance):
        bits = np.bitwise_count(hashes[one] ^ hashes[other])
        near = (bits <= distance) & (sides[one] != sides[other])
        low, high = np.minimum(one, other)[near], np.maximum(one, other)[near]
        found.append(np.stack([bits[near], low, high], axis=1).astype(np.int64))
    pairs = np.unique(np.concatenate(found), axis=0)
    for column in (1, 2):
        pairs = pairs[_place_among_equals(pairs[:, column]) < MAX_PAIRS]
    return pairs[:, 1], pairs[:, 2], pairs[:, 0].astype(np.uint8)


def _place_among_equals(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many equal values stand before each."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.searchsorted(ordered, ordered)
    indices = np.empty(len(values), np.int64)
    indices[order] = np.arange(len(values)) - starts
    return indices


def _partners(
    hashes: npt.NDArray[np.uint64], sides: npt.NDArray[np.int64], distance: int
) -> npt.NDArray[np.int64]:
    """The first near-duplicate of each hash; -1 where there is none."""
    none = len(hashes)
    partner = np.full(none, none, np.int64)
    for one, other in _candidates(hashes, distance):
        near = np.bitwise_count(hashes[one] ^ hashes[other]) <= distance
        near &= sides[one] != sides[other]
        np.minimum.at(partner, one[near], other[near])
        np.minimum.at(partner, other[near], one[near])
    return np.where(partner < none, partner, -1)


def _candidates(
    hashes: npt.NDArray[np.uint64], distance: int
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Pairs that share two bands of bits; some come more than once."""
    edges = np.linspace(0, _BITS, distance + 2 + _SPARE).astype(int)
    bands = [_band(hashes, low, high) for low, high in itertools.pairwise(edges.tolist())]
    for chosen in itertools.combinations(range(len(bands)), 1 + _SPARE):
        key = np.zeros(len(hashes), np.uint64)
        for at in chosen:
            key |= bands[at]
        yield from _sharing(key)


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
