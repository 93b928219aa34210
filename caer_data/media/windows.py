"""Hashes of pictures that also match cropped or mirrored copies.

A picture's fingerprint is hashed as a whole and in windows without its margins, so that a window of
a picture almost equals the whole of a cropped copy. The bits are the signs of the 64 lowest
frequencies of the cosine transform; the hash of the mirrored picture can be derived from them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from caer_data.media.fingerprints import HEIGHT, WIDTH
from caer_data.media.frame import Picture

WINDOWS: Final = (
    (1.0, 1.0), (0.9, 0.9), (0.8, 0.8), (1.0, 0.88), (0.88, 1.0),
    (0.95, 0.95), (0.85, 0.85), (0.75, 0.75), (1.0, 0.75), (0.75, 1.0),
)  # fmt: skip
"""Width and height of each centred window, as shares of the picture's."""

Window = tuple[float, float] | tuple[float, float, float, float]
"""Width and height, and how far the window lies to the right of the picture's centre and below it;
all as shares of the picture's sides."""

LOOKED_UP: Final[tuple[Window, ...]] = (
    *WINDOWS,
    *((0.9, 0.9, x, y) for x in (-0.03, 0.03) for y in (-0.03, 0.03)),
    *((0.8, 0.8, x, y) for x in (-0.05, 0.05) for y in (-0.05, 0.05)),
    *((0.9, 0.9, *place) for place in ((-0.03, 0.0), (0.03, 0.0), (0.0, -0.03), (0.0, 0.03))),
    *((0.8, 0.8, *place) for place in ((-0.05, 0.0), (0.05, 0.0), (0.0, -0.05), (0.0, 0.05))),
)
"""Windows in which a copy is looked for; some lie off the centre."""

BITS: Final = 64
FLAT: Final = 6.0
"""Standard deviation of brightness (out of 255) below which a picture is too flat to compare."""

_NOISE: Final = 2.0  # out of 255; encoding noise

BANDS: Final = (
    range(16),
    range(16, 32),
    range(0, 32, 2),
    range(1, 32, 2),
    (*range(8), *range(16, 24)),
    (*range(8, 16), *range(24, 32)),
)
"""Sets of bits; hashes that agree in one of them are compared. The lowest are the most stable."""

_MANY: Final = 12  # sets of bits for single pictures
_STABLE: Final = 48  # bits of which they consist
_FEWEST, _MOST = 8, 16  # bits of such a set
_SHARED: Final = 2  # unrelated pictures that agree in such a set by chance, at most
_CROWD: Final = 48  # maximum number of hashes with equal bits in a band that are used
_ROWS: Final = 20_000  # hashes looked up at a time

_LOWEST: Final = sorted(
    ((u, v) for u in range(12) for v in range(10) if u + v), key=lambda f: (f[0] + f[1] * 1.2, f[1])
)[:BITS]

TURNED: Final = np.array([-1 if u % 2 else 1 for u, _ in _LOWEST], np.float32)
"""Factors that turn the frequencies of a picture into those of the mirrored picture."""


def hashes(pictures: Picture, windows: tuple[Window, ...] = WINDOWS) -> npt.NDArray[np.uint64]:
    """Return the hashes of pictures (n, HEIGHT, WIDTH) in some windows: (n, windows)."""
    bits = (levelled(pictures) @ _operator(windows)) > 0
    return _packed(bits.reshape(len(pictures), len(windows), BITS))


def frequencies(rows: npt.NDArray[np.float32], window: int) -> npt.NDArray[np.float32]:
    """Return the frequencies whose signs are the bits of a window, as unit vectors (n, BITS).

    Args:
        rows: pictures, as `levelled` returns them.
        window: its index in `LOOKED_UP`.
    """
    part = slice(window * BITS, (window + 1) * BITS)
    made = rows @ _operator(LOOKED_UP)[:, part]
    size = np.linalg.norm(made, axis=1, keepdims=True)
    return np.asarray(made / np.maximum(size, 1e-3), np.float32)


def levelled(pictures: Picture) -> npt.NDArray[np.float32]:
    """Return brightness relative to its median, clipped so that a bright logo does not dominate.

    Args:
        pictures: grey pictures; shape (n, HEIGHT, WIDTH).

    Returns:
        One row per picture.
    """
    rows = pictures.reshape(len(pictures), -1).astype(np.float32)
    rows -= np.median(rows, axis=1, keepdims=True)
    size = np.abs(rows)
    rows /= size + np.median(size, axis=1, keepdims=True) + _NOISE
    return np.asarray(rows - rows.mean(axis=1, keepdims=True))


def mirrored(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the hashes of the same pictures with left and right exchanged."""
    return np.asarray(values ^ _packed(np.array([u % 2 == 1 for u, _ in _LOWEST])))


def flat(pictures: Picture) -> npt.NDArray[np.bool_]:
    """Return which pictures have almost uniform brightness, so that they cannot be compared."""
    return np.asarray(pictures.reshape(len(pictures), -1).std(axis=1) < FLAT)


def _packed(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    packed = np.packbits(bits, axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8")[..., 0].astype(np.uint64)


@cache
def _operator(windows: tuple[Window, ...]) -> npt.NDArray[np.float32]:
    """Return the matrix that transforms flattened pictures; (HEIGHT * WIDTH, windows * BITS)."""
    columns = []
    for width, height, *shift in windows:
        right, down = shift or (0.0, 0.0)
        x, y = _waves(WIDTH, width, right), _waves(HEIGHT, height, down)
        columns += [np.outer(y[v], x[u]).reshape(-1) for u, v in _LOWEST]
    return np.array(columns, np.float32).T.copy()


def _waves(size: int, share: float, shift: float) -> npt.NDArray[np.float64]:
    """Return zero-mean cosines over a window in `size` pixels; (12, size)."""
    start, length = size * ((1 - share) / 2 + shift), size * share
    edges = np.clip(np.arange(size + 1), start, start + length)
    covered = np.diff(edges)
    middle = (edges[:-1] + edges[1:]) / 2
    waves = np.cos(np.pi * np.arange(12)[:, None] * (middle - start) / length) * covered
    waves[1:] -= waves[1:].sum(axis=1, keepdims=True) / length * covered
    return np.asarray(waves)


def bands_among(pictures: int) -> list[list[int]]:
    """Return more sets of bits than `BANDS`: shorter ones, the fewer pictures there are."""
    size = math.ceil(math.log2(max(pictures, 1) / _SHARED + 1))
    choice = random.Random(0)  # noqa: S311
    return [
        sorted(choice.sample(range(_STABLE), min(max(size, _FEWEST), _MOST))) for _ in range(_MANY)
    ]


class Known:
    """An index of hashes in which others are looked up.

    Only hashes that agree in one of several sets of bits (`bands`) are compared, and of many with
    equal bits only the first `_CROWD`. With `owners`, of the equal bits of one owner only the first
    hash counts; the hashes of one owner must be adjacent.
    """

    def __init__(
        self,
        values: npt.NDArray[np.uint64],
        owners: npt.NDArray[np.int64] | None = None,
        bands: Iterable[Iterable[int]] = BANDS,
    ) -> None:
        self._values = values
        self._bands = []
        for bits in bands:
            keys = _band(values, bits)
            order = np.argsort(keys, kind="stable")
            ordered = keys[order]
            if owners is not None:
                own = owners[order]
                new = np.ones(len(order), bool)
                new[1:] = (ordered[1:] != ordered[:-1]) | (own[1:] != own[:-1])
                order, ordered = order[new], ordered[new]
            self._bands.append((bits, order, ordered))

    def near(
        self, asked: npt.NDArray[np.uint64], most: int
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]]:
        """Find pairs of hashes that differ in at most `most` bits; some are found repeatedly.

        Yields:
            Indexes in `asked`, indexes of the known hashes, number of different bits.
        """
        for bits, order, ordered in self._bands:
            for at in range(0, len(asked), _ROWS):
                some = asked[at : at + _ROWS]
                rows, indices = _members(_band(some, bits), ordered)
                here = order[indices]
                different = np.bitwise_count(some[rows] ^ self._values[here])
                near = different <= most
                yield rows[near] + at, here[near], different[near]


def _members(
    keys: npt.NDArray[np.uint64], ordered: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return rows of `keys` and positions of equal values in `ordered`, up to `_CROWD` per key."""
    first = np.searchsorted(ordered, keys)
    count = np.minimum(np.searchsorted(ordered, keys, side="right") - first, _CROWD)
    rows = np.repeat(np.arange(len(keys)), count)
    offsets = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    return rows, np.repeat(first, count) + offsets


def _band(values: npt.NDArray[np.uint64], bits: Iterable[int]) -> npt.NDArray[np.uint64]:
    """Return some bits of each hash, packed together."""
    made = np.zeros_like(values)
    for index, bit in enumerate(bits):
        made |= (values >> np.uint64(bit) & np.uint64(1)) << np.uint64(index)
    return made
