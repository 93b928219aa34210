"""Reading untrusted parquet files in bounded memory.

A few bytes of parquet can encode any number of equal rows, repeat a long text many times, or hold
lists of any length in a single row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from caer_data.engine import files, parquet
from caer_data.engine.errors import CaerError

MAX_ROWS: Final = 50_000_000
MAX_BYTES: Final = 4 << 30
"""Maximum size of a decoded table, with all texts expanded."""

MAX_ROWS_IN_PARTS: Final = 200_000_000
MAX_BYTES_IN_PARTS: Final = 16 << 30
"""Maximum size of a table that is read part by part, which limits time rather than memory; each
part may have `MAX_BYTES`."""


def read(path: Path, columns: Sequence[str]) -> pa.Table:
    """Read those of the given columns that a parquet file has; texts may be dictionary-encoded.

    Raises:
        MissingFileError: there is no such file.
        CaerError: it is not a parquet file, is damaged, exceeds `MAX_ROWS` or `MAX_BYTES`, or a
            cell of a column may hold several values.
    """
    with _opened(path, columns, MAX_ROWS, MAX_BYTES) as (file, wanted):
        table = parquet.rows_of(file, wanted)
    _refuse_long(path, _text_bytes(table), MAX_BYTES)
    return table


def parts(path: Path, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """Do the same as `read`, but yield parts of at most so many rows; there is at least one.

    Raises:
        MissingFileError: there is no such file.
        CaerError: it is not a parquet file, is damaged, exceeds `MAX_ROWS_IN_PARTS` or
            `MAX_BYTES_IN_PARTS`, a part exceeds `MAX_BYTES`, or a cell may hold several values.
    """
    total = 0
    with _opened(path, columns, MAX_ROWS_IN_PARTS, MAX_BYTES_IN_PARTS) as (file, wanted):
        if not file.metadata.num_rows:
            yield parquet.rows_of(file, wanted)
            return
        for batch in parquet.parts_of(file, rows, wanted):
            part = pa.Table.from_batches([batch])
            size = _text_bytes(part)
            _refuse_long(path, size, MAX_BYTES)
            total += size
            _refuse_long(path, total, MAX_BYTES_IN_PARTS)
            yield part


@contextmanager
def _opened(
    path: Path, columns: Sequence[str], max_rows: int, max_bytes: int
) -> Iterator[tuple[pq.ParquetFile, list[str]]]:
    """Open a file that is not too large, with those of the columns that it has once."""
    files.refuse_special(path)
    schema = parquet.schema_of(path)
    wanted = [name for name in columns if schema.names.count(name) == 1]
    texts = [name for name in wanted if _is_text(schema.field(name).type)]
    for name in wanted:
        if name not in texts and not _is_one_value(schema.field(name).type):
            kind = schema.field(name).type
            raise CaerError(f"{path}: column '{name}' cannot hold values of the type {kind}")
    with parquet.opened(path, texts) as file:
        about = file.metadata
        groups = (about.row_group(at) for at in range(about.num_row_groups))
        counts, sizes = list[int](), list[int]()
        for group in groups:
            counts.append(group.num_rows)
            sizes.append(group.total_byte_size)
        if (
            sum(counts) != about.num_rows or min(counts, default=0) < 0
        ):  # the groups are what is read
            raise CaerError(f"{path}: damaged; it states two different numbers of rows")
        largest = max(sizes, default=0)
        if about.num_rows > max_rows:
            raise CaerError(
                f"{path}: holds {about.num_rows:,} rows, but this command reads at most "
                f"{max_rows:,} of a table"
            )
        for size, limit in ((largest, MAX_BYTES), (sum(sizes), max_bytes)):
            if size > limit:
                raise CaerError(
                    f"{path}: holds {size:,} bytes, but this command reads at most {limit:,} "
                    "of a table"
                )
        yield file, wanted


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary_view(kind)
    )


def _is_one_value(kind: pa.DataType) -> bool:
    """Whether cells of a type take at most 32 bytes, apart from texts in a dictionary."""
    return bool(
        pa.types.is_primitive(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
        or (pa.types.is_dictionary(kind) and _is_text(kind.value_type))
    )


def _text_bytes(table: pa.Table) -> int:
    """Return the total length of the texts, of which none is expanded."""
    total = 0
    for name in table.column_names:
        for chunk in table.column(name).chunks:
            if isinstance(chunk, pa.DictionaryArray) and len(chunk.dictionary):
                lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
                total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    return total


def _refuse_long(path: Path, size: int, limit: int) -> None:
    if size > limit:
        raise CaerError(f"{path}: its text columns are larger than the limit of {limit:,} bytes")
