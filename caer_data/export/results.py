"""Results of `media.make` for the clips of a release, as columns.

A dictionary per clip and per file needs about ten times the memory. Columns, too, are in memory
only while they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from caer_data.engine.spill import Spill

_HASHES: Final = [
    pa.field("sha256", pa.string()),
    pa.field("bytes", pa.int64()),
    pa.field("framehash", pa.string()),
    pa.field("perceptual_hash", pa.string()),
]
_CLIP: Final = pa.schema([pa.field("clip_id", pa.string()), *_HASHES])
_FILE: Final = pa.schema(
    [*(pa.field(name, pa.int64()) for name in ("frame", "x1", "y1", "x2", "y2")), *_HASHES]
)
_NAMED_FILE: Final = pa.schema([pa.field("path", pa.string()), *_FILE])
_PART: Final = 1 << 11
"""Number of clips whose results are held as dictionaries."""


@dataclass(frozen=True)
class _Part:
    """Results of some clips: the first and last of their names, and what reads the columns."""

    first: str
    last: str
    of_clips: Callable[[], pa.Table]
    of_files: Callable[[], pa.Table]


class Results:
    """Results of clips, in any order; of several results of a clip, the last one counts.

    Results that come in the order of their clips are also found quickly in this order.

    Args:
        results: results of `media.make`.
        spill: keeps the columns while they are not used; None keeps them in memory.
    """

    def __init__(
        self, results: Iterable[Mapping[str, Any]] = (), spill: Spill | None = None
    ) -> None:
        self._spill = spill
        self._parts = list[_Part]()
        self._waiting: dict[str, Mapping[str, Any]] = {}
        for result in results:
            self.add(result)

    def add(self, result: Mapping[str, Any]) -> None:
        """Add the result of a clip."""
        self._waiting[result["clip_id"]] = result
        if len(self._waiting) >= _PART:
            self._store()

    def of_clips(self, clip_ids: pd.Series) -> Cells:
        """Return `sha256, bytes, framehash, perceptual_hash` of each clip; empty if unknown."""
        found = [part.of_clips() for part in self._with(clip_ids)]
        return Cells(found, _CLIP, "clip_id", clip_ids)

    def of_files(self, paths: pd.Series, clip_ids: pd.Series) -> Cells:
        """Return what is known about each file of some clips; empty if nothing is.

        Returns:
            `frame, x1, y1, x2, y2` of pictures, and the columns of `of_clips`.
        """
        found = [part.of_files() for part in self._with(clip_ids)]
        return Cells(found, _NAMED_FILE, "path", paths)

    def _with(self, clip_ids: pd.Series) -> list[_Part]:
        """Return the parts that may have results of some clips."""
        self._store()
        names = clip_ids.unique()
        if isinstance(names, pd.Categorical):
            names = names.categories.take(names.codes[names.codes >= 0])
        if not len(names):
            return []
        first, last = min(names), max(names)
        return [part for part in self._parts if part.first <= last and part.last >= first]

    def _store(self) -> None:
        """Turn the dictionaries that are held into columns."""
        if not self._waiting:
            return
        results = list(self._waiting.values())
        files = [of_file for result in results for of_file in result["files"].values()]
        paths = pa.array([path for result in results for path in result["files"]], pa.string())
        named = pa.Table.from_arrays([paths, *_columns(files, _FILE)], schema=_NAMED_FILE)
        of_clips, of_files = map(self._put, (_columns(results, _CLIP), named))
        self._parts.append(_Part(min(self._waiting), max(self._waiting), of_clips, of_files))
        self._waiting.clear()

    def _put(self, rows: pa.Table) -> Callable[[], pa.Table]:
        return self._spill.table(rows) if self._spill else lambda: rows


def _columns(rows: list[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as columns; keys that the schema lacks are ignored."""
    cells = pa.array(rows, pa.struct(list(schema)))
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(cells)], schema)


class Cells:
    """The rows with some keys, in the order of the keys; a column is made when it is asked for."""

    def __init__(
        self, parts: list[pa.Table], schema: pa.Schema, key: str, wanted: pd.Series
    ) -> None:
        # index_in finds the first row of a key
        self._rows = pa.concat_tables([*reversed(parts), schema.empty_table()]).combine_chunks()
        known = self._rows[key].combine_chunks()
        categorical = isinstance(wanted.dtype, pd.CategoricalDtype)
        if categorical:
            wanted = wanted.cat.remove_unused_categories()
        words = pa.array(wanted.cat.categories if categorical else wanted, pa.string())
        self._at = pc.index_in(words, value_set=known)
        if categorical:
            codes = wanted.cat.codes.to_numpy()
            self._at = self._at.take(pa.array(codes, pa.int32(), mask=codes < 0))

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        """Return a column; cells of unknown keys are empty."""
        return self._rows[name].take(self._at)
