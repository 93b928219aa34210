"""Read the rows of an xlsx file as text, with bounded time and memory even for hostile files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

from caer_data.engine import extras
from caer_data.engine.errors import CaerError

MAX_BYTES: Final = 200_000_000
"""Maximum unpacked size. Half a million ratings take less."""
MAX_COLUMNS: Final = 500
_MAX_PARTS: Final = 2_000
_TEXT: Final = "save it as 'CSV UTF-8' and import that"

SIGNS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""First bytes of xlsx and ods files, and of xls and password-protected files."""


def rows(path: Path, data: bytes) -> tuple[list[list[str]], str]:
    """Return the rows of the first sheet that is not empty, and a remark about it.

    Empty rows are included, so that row numbers are those of the spreadsheet. A formula is read as
    its saved value, and a cell formatted as a percentage ends with a percent sign.

    Args:
        path: the file, for messages.
        data: its bytes.

    Raises:
        CaerError: the file is not xlsx, is damaged, or would unpack to more than `MAX_BYTES`.
    """
    _check(path, data)
    extras.require("annotate", f"{path}, an xlsx file,")
    import openpyxl

    try:
        book = openpyxl.load_workbook(
            io.BytesIO(data), read_only=True, data_only=True, keep_links=False
        )
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        for sheet in sheets:
            found = list(_cells(path, sheet))
            if any(any(row) for row in found):
                others = f", the first of {len(sheets)} with content" if len(sheets) > 1 else ""
                return found, f"xlsx, sheet '{sheet.title}'{others}"
    except CaerError:
        raise
    except Exception as error:  # the parser may raise anything on a damaged file
        why = " ".join(str(error).split())[:100] or type(error).__name__
        raise CaerError(f"{path}: a damaged xlsx file ({why}); {_TEXT}") from error
    raise CaerError(f"{path}: all sheets are empty; {_TEXT}")


def _check(path: Path, data: bytes) -> None:
    """Raise a CaerError unless the archive may be an xlsx file of ratings of reasonable size.

    False sizes in the archive fail later, on reading.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise CaerError(f"{path}: an xls or a password-protected file; {_TEXT}") from error
    names = [part.filename for part in parts]
    if "xl/workbook.xml" not in names:
        raise CaerError(f"{path}: not an xlsx file; {_TEXT}")
    size = sum(part.file_size for part in parts)
    if size > MAX_BYTES or len(parts) > _MAX_PARTS or len(set(names)) < len(names):
        raise CaerError(
            f"{path}: unpacks to {size / 1e6:,.0f} MB in {len(parts):,} parts, which is too large "
            f"for a file of ratings; {_TEXT}"
        )


def _cells(path: Path, sheet: Any) -> Iterator[list[str]]:
    sheet.reset_dimensions()  # the dimensions stated in the file are not trusted
    for cells in sheet.iter_rows():
        if len(cells) > MAX_COLUMNS:
            raise CaerError(f"{path}: more than {MAX_COLUMNS} columns; {_TEXT}")
        yield [_text(cell) for cell in cells]


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, int | float):
        if "%" in str(cell.number_format):
            return f"{value * 100:.10g}%"
        return f"{value:.15g}"
    return str(value).strip()
