"""Reading, writing and checking the tables that `caer_data.engine.schema` declares.

Stages exchange tables and paths, never live objects. A table is a pandas data frame in memory and
one parquet file on disk. `check` validates a frame against its declaration. `write` is atomic and
writes the same bytes for the same rows.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, reduce
from operator import and_
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from caer_data.engine import parquet
from caer_data.engine.columns import ANCHOR, BOOL, BOX, FLOAT, FLOAT32, INT, STRING, Column, Table
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path
from caer_data.engine.rating_schema import ASSIGNMENTS, CHECKS, KNOWN, LABELS, RATERS, RATINGS
from caer_data.engine.schema import (
    AUDIO_TRACKS,
    CLIPS,
    CUTS,
    FACES,
    KEYS,
    LINES,
    PEOPLE,
    PRESENT,
    REPEATS,
    SHOTS,
    SPEAKERS,
    SPEECH,
    TABLES,
    TRACKS,
    USED,
    VIDEOS,
)

__all__ = [
    "ANCHOR",
    "ASSIGNMENTS",
    "AUDIO_TRACKS",
    "BOOL",
    "BOX",
    "CHECKS",
    "CLIPS",
    "CUTS",
    "FACES",
    "FLOAT",
    "FLOAT32",
    "INT",
    "KEYS",
    "KNOWN",
    "LABELS",
    "LINES",
    "PEOPLE",
    "PRESENT",
    "RATERS",
    "RATINGS",
    "REPEATS",
    "SHOTS",
    "SPEAKERS",
    "SPEECH",
    "STRING",
    "TABLES",
    "TEXT",
    "TRACKS",
    "USED",
    "VIDEOS",
    "Column",
    "Table",
    "check",
    "count",
    "empty",
    "frame",
    "read",
    "read_arrow",
    "read_parts",
    "read_some",
    "refuse_repeated",
    "refuse_strange",
    "to_pandas",
    "write",
    "write_arrow",
    "write_parts",
    "write_rows",
]


TEXT: Final = pd.Series(["text"]).dtype
"""What pandas makes of text: `str`, in which an empty cell is NaN, and `object` before pandas 3."""


def empty(table: Table) -> pd.DataFrame:
    """Return a table without rows."""
    return to_pandas(table.schema.empty_table())


def frame(table: Table, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return a typed data frame of rows; missing nullable columns are filled with empty cells."""
    return to_pandas(_arrow_of(table, rows))


def _arrow_of(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    filled = [{c.name: row.get(c.name) for c in table.columns} for row in rows]
    return pa.Table.from_pylist(filled, schema=table.schema)


def check(table: Table, data: pd.DataFrame) -> pa.Table:
    """Validate a data frame against its declaration and return it as an Arrow table.

    Raises:
        CaerError: a column is missing, unknown, of the wrong type, empty although it must not be,
            or contains a value that is not allowed; or a key occurs twice.
    """
    arrow = _typed(table, data)
    refuse_repeated(table, data)
    return arrow


def _typed(table: Table, data: pd.DataFrame) -> pa.Table:
    """Do the same as `check`, but do not compare the keys of rows."""
    where = f"table '{table.name}'"
    missing = [n for n in table.names if n not in data.columns]
    unknown = [n for n in data.columns if n not in table.names]
    if missing or unknown:
        raise CaerError(f"{where}: missing columns {missing}, unknown columns {unknown}")
    words = {f.name for f in table.schema if _is_text_in_categories(data[f.name], f)}
    try:
        arrow = pa.Table.from_pandas(
            data[[n for n in table.names if n not in words]],
            schema=pa.schema([f for f in table.schema if f.name not in words]),
            preserve_index=False,
            safe=True,
        )
        for index, field in enumerate(table.schema):
            if field.name in words:
                arrow = arrow.add_column(index, field, _decoded(data[field.name], field))
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError) as error:
        raise CaerError(f"{where}: {error}") from error
    refuse_strange(table, arrow)
    return arrow.replace_schema_metadata(table.schema.metadata)


def refuse_strange(table: Table, arrow: pa.Table) -> None:
    """Raise a CaerError if a column contains a value that is not allowed."""
    for column in table.columns:
        if column.values:
            strange = set(arrow[column.name].unique().to_pylist()) - {None, *column.values}
            if strange:
                raise CaerError(
                    f"table '{table.name}': column '{column.name}' holds "
                    f"{sorted(map(str, strange))}, but only {list(column.values)} are allowed"
                )


def _is_as_checked(table: Table, arrow: pa.Table) -> bool:
    """Whether `_typed` would return the same cells: declared types, no NaN, none empty unless so.

    In a data frame an empty number is NaN, so a NaN becomes an empty cell.
    """
    if not arrow.schema.equals(table.schema, check_metadata=False):
        return False
    for field, cells in zip(arrow.schema, arrow.columns, strict=True):
        if cells.null_count and not field.nullable:
            return False
        if pa.types.is_floating(field.type) and pc.any(pc.is_nan(cells)).as_py():
            return False
    return True


def _checked(table: Table, arrow: pa.Table) -> pa.Table:
    """Do the same as `check` for an Arrow table, in most cases without a data frame."""
    if not _is_as_checked(table, arrow):
        return check(table, to_pandas(arrow))
    refuse_strange(table, arrow)
    keys = arrow.select(list(table.key))
    if len(keys) > _SHORT or len(set(zip(*keys.to_pydict().values(), strict=True))) < len(keys):
        refuse_repeated(table, to_pandas(keys))
    return arrow.replace_schema_metadata(table.schema.metadata).combine_chunks()


def _is_text_in_categories(cells: pd.Series, field: pa.Field) -> bool:
    """Whether a column of text consists of categories; a cast would make text of any others."""
    if field.type != pa.string() or not isinstance(cells.dtype, pd.CategoricalDtype):
        return False
    return bool(pd.api.types.is_string_dtype(cells.cat.categories))


def _decoded(cells: pd.Series, field: pa.Field) -> pa.Array:
    """Return categories of text as Arrow; `from_pandas` would make an object of every cell.

    Raises:
        ValueError: a cell is empty, but the field may not be.
    """
    array = pa.array(cells).dictionary_decode().cast(field.type)
    if array.null_count and not field.nullable:
        raise ValueError(
            f"Field {field.name} was non-nullable but pandas column had {array.null_count} null "
            "values"
        )
    return array


def refuse_repeated(table: Table, data: pd.DataFrame) -> None:
    """Raise a CaerError if two rows have the same key."""
    repeated = data.duplicated(list(table.key))
    if repeated.any():
        first = data.loc[repeated, list(table.key)].iloc[0].to_dict()
        raise CaerError(f"table '{table.name}': the key {first} occurs more than once")


class Rows(Protocol):
    """Rows of a table, of which any columns can be had as a data frame."""

    def __len__(self) -> int: ...

    def frame(self, names: Iterable[str], rows: slice = ...) -> pd.DataFrame:
        """Return some columns of some rows (default: all)."""


def write(table: Table, data: pd.DataFrame | Rows, path: Path) -> None:
    """Validate and write a table atomically; equal rows give equal bytes.

    A long table is converted row group by row group, so that it is not in memory twice.
    """

    def some(names: list[str], rows: slice = slice(None)) -> pd.DataFrame:
        return data.iloc[rows] if isinstance(data, pd.DataFrame) else data.frame(names, rows)

    optional = {column.name for column in table.columns if column.optional}
    omitted = {n for n in optional if (c := some([n]).get(n)) is not None and c.isna().all()}
    held = [field for field in table.schema if field.name not in omitted]
    schema = pa.schema(held, table.schema.metadata)
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for at in range(0, max(1, len(data)), _ROW_GROUP):
            part = _typed(table, some(table.names, slice(at, at + _ROW_GROUP)))
            writer.write_table(part.select(schema.names))
        refuse_repeated(table, some(list(table.key)))


def write_rows(table: Table, rows: list[dict[str, Any]], path: Path) -> None:
    """Validate and write a few rows, with the same bytes as `write` writes for their `frame`."""
    arrow = _checked(table, _arrow_of(table, rows))
    optional = {column.name for column in table.columns if column.optional}
    held = [
        field
        for field in table.schema
        if field.name not in optional or arrow[field.name].null_count < len(arrow)
    ]
    schema = pa.schema(held, table.schema.metadata)
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        writer.write_table(arrow.select(schema.names))


_SHORT: Final = 10_000
"""Up to this number of rows, making a data frame of their keys takes longer than comparing them."""

_ROW_GROUP = 1 << 18
"""Number of rows in a row group, which are in memory twice while they are written."""


def write_arrow(table: Table, parts: Iterable[pa.Table], path: Path) -> None:
    """Write a long table part by part, validating each; only one part is in memory at a time.

    Keys must not repeat across parts; this is not checked.
    """
    _write_checked(table, (_checked(table, part) for part in parts), path)


def write_parts(table: Table, parts: Iterable[pd.DataFrame], path: Path) -> None:
    """Do the same as `write_arrow`, from data frames."""
    _write_checked(table, (check(table, part) for part in parts), path)


def _write_checked(table: Table, parts: Iterable[pa.Table], path: Path) -> None:
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, table.schema, compression="zstd") as writer,
    ):
        for part in parts:
            writer.write_table(part)


def read(table: Table, path: Path | BinaryIO) -> pd.DataFrame:
    """Read a table from a file or a stream as a data frame with the declared types.

    Raises:
        CaerError: the file is missing or damaged, or has a different layout.
    """
    return to_pandas(read_arrow(table, path))


def read_arrow(table: Table, path: Path | BinaryIO, columns: list[str] | None = None) -> pa.Table:
    """Read a table, or some of its columns, as Arrow with the declared types.

    Raises:
        CaerError: the file is missing or damaged, or has a different layout.
    """
    wanted = table.names if columns is None else columns
    with _opened(table, path) as file:
        own = _is_own(table, file.schema_arrow)
        held = [name for name in wanted if name in file.schema_arrow.names]
        arrow = parquet.rows_of(file, held if own else None)
    if not own:
        return _of_others(table, _with_added(table, arrow, table.names), path).select(wanted)
    return _with_added(table, arrow, wanted).select(wanted)


def count(table: Table, path: Path) -> int:
    """Return the number of rows of a table, without reading them.

    Raises:
        CaerError: the file is missing or damaged.
    """
    with _opened(table, path) as file:
        return int(file.metadata.num_rows)


@contextmanager
def _opened(table: Table, path: Path | BinaryIO) -> Iterator[pq.ParquetFile]:
    """Open a table's file; turn failures, also those while it is read, into a CaerError."""
    with _explained(table, path), parquet.opened(path) as file:
        yield file


@contextmanager
def _explained(table: Table, path: Path | BinaryIO) -> Iterator[None]:
    """Say what is missing where a table's file is."""
    try:
        yield
    except parquet.MissingFileError as error:
        raise CaerError(f"{path}: no table '{table.name}' here; build the dataset first") from error


def _is_own(table: Table, schema: pa.Schema) -> bool:
    """Whether a file's columns are those declared, except that some may be absent."""
    declared = _with_added(table, schema.empty_table(), table.names).schema
    return bool(declared.equals(table.schema, check_metadata=False))


def _of_others(table: Table, arrow: pa.Table, path: Path | BinaryIO) -> pa.Table:
    """Convert a table that pandas wrote: the right columns, but in any order, with its own types.

    Raises:
        CaerError: it has other columns, or a cell has a value that is not allowed.
    """
    if sorted(arrow.schema.names) != sorted(table.names):
        raise CaerError(
            f"{path}: was written by another version of caer-data; run 'caer-data upgrade' on the "
            "dataset"
        )
    try:
        return check(table, to_pandas(arrow.select(table.names).cast(table.schema)))
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise CaerError(f"{path}: {wrong_type(table, arrow, error)}") from error
    except CaerError as error:
        raise CaerError(f"{path}: {error}") from error


_KINDS: Final = (
    (pa.types.is_integer, "whole numbers"),
    (pa.types.is_floating, "numbers"),
    (pa.types.is_boolean, "true or false"),
    (pa.types.is_string, "text"),
)


def wrong_type(table: Table, arrow: pa.Table, error: Exception) -> str:
    """Return which column does not have the type of a table's, and what it holds.

    Args:
        table: what the columns should be.
        arrow: a table with the same columns that cannot be converted.
        error: the error of the conversion, for reasons that no single column explains.
    """
    for field in table.schema:
        cells = arrow[field.name]
        wanted = next((words for is_kind, words in _KINDS if is_kind(field.type)), str(field.type))
        if cells.null_count and not field.nullable:
            return f"column '{field.name}' has empty cells; it must hold {wanted} in every row"
        try:
            cells.cast(field.type)
        except (pa.ArrowException, ValueError, TypeError):
            held = next((str(cell)[:40] for cell in cells if cell.is_valid), "nothing")
            if cells.type != field.type and not pa.types.is_floating(cells.type):
                return f"column '{field.name}' must hold {wanted}, but holds {held!r}"
            return f"column '{field.name}' must hold {wanted}"
    reason = " ".join(str(error).split())[:200]
    return f"a column has the wrong type ({reason})"


def _with_added(table: Table, arrow: pa.Table, wanted: list[str]) -> pa.Table:
    """Return the table with empty columns for the wanted ones that the file may lack."""
    for index, column in enumerate(table.columns):
        may_lack = column.name in wanted and (column.added or column.optional)
        if may_lack and column.name not in arrow.schema.names:
            cells = pa.nulls(len(arrow), column.type)
            arrow = arrow.add_column(
                min(index, arrow.num_columns), pa.field(column.name, column.type), cells
            )
    return arrow


def read_some(
    table: Table, path: Path, columns: list[str], **wanted: Iterable[str]
) -> pd.DataFrame:
    """Read some columns of the rows that have the wanted values; no others are held in memory.

    Args:
        table: the table.
        path: its file.
        columns: names of the columns to read.
        wanted: by column, the accepted values; an empty set gives no rows.

    Raises:
        CaerError: the file is missing or damaged.
    """
    rows = [pa.array([str(value) for value in values], STRING) for values in wanted.values()]
    if not all(map(len, rows)):  # to Arrow, an empty set of words has another type
        return to_pandas(table.schema.empty_table().select(columns))
    fits = [pc.field(name).isin(values) for name, values in zip(wanted, rows, strict=True)]
    with _explained(table, path):
        found = parquet.read(path, columns, reduce(and_, fits))
    return to_pandas(found)


def rows(data: pd.DataFrame) -> Iterator[Any]:
    """Yield rows whose cells are attributes (`row.clip_id`) of the declared types."""
    # column by column: reading Arrow's and masked columns cell by cell is slow
    cells = [data.iloc[:, n].tolist() for n in range(data.shape[1])]
    yield from map(_row_type(tuple(data.columns))._make, zip(data.index, *cells, strict=True))


@lru_cache(maxsize=64)
def _row_type(names: tuple[str, ...]) -> Any:
    """Return the type of rows of a data frame, as `itertuples` makes it at every call."""
    return namedtuple("Pandas", ("Index", *names), rename=True)


def records(data: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as dictionaries by column name."""
    found: list[dict[Any, Any]] = data.to_dict("records")
    return found


def read_parts(table: Table, path: Path, columns: list[str], words: str) -> Iterator[pa.Table]:
    """Read some columns of a long table part by part, in its order; memory holds one part.

    Args:
        table: the table.
        path: its file.
        columns: names of the columns to read.
        words: the one of these that contains few different words; it is read as a dictionary.

    Raises:
        CaerError: the file is missing or damaged, or has a different layout.
    """
    with _explained(table, path), parquet.opened(path, [words]) as file:
        own = parquet.schema_of(path).equals(table.schema, check_metadata=False)
        if own:
            for batch in parquet.parts_of(file, _PART, columns):
                yield pa.Table.from_batches([batch]).select(columns)
    if not own:  # written back by another program
        whole = check(table, read(table, path)).select(columns)
        place = columns.index(words)
        yield whole.set_column(place, words, whole[words].dictionary_encode())


_PART = 1 << 18
"""Number of rows in a part."""


def to_pandas(arrow: pa.Table) -> pd.DataFrame:
    """Convert Arrow to pandas, with nullable types for integers and booleans that may be empty."""
    nullable = [f.name for f in arrow.schema if f.nullable and f.type in _MASKED]
    threads = len(arrow) > _SHORT  # starting them takes longer than converting a short table
    data: pd.DataFrame = arrow.drop_columns(nullable).to_pandas(use_threads=threads)
    if not nullable:
        return data
    others = arrow.select(nullable).to_pandas(types_mapper=_MASKED.get, use_threads=threads)
    names = arrow.schema.names
    if len(arrow) <= _SHORT:
        both: pd.DataFrame = pd.concat([data, others], axis=1)[names]
        return both
    for name in nullable:  # from left to right, so that each finds its place; without a copy
        data.insert(names.index(name), name, others[name])
    return data


_MASKED: Final = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
