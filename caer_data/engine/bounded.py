"""Reading untrusted parquet files in bounded memory.

A few bytes of parquet can encode any number of equal rows or repeat a long text many times.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from caer_data.engine import parquet
from caer_data.engine.errors import CaerError

MAX_ROWS: Final = 50_000_000
MAX_BYTES: Final = 4 << 30
"""Maximum size of a decoded table, with all texts expanded."""


def read(path: Path, columns: Sequence[str]) -> pa.Table:
    """Read those of the given columns that a parquet file has; texts may be dictionary-encoded.

    Raises:
        MissingFileError: there is no such file.
        CaerError: it is not a parquet file, is damaged, or exceeds `MAX_ROWS` or `MAX_BYTES`.
    """
    schema = parquet.schema_of(path)
    wanted = [name for name in columns if schema.names.count(name) == 1]
    texts = [name for name in wanted if _is_text(schema.field(name).type)]
    with parquet.opened(path, texts) as file:
        about = file.metadata
        groups = (about.row_group(at) for at in range(about.num_row_groups))
        size = sum(group.total_byte_size for group in groups)
        if about.num_rows > MAX_ROWS or size > MAX_BYTES:
            raise CaerError(f"{path}: holds {about.num_rows:,} rows, too many to be read")
        table = parquet.rows_of(file, wanted)
    _check_texts(path, table)
    return table


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _check_texts(path: Path, table: pa.Table) -> None:
    """Check the total length of the texts before any of them is expanded."""
    total = 0
    for name in table.column_names:
        for chunk in table.column(name).chunks:
            if isinstance(chunk, pa.DictionaryArray) and len(chunk.dictionary):
                lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
                total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
        if total > MAX_BYTES:
            raise CaerError(
                f"{path}: its text columns are larger than the limit of {MAX_BYTES:,} bytes"
            )
