"""Reads parquet files, all of them here; a file that cannot be read is explained in one sentence.

Any byte of a file may be damaged, and Arrow reports that in many ways. Everything that the package
reads goes through these functions, so that a damaged file never ends in a traceback.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from caer_data.engine.errors import CaerError


class MissingFileError(CaerError):
    """There is no file at this path."""


@contextmanager
def explained(path: Path | BinaryIO) -> Iterator[None]:
    """Turn failures while a file is read into a CaerError; for reading that these functions do not.

    Raises:
        MissingFileError: the file does not exist.
        CaerError: it is not a parquet file, or is damaged.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise MissingFileError(f"{path}: missing") from error
    except MemoryError:  # it says nothing about the file
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CaerError(f"{path}: not a readable parquet table ({reason})") from error


@contextmanager
def opened(path: Path | BinaryIO, texts: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """Open a file; failures while it is read in this context are explained, too.

    Args:
        path: the file, or a stream of its bytes.
        texts: columns to read as dictionaries, so that repeated texts are not expanded.

    Raises:
        MissingFileError: the file does not exist.
        CaerError: it is not a parquet file, or is damaged.
    """
    with explained(path), _file(path, texts) as file:
        yield file


def _file(path: Path | BinaryIO, texts: Sequence[str]) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, read_dictionary=list(texts))
    except KeyError as error:  # how Arrow says that there is no such column
        name = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        if name not in texts:
            raise
        raise CaerError(f"{path}: lacks the column '{name}'") from error


def schema_of(path: Path | BinaryIO) -> pa.Schema:
    """Return the names and types of a file's columns.

    Raises:
        MissingFileError: the file does not exist.
        CaerError: it is not a parquet file, or is damaged.
    """
    with explained(path):
        return pq.read_schema(path)


def read(path: Path, columns: Sequence[str] | None = None, filters: Any = None) -> pa.Table:
    """Return a file's rows.

    Args:
        path: the file.
        columns: columns to read; None reads all.
        filters: which rows to read, as for `pyarrow.parquet.read_table`; None reads all.

    Raises:
        MissingFileError: the file does not exist.
        CaerError: it is not a parquet file, is damaged, or lacks a column.
    """
    with explained(path):
        table = pq.read_table(path, columns=columns and list(columns), filters=filters)
        table.validate(full=True)
    return table


def rows_of(file: pq.ParquetFile, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the rows of an opened file, with texts that are known to be UTF-8."""
    table = file.read(columns=columns and list(columns))
    table.validate(full=True)
    return table


def parts_of(
    file: pq.ParquetFile, rows: int, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of an opened file in parts of at most `rows`; see `rows_of`."""
    for batch in file.iter_batches(rows, columns=columns and list(columns)):
        batch.validate(full=True)
        yield batch


def to_frame(path: Path, columns: Sequence[str] | None = None, filters: Any = None) -> pd.DataFrame:
    """Do the same as `read`, but return a data frame with pandas' own types."""
    shown: pd.DataFrame = read(path, columns, filters).to_pandas()
    return shown
