"""The files of a release: in memory while they are planned, then in the release's manifest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from caer_data.engine import tables
from caer_data.engine.columns import STRING, Column
from caer_data.export import manifest as manifests
from caer_data.export.manifest import MANIFEST

Rows = slice | npt.NDArray[np.int64]


class FileRows(ABC):
    """Rows of `MANIFEST`, of which any columns can be had as a data frame.

    Words that many files share are categorical, with sorted categories.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def frame(self, names: Iterable[str] | None = None, rows: Rows = slice(None)) -> pd.DataFrame:
        """Return some columns (default: those of `MANIFEST`) of some rows (default: all)."""

    def by_layout(self) -> dict[str, npt.NDArray[np.int64]]:
        """Return the rows of each layout, in the order of the first ones."""
        word = self.frame(["layout"])["layout"]
        return {str(name): np.flatnonzero(word == name) for name in word.unique()}


class HeldRows(FileRows):
    """Rows in memory.

    A release can have millions of files and some fifty columns, most of which are the same for all
    files of a clip. What these share is held once per clip.

    Args:
        own: columns that the files of a clip do not share.
        of_clips: the other columns, by clip.
        place: row of each file's clip in `of_clips`.
    """

    def __init__(
        self, own: pd.DataFrame, of_clips: pd.DataFrame, place: npt.NDArray[np.int32]
    ) -> None:
        self._own, self._of_clips, self._place = own, of_clips, place

    @classmethod
    def of_frame(cls, files: pd.DataFrame) -> HeldRows:
        """Return the rows of a data frame."""
        return cls(files, pd.DataFrame(), np.zeros(len(files), np.int32))

    def __len__(self) -> int:
        return len(self._place)

    def frame(self, names: Iterable[str] | None = None, rows: Rows = slice(None)) -> pd.DataFrame:
        """Return some columns (default: those of `MANIFEST`) of some rows (default: all)."""
        place = self._place[rows]
        own, of_clips = self._own, self._of_clips
        cells = {
            name: own[name].array[rows] if name in own else of_clips[name].array.take(place)
            for name in names or MANIFEST.names
        }
        return pd.DataFrame(cells, copy=False)


class WrittenRows(FileRows):
    """Rows of a release's manifest, of which only the columns that are asked for are read.

    Args:
        release: folder of the release.
    """

    def __init__(self, release: Path) -> None:
        self._release = release

    def __len__(self) -> int:
        return manifests.count(self._release)

    def frame(self, names: Iterable[str] | None = None, rows: Rows = slice(None)) -> pd.DataFrame:
        """Return some columns (default: those of `MANIFEST`) of some rows (default: all)."""
        wanted = list(names or MANIFEST.names)
        read = pa.concat_tables(manifests.columns(self._release, wanted))
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(read))
            read = read.slice(start, stop - start)
        else:
            read = read.take(pa.array(rows))
        return in_words(read)


_PLAIN: Final = {*MANIFEST.key, "sha256", "framehash", "perceptual_hash"}
"""Columns of text in which few cells are equal."""


def in_words(read: pa.Table) -> pd.DataFrame:
    """Return a table whose texts are dictionaries as a data frame, as `FileRows` has it."""
    cells: dict[str, Any] = {}
    for field, column in zip(read.schema, read.columns, strict=True):
        if pa.types.is_dictionary(field.type) and field.name not in _PLAIN:
            cells[field.name] = _sorted(column)
            continue
        plain = column.cast(MANIFEST.schema.field(field.name).type)
        one = pa.table([plain], pa.schema([MANIFEST.schema.field(field.name)]))
        cells[field.name] = tables.to_pandas(one)[field.name].array
    return pd.DataFrame(cells, copy=False)


def _sorted(cells: pa.ChunkedArray) -> pd.Categorical:
    """Return words as categories that are sorted."""
    held = cells.unify_dictionaries().combine_chunks()
    order = pc.array_sort_indices(held.dictionary)
    place = np.empty(len(order) + 1, np.int64)
    place[order.to_numpy()] = np.arange(len(order))
    place[-1] = -1
    codes = place[pc.fill_null(held.indices, len(order)).to_numpy()]
    words = pd.Index(held.dictionary.take(order).to_pandas(), dtype=tables.TEXT)
    return pd.Categorical.from_codes(codes, words)


def rows(planned: pd.DataFrame, clips: pd.DataFrame) -> HeldRows:
    """Return the planned files of all layouts with the facts about their clips.

    Args:
        planned: `clip_id, split, layout, path` and, if applicable, `member`, `from_frame` and
            `to_frame`.
        clips: labelled clips, from `labelled.read`.

    Returns:
        Rows with the columns of `MANIFEST`, `from_frame` and `to_frame`; columns that depend on the
        media are still empty. Words that many files share are categorical, with sorted categories.
    """
    place = pd.Index(clips["clip_id"]).get_indexer(planned["clip_id"]).astype(np.int32)
    if (place < 0).any():
        raise ValueError("a planned file belongs to none of the clips")
    spans = planned.reindex(columns=["from_frame", "to_frame"]).astype("Int64")
    is_picture = spans["from_frame"].notna().to_numpy(bool)
    frames = np.where(is_picture, 1, clips["frames"].to_numpy(np.int64)[place])
    different = ["split", "layout", "path", *({"member"} & set(planned))]
    own = {name: _words(name, planned) for name in different} | {"frames": frames}
    others = [column for column in MANIFEST.columns if column.name not in own]
    of_clips = {name: cells.array for name, cells in _numbers(clips, others).items()}
    of_clips |= {c.name: _words(c.name, clips) for c in others if c.type == STRING}
    return HeldRows(
        pd.DataFrame(own | {name: spans[name].array for name in spans}, copy=False),
        pd.DataFrame(of_clips, copy=False),
        place,
    )


def _words(name: str, given: pd.DataFrame) -> Any:
    """Return a column of text; it is empty if it is not given."""
    if name not in given.columns:
        nothing = np.full(len(given), -1, np.int8)
        return pd.Categorical.from_codes(nothing, pd.Index([], dtype=tables.TEXT))
    cells = given[name].array
    return pd.array(cells, tables.TEXT) if name in MANIFEST.key else pd.Categorical(cells)


def _numbers(clips: pd.DataFrame, columns: list[Column]) -> pd.DataFrame:
    """Return those of some columns that are not text, typed; unknown ones are empty."""
    schema = pa.schema([MANIFEST.schema.field(c.name) for c in columns if c.type != STRING])
    cells = clips.reindex(columns=schema.names)
    typed = pa.Table.from_pandas(cells, schema, preserve_index=False)
    return tables.to_pandas(typed.replace_schema_metadata(None))  # forgets the types it had
