"""Read untrusted text files and tables, with bounded size and readable errors."""

from __future__ import annotations

import io
from typing import Final

import pandas as pd

from caer_data.auditing.walk import Files
from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error

MAX_BYTES: Final = 1 << 30
"""Maximum size of a text file in bytes."""


def text_of(files: Files, path: str) -> str:
    """Return a text file of the folder; bytes that are not UTF-8 are replaced.

    Raises:
        CaerError: it cannot be read or is larger than `MAX_BYTES`.
    """
    if files.sizes[path] > MAX_BYTES:
        raise CaerError(f"{files.root / path}: larger than {MAX_BYTES >> 20:,} MB")
    try:
        return (files.root / path).read_bytes().decode("utf-8-sig", "replace")
    except OSError as error:
        raise CaerError(explain_os_error(error, files.root / path)) from error


def sheet(files: Files, path: str) -> pd.DataFrame:
    """Return a CSV file with a header; all cells are text, and empty ones are None.

    Raises:
        CaerError: it cannot be read.
    """
    text = text_of(files, path)
    separator = "\t" if path.lower().endswith(".tsv") else ","
    try:
        rows = pd.read_csv(
            io.StringIO(text.replace("\0", "")), sep=separator, dtype=str, keep_default_na=False
        )
    except (ValueError, pd.errors.ParserError, pd.errors.EmptyDataError, OverflowError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise CaerError(f"{files.root / path}: cannot be read as a table ({reason})") from error
    rows.columns = [str(name).strip() for name in rows.columns]
    rows = rows.loc[:, ~rows.columns.duplicated()]
    rows = rows.apply(lambda column: column.astype(str).str.strip())
    filled: pd.DataFrame = rows.astype(object).where(rows != "", None)
    return filled
