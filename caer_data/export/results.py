"""Results of `media.make` for the clips of a release, as columns.

A dictionary per clip and per file needs about ten times the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

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
_PART: Final = 1 << 11
"""Number of clips whose results are held as dictionaries."""


class Results:
    """Results of clips, in any order; of several results of a clip, the last one counts."""

    def __init__(self, results: Iterable[Mapping[str, Any]] = ()) -> None:
        self._of_clips = list[pa.Table]()
        self._of_files = list[pa.Table]()
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
        self._store()
        return Cells(self._of_clips, "clip_id", clip_ids)

    def of_files(self, paths: pd.Series) -> Cells:
        """Return what is known about each file; empty if nothing is.

        Returns:
            `frame, x1, y1, x2, y2` of pictures, and the columns of `of_clips`.
        """
        self._store()
        return Cells(self._of_files, "path", paths)

    def _store(self) -> None:
        """Turn the dictionaries that are held into columns."""
        results = list(self._waiting.values())
        files = [of_file for result in results for of_file in result["files"].values()]
        paths = pa.array([path for result in results for path in result["files"]], pa.string())
        self._of_clips.append(_columns(results, _CLIP))
        self._of_files.append(_columns(files, _FILE).add_column(0, "path", paths))
        self._waiting.clear()


def _columns(rows: list[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as columns; keys that the schema lacks are ignored."""
    cells = pa.array(rows, pa.struct(list(schema)))
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(cells)], schema)


class Cells:
    """The rows with some keys, in the order of the keys; a column is made when it is asked for."""

    def __init__(self, parts: list[pa.Table], key: str, wanted: pd.Series) -> None:
        # index_in finds the first row of a key
        self._rows = pa.concat_tables(reversed(parts)).combine_chunks()
        parts[:] = [self._rows]
        known = self._rows[key].combine_chunks()
        categorical = isinstance(wanted.dtype, pd.CategoricalDtype)
        words = pa.array(wanted.cat.categories if categorical else wanted, pa.string())
        self._at = pc.index_in(words, value_set=known)
        if categorical:
            codes = wanted.cat.codes.to_numpy()
            self._at = self._at.take(pa.array(codes, pa.int32(), mask=codes < 0))

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        """Return a column; cells of unknown keys are empty."""
        return self._rows[name].take(self._at)
