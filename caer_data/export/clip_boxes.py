"""The boxes of one clip after the other, as arrays: from a table in memory, or from its file.

Clips are asked for in the order of their names, so that only some thousand are converted at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from caer_data.engine import parquet

Rows = npt.NDArray[np.float32]
"""`frame, x1, y1, x2, y2` of a clip's boxes, shape (n, 5)."""

_COLUMNS: Final = ("frame", "x1", "y1", "x2", "y2")
_AT_ONCE: Final = 1 << 12
"""Number of clips whose boxes are converted at a time."""
_PART: Final = 1 << 18
"""Number of boxes that are read at a time."""


class BoxesOfClips(Protocol):
    """Boxes by clip."""

    def __getitem__(self, clip_id: str) -> Rows:
        """Return a clip's boxes; none if it is unknown."""


class FromTable:
    """Boxes of clips from a table `BOXES` in memory."""

    def __init__(self, of_targets: pd.DataFrame) -> None:
        named = of_targets["clip_id"].astype("category")
        codes = named.cat.codes.to_numpy()
        self._rows: npt.NDArray[np.int64] | None = None
        if (codes[1:] < codes[:-1]).any():
            self._rows = np.argsort(codes, kind="stable")
            codes = codes[self._rows]
        self._place = {name: code for code, name in enumerate(named.cat.categories)}
        self._starts = np.searchsorted(codes, np.arange(len(self._place) + 1, dtype=codes.dtype))
        self._columns = [of_targets[name].to_numpy() for name in _COLUMNS]
        self._first = 0
        self._held: list[Rows] = []

    def __getitem__(self, clip_id: str) -> Rows:
        """Return a clip's boxes; none if it is unknown."""
        code = self._place.get(clip_id)
        if code is None:
            return _nothing()
        if not 0 <= code - self._first < len(self._held):
            self._first, self._held = code, self._some(code)
        return self._held[code - self._first]

    def _some(self, code: int) -> list[Rows]:
        """Return the boxes of a clip and of those after it."""
        starts = self._starts[code : code + _AT_ONCE + 1]
        own: Any = slice(starts[0], starts[-1])
        own = own if self._rows is None else self._rows[own]
        boxes = np.stack([column[own] for column in self._columns], axis=1, dtype=np.float32,
                         casting="same_kind")  # fmt: skip
        return np.split(boxes, starts[1:-1] - starts[0])


class FromFile:
    """Boxes of clips from a file of the table `BOXES` that is sorted by clip; read once."""

    def __init__(self, path: Path) -> None:
        self._clips = _clips(path)
        self._next = next(self._clips, None)

    def __getitem__(self, clip_id: str) -> Rows:
        """Return a clip's boxes; none if it is unknown or was passed."""
        while self._next is not None and self._next[0] < clip_id:
            self._next = next(self._clips, None)
        if self._next is None or self._next[0] != clip_id:
            return _nothing()
        return self._next[1]


def _clips(path: Path) -> Iterator[tuple[str, Rows]]:
    """Yield every clip of a file with its boxes, in the file's order."""
    name, held = "", _nothing()  # the last clip, which may go on in the next part
    with parquet.opened(path, ["clip_id"]) as file:
        for part in parquet.parts_of(file, _PART, ["clip_id", *_COLUMNS]):
            columns = [_numbers(part.column(column)) for column in _COLUMNS]
            boxes = np.stack(columns, axis=1, dtype=np.float32, casting="unsafe")
            words = part.column("clip_id")
            codes = words.indices.to_numpy()
            starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])[: len(codes)]
            known = words.dictionary.to_pylist()
            rows = np.split(boxes, starts[1:])
            for code, own in zip(codes[starts].tolist(), rows, strict=True):
                if known[code] == name:
                    held = np.concatenate([held, own])
                    continue
                if len(held):
                    yield name, held
                name, held = known[code], own
    if len(held):
        yield name, held


def _numbers(column: pa.Array) -> npt.NDArray[Any]:
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _nothing() -> Rows:
    return np.empty((0, len(_COLUMNS)), np.float32)
