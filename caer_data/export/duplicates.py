"""Near-duplicate pictures, found by perceptual hashes that differ in a few bits only."""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np
import numpy.typing as npt

DISTANCE: Final = 6
"""Bits of 64 in which the pHash of two pictures may differ; unrelated ones differ in about 32."""

_BITS = 64
_BLOCK = 2048


def pairs(
    hashes: npt.NDArray[np.uint64], sides: npt.NDArray[np.int64], distance: int = DISTANCE
) -> npt.NDArray[np.int64]:
    """Which hashes nearly equal one of another side.

    Two hashes at most `distance` bits apart agree in at least one of `distance + 1` bands of bits
    (the pigeonhole principle; Norouzi et al., "Fast search in Hamming space with multi-index
    hashing", CVPR 2012), so that only hashes that share a band are compared.

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
    partner = np.full(len(hashes), -1, np.int64)
    edges = np.linspace(0, _BITS, distance + 2).astype(int)
    for low, high in itertools.pairwise(edges):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order], prepend=band[order][:1] + np.uint64(1)))
        for members in np.split(order, starts[1:]):
            if len(np.unique(sides[members])) > 1:
                _compare(hashes, sides, members, partner, distance)
    return partner


def _compare(
    hashes: npt.NDArray[np.uint64],
    sides: npt.NDArray[np.int64],
    members: npt.NDArray[np.int64],
    partner: npt.NDArray[np.int64],
    distance: int,
) -> None:
    """Look for partners among hashes that share a band; rows in blocks to bound the memory."""
    for start in range(0, len(members), _BLOCK):
        rows = members[start : start + _BLOCK]
        rows = rows[partner[rows] < 0]
        different = hashes[rows, None] ^ hashes[None, members]
        near = (np.bitwise_count(different) <= distance) & (
            sides[rows, None] != sides[None, members]
        )
        found = near.any(axis=1)
        partner[rows[found]] = members[near[found].argmax(axis=1)]
