"""Near-duplicate pictures, found by perceptual hashes that differ in only a few bits."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd

Sides = npt.NDArray[np.int64] | npt.NDArray[np.int8]
"""The side (split) of each hash, shape (n,)."""

DISTANCE: Final = 6
"""Maximum number of the 64 bits in which two pHashes differ; unrelated ones differ in about 32."""

MAX_PAIRS: Final = 32
"""Maximum number of others that one hash is paired with in a list of all pairs."""

_BITS = 64
_TEXTS: Final = 100_000
"""Number of texts read at a time."""
_MANY: Final = 150_000
"""Number of hashes from which pairs must agree in three bands, not two: more but shorter lists."""


def listed(texts: pd.Series) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Return the hashes in texts, where they are joined by spaces, and the index of their text."""
    hashes, of_text = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for at in range(0, len(texts), _TEXTS):
        some, of_some = _listed(texts.iloc[at : at + _TEXTS])
        hashes.append(some)
        of_text.append(of_some + at)
    return np.concatenate(hashes), np.concatenate(of_text)


def _listed(texts: pd.Series) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Do the same as `listed`, for all texts at once."""
    lists = pa.chunked_array([pa.array(texts, pa.string())])
    lists = pc.ascii_split_whitespace(lists).combine_chunks()
    words = lists.flatten()
    of_text = np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy())
    length = pc.binary_length(words).to_numpy()
    whole = length == _BITS // 4
    hashes = np.zeros(len(words), np.uint64)
    # words of one length are read all at once
    digits = b"".join(words.filter(pa.array(whole)).cast(pa.binary(_BITS // 4)).buffers()[1:])
    hashes[whole] = np.frombuffer(bytes.fromhex(digits.decode()), ">u8")
    for at in np.flatnonzero((length > 0) & ~whole):
        hashes[at] = int(words[at].as_py(), 16)
    return hashes[length > 0], of_text[length > 0]


def pairs(
    hashes: npt.NDArray[np.uint64], sides: Sides, distance: int = DISTANCE
) -> npt.NDArray[np.int64]:
    """Find a near-duplicate on another side for each hash.

    Two hashes at most `distance` bits apart agree in two of `distance + 2` bands of bits, and in
    three of `distance + 3` (the pigeonhole principle; Norouzi et al., "Fast search in Hamming space
    with multi-index hashing", CVPR 2012), so that only hashes that share as many are compared.

    Args:
        hashes: 64-bit hashes, shape (n,).
        sides: side (split) of each, shape (n,).
        distance: largest number of different bits.

    Returns:
        For each hash, the index of one near-duplicate on another side, or -1; shape (n,).
    """
    first, same_as = _different(hashes, sides)
    partner = _partners(hashes[first], sides[first], distance)[same_as]
    return np.where(partner >= 0, first[partner], -1)


def every(
    hashes: npt.NDArray[np.uint64], sides: Sides, distance: int = DISTANCE
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return all pairs of nearly equal hashes on different sides, nearest first.

    Each of several equal hashes on one side is paired with the first one on the other side, and a
    hash with at most `MAX_PAIRS` others. A picture that is shown everywhere therefore gives as many
    pairs as it has copies, not the square of that.

    Returns:
        Indices of both hashes, and the number of bits in which they differ.
    """
    first, same_as = _different(hashes, sides)
    one, other, bits = _nearest(hashes[first], sides[first], distance)
    order = np.argsort(same_as, kind="stable")
    starts = np.searchsorted(same_as[order], np.arange(len(first) + 1))

    def members(kind: int) -> list[int]:
        found: list[int] = order[starts[kind] : starts[kind + 1]].tolist()
        return found

    pairs = [
        (a, b, n)
        for i, j, n in zip(one.tolist(), other.tolist(), bits.tolist(), strict=True)
        for a, b in (
            *((a, members(j)[0]) for a in members(i)),
            *((members(i)[0], b) for b in members(j)[1:]),
        )
    ]
    columns = np.array(pairs, np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2].astype(np.uint8)


def _different(
    hashes: npt.NDArray[np.uint64], sides: Sides
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the first index of each distinct (hash, side), sorted, and the place of each hash."""
    order = np.lexsort((sides, hashes))
    new = np.ones(len(order), bool)
    ordered = hashes[order]
    new[1:] = ordered[1:] != ordered[:-1]
    on_side = sides[order]
    new[1:] |= on_side[1:] != on_side[:-1]
    same_as = np.empty(len(order), np.int64)
    same_as[order] = np.cumsum(new) - 1
    return order[new], same_as


def _nearest(
    hashes: npt.NDArray[np.uint64], sides: Sides, distance: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return pairs on different sides, once each, nearest first, at most `MAX_PAIRS` per hash."""
    pairs = _near(hashes, sides, distance)
    for column in (1, 2):
        pairs = pairs[_place_among_equals(pairs[:, column]) < MAX_PAIRS]
    return pairs[:, 1], pairs[:, 2], pairs[:, 0].astype(np.uint8)


def _place_among_equals(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many equal values precede each value."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.searchsorted(ordered, ordered)
    indices = np.empty(len(values), np.int64)
    indices[order] = np.arange(len(values)) - starts
    return indices


def _partners(hashes: npt.NDArray[np.uint64], sides: Sides, distance: int) -> npt.NDArray[np.int64]:
    """Return the first near-duplicate of each hash; -1 if there is none."""
    none = len(hashes)
    partner = np.full(none, none, np.int64)
    _, one, other = _near(hashes, sides, distance).T
    np.minimum.at(partner, one, other)
    np.minimum.at(partner, other, one)
    return np.where(partner < none, partner, -1)


def _near(hashes: npt.NDArray[np.uint64], sides: Sides, distance: int) -> npt.NDArray[np.int64]:
    """Return nearly equal pairs on different sides: differing bits, lower index, higher index.

    The hashes must be sorted, and no side may have one twice. The last results are remembered.
    """
    key = hashlib.sha256(hashes.data).digest(), hashlib.sha256(sides.data).digest(), distance
    found = _known.get(key)
    if found is None:
        found = _compared(hashes, sides, distance)
        with _remembering:
            while len(_known) >= _REMEMBERED:
                del _known[next(iter(_known))]
            _known[key] = found
    return found


_known: Final = dict[tuple[bytes, bytes, int], npt.NDArray[np.int64]]()
_remembering: Final = threading.Lock()
_REMEMBERED: Final = 2
"""The audit and its list of pairs need the same result, for two parts of a release."""


def _compared(
    values: npt.NDArray[np.uint64], of_side: Sides, distance: int
) -> npt.NDArray[np.int64]:
    """Do the same as `_near`."""
    first = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
    different, count = values[first], np.diff(first, append=len(values))
    lowest, highest = of_side[first], of_side[first + count - 1]
    found = [np.stack([np.flatnonzero(count > 1)] * 2)]  # hashes that are on several sides
    for pair in _close(different, distance):
        one, other = np.sort(np.searchsorted(different, pair), axis=0)
        low, high = np.minimum(lowest[one], lowest[other]), np.maximum(highest[one], highest[other])
        found.append(np.stack([one, other])[:, low < high])
    one, other = np.concatenate(found, axis=1)
    parts = [np.zeros((0, 3), np.int64)]
    most = int(count.max(initial=0))
    for a, b in itertools.product(range(most), repeat=2):
        there = (a < count[one]) & (b < count[other]) & ((one != other) | (a < b))
        low, high = first[one[there]] + a, first[other[there]] + b
        across = of_side[low] != of_side[high]
        low, high = low[across], high[across]
        bits = np.bitwise_count(values[low] ^ values[high])
        parts.append(np.stack([bits, low, high], axis=1).astype(np.int64))
    return np.unique(np.concatenate(parts), axis=0)


def _close(
    hashes: npt.NDArray[np.uint64], distance: int
) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]]:
    """Yield pairs of nearly equal, different hashes, each once.

    For each choice of bands, the bits of all hashes are rearranged so that the chosen bands come
    first. Sorted, hashes that share these bands are neighbours, and differ in as many bits as
    before. Indices are therefore needed only for the few pairs that are found.
    """
    shared = 2 if len(hashes) < _MANY else 3
    edges = np.linspace(0, _BITS, distance + shared + 1).astype(int).tolist()
    for chosen in itertools.combinations(range(len(edges) - 1), shared):
        others = [band for band in range(len(edges) - 1) if band not in chosen]
        moves, top = [], 0
        for band in (*others, *chosen):
            width = edges[band + 1] - edges[band]
            moves.append((edges[band], top, width))
            top += width
        free = sum(edges[band + 1] - edges[band] for band in others)
        arranged = _rearranged(hashes, moves)
        arranged.sort()
        back = [(new, old, width) for old, new, width in moves]
        before = [(new, width) for band, (_, new, width) in zip(others, moves, strict=False)
                  if band < chosen[-1]]  # fmt: skip
        one, other = _sharing(arranged, free, distance)
        # a pair that shares more bands is listed for the first of them
        first = np.ones(len(one), bool)
        for new, width in before:
            first &= (one ^ other) & np.uint64(((1 << width) - 1) << new) != 0
        yield _rearranged(one[first], back), _rearranged(other[first], back)


def _rearranged(
    hashes: npt.NDArray[np.uint64], moves: list[tuple[int, int, int]]
) -> npt.NDArray[np.uint64]:
    """Return the hashes with bits moved: from where, to where, and how many."""
    joined: list[tuple[int, int, int]] = []
    for old, new, width in moves:
        if joined and [sum(joined[-1][0::2]), sum(joined[-1][1:])] == [old, new]:
            joined[-1] = (joined[-1][0], joined[-1][1], joined[-1][2] + width)
        else:
            joined.append((old, new, width))
    result = np.zeros_like(hashes)
    for at in range(0, len(hashes), _BLOCK):  # small enough for the processor's cache
        part, target = hashes[at : at + _BLOCK], result[at : at + _BLOCK]
        for old, new, width in joined:
            bits = part >> np.uint64(old)
            bits &= np.uint64((1 << width) - 1)
            bits <<= np.uint64(new)
            target |= bits
    return result


_BLOCK: Final = 1 << 15
"""Number of hashes rearranged or compared at a time."""


def _sharing(
    ordered: npt.NDArray[np.uint64], free: int, distance: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return nearly equal pairs of sorted hashes that are equal but for their lowest `free` bits.

    Neighbours are compared first, then hashes two places apart where those were equal, and so on.
    """
    found = [np.zeros((2, 0), np.uint64)]
    for start in range(0, len(ordered), _BLOCK):
        block = ordered[start : start + _BLOCK]
        after = ordered[start + 1 : start + 1 + _BLOCK]
        difference, at = block[: len(after)] ^ after, np.arange(start, start + len(after))
        for step in itertools.count(1):
            together = np.flatnonzero(difference < np.uint64(1 << free))
            if not len(together):
                break
            at = at[together]
            near = at[np.bitwise_count(difference[together]) <= distance]
            if len(near):
                found.append(ordered[np.stack([near, near + step])])
            at = at[: np.searchsorted(at, len(ordered) - step - 1)]
            difference = ordered[at] ^ ordered[at + step + 1]
    one, other = np.concatenate(found, axis=1)
    return one, other
