"""The files of a release in memory: what the files of a clip share is held once per clip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from caer_data.engine import tables
from caer_data.engine.columns import STRING, Column
from caer_data.export.manifest import MANIFEST


class FileRows:
    """Rows of `MANIFEST`, of which any columns can be had as a data frame.

    A release can have millions of files and some fifty columns, most of which are the same for all
    files of a clip.

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
    def of_frame(cls, files: pd.DataFrame) -> FileRows:
        """Return the rows of a data frame."""
        return cls(files, pd.DataFrame(), np.zeros(len(files), np.int32))

    def __len__(self) -> int:
        return len(self._place)

    def frame(
        self,
        names: Iterable[str] | None = None,
        rows: slice | npt.NDArray[np.int64] = slice(None),
    ) -> pd.DataFrame:
        """Return some columns (default: those of `MANIFEST`) of some rows (default: all)."""
        place = self._place[rows]
        own, of_clips = self._own, self._of_clips
        cells = {
            name: own[name].array[rows] if name in own else of_clips[name].array.take(place)
            for name in names or MANIFEST.names
        }
        return pd.DataFrame(cells, copy=False)

    def by_layout(self) -> dict[str, npt.NDArray[np.int64]]:
        """Return the rows of each layout, in the order of the first ones."""
        word = self._own["layout"]
        return {str(name): np.flatnonzero(word == name) for name in word.unique()}

    def filled(self, cells: Mapping[str, pd.Series]) -> FileRows:
        """Return the rows with some columns replaced."""
        own = pd.DataFrame({name: self._own[name] for name in self._own} | dict(cells), copy=False)
        return FileRows(own, self._of_clips, self._place)


def rows(planned: pd.DataFrame, clips: pd.DataFrame) -> FileRows:
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
    return FileRows(
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
