"""xlsx files: read as shown, and hostile ones refused at bounded cost."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from caer_data.engine import extras
from caer_data.engine.errors import CaerError
from caer_data.labels import reading, spreadsheet

openpyxl = pytest.importorskip("openpyxl")
HEADER = ["clip_id", "rater", "emotion", "confidence"]


def book(*rows: list[Any], title: str = "Ratings") -> Any:
    made = openpyxl.Workbook()
    made.active.title = title
    for row in rows:
        made.active.append(row)
    return made


def saved(made: Any) -> bytes:
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


def load(tmp_path: Path, data: bytes) -> Any:
    path = tmp_path / "ratings.xlsx"
    path.write_bytes(data)
    return reading.load(path)


def changed(data: bytes, name: str, content: bytes) -> bytes:
    """An archive with another content of one part."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            new.writestr(part, content if part == name else old.read(part))
        if name not in old.namelist():
            new.writestr(name, content)
    return stream.getvalue()


def test_cells_are_read_as_they_are_shown(tmp_path: Path) -> None:
    made = book([*HEADER, None, "note"], ["c0", "Ann ", "sad", 0.75], [], ["c1", 7, True, 1])
    made.active["D2"].number_format = "0%"
    made.active["F4"] = datetime.datetime(2026, 3, 1, 10)
    made.create_sheet("Empty", 0)
    made.create_sheet("Hidden", 0).sheet_state = "hidden"
    made["Hidden"].append(["x"])
    sheet = load(tmp_path, saved(made))
    assert sheet.header == [*HEADER, "", "note"]
    assert sheet.rows == [
        (2, dict(enumerate(["c0", "Ann", "sad", "75%", "", ""]))),
        (4, dict(enumerate(["c1", "7", "true", "1", "", "2026-03-01T10:00:00"]))),
    ]
    assert sheet.recognised == ["xlsx, sheet 'Ratings', the first of 2 with content"]
    assert sheet.mistakes == []


def test_a_row_that_is_wider_than_the_header_is_a_mistake(tmp_path: Path) -> None:
    sheet = load(tmp_path, saved(book(HEADER, ["c0", "a", "sad", 1, "what?"])))
    assert re.search("row 2: 5 cells, but the header has 4", sheet.mistakes[0])


GOOD = saved(book(HEADER, ["c0", "a", "sad", 1]))
SHEET = "xl/worksheets/sheet1.xml"
ENTITIES = (
    b'<!DOCTYPE x [<!ENTITY a "'
    + b"x" * 10_000
    + b'">'
    + b"".join(b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c - 1) * 50) for c in b"bcdefg")
    + b"]>"
)
CELLS = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
WIDE = CELLS + (
    b'<row r="1"><c r="XFD1" t="inlineStr"><is><t>x</t></is></c></row></sheetData></worksheet>'
)
HOSTILE = {
    "bomb": (changed(GOOD, "xl/media/a", bytes(spreadsheet.MAX_BYTES)), "unpacks to 200 MB"),
    "many parts": (None, r"in 2,0\d\d parts"),
    "entities": (
        changed(GOOD, SHEET, ENTITIES + CELLS + b'<row r="1"><c r="A1" t="inlineStr"><is><t>&g;'
                b"</t></is></c></row></sheetData></worksheet>"), "a damaged xlsx file",
    ),
    "wide": (changed(GOOD, SHEET, WIDE), "more than 500 columns"),
    "cut": (GOOD[: len(GOOD) // 2], "an xls or a password-protected file"),
    "garbage": (changed(GOOD, SHEET, b"<a>"), "a damaged xlsx file"),
    "no workbook": (changed(GOOD, "xl/workbook.xml", b""), "a damaged xlsx file"),
    "xls": (b"\xd0\xcf\x11\xe0" + bytes(600), "an xls or a password-protected file"),
    "nothing": (saved(book()), "all sheets are empty"),
    "header below": (saved(book([], HEADER)), "row 1: empty; put the header there"),
}  # fmt: skip


def many_parts() -> bytes:
    stream = io.BytesIO(GOOD)
    with zipfile.ZipFile(stream, "a") as archive:
        for number in range(2_050):
            archive.writestr(f"x{number}", b"")
    return stream.getvalue()


@pytest.mark.parametrize(("data", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused(tmp_path: Path, data: bytes | None, said: str) -> None:
    with pytest.raises(CaerError, match=said):
        load(tmp_path, many_parts() if data is None else data)


def test_an_archive_of_another_program_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("content.xml", "<office/>")
    with pytest.raises(CaerError, match="not an xlsx file; save it as 'CSV"):
        load(tmp_path, stream.getvalue())


def test_sizes_that_lie_do_not_unpack_more(tmp_path: Path) -> None:
    big = changed(GOOD, SHEET, CELLS + b" " * 5_000_000 + b"</sheetData></worksheet>")
    said = (5_000_000 + len(CELLS) + len(b"</sheetData></worksheet>")).to_bytes(4, "little")
    assert big.count(said) == 2
    with pytest.raises(CaerError, match="a damaged xlsx file"):
        load(tmp_path, big.replace(said, (1000).to_bytes(4, "little")))


def test_a_missing_extra_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "missing", extras.requirements)
    with pytest.raises(CaerError, match=r"an xlsx file, needs packages .*openpyxl.*pip install"):
        load(tmp_path, GOOD)
