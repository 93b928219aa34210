"""Read tables written by spreadsheets, survey services and Label Studio.

Properties of the file are detected only if they are certain. A guessed encoding is reported.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from charset_normalizer import from_bytes

from caer_data.engine.encodings import marked_encoding
from caer_data.engine.errors import CaerError
from caer_data.labels import spreadsheet
from caer_data.labels.sheet import Sheet

_WESTERN: Final = frozenset(
    "äöüßÄÖÜéèêëàâçîïôûùœÉÈÊËÀÂÇÎÏÔÛÙŒñáíóúÑÁÍÓÚ¿¡ìòÌÒãõÃÕåøæÅØÆ€°´«»„“”‚‘’–—…·§\u00a0"
)
"""Non-ASCII characters of Western European text."""
_OTHERS: Final = ["cp1250", "cp1251", "mac_roman"]
_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def load(path: Path, encoding: str | None = None) -> Sheet:
    """Read a CSV file, an xlsx file or a JSON export of Label Studio; return its table.

    Args:
        path: the file.
        encoding: name of its encoding; detected from the bytes if None.

    Raises:
        CaerError: the file cannot be read, or has another format.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise CaerError(f"{path}: no such file") from error
    except OSError as error:
        raise CaerError(f"{path}: cannot be read ({error.strerror})") from error
    if data.startswith(spreadsheet.SIGNS):
        return _from_xlsx(path, data)
    recognised: list[str] = []
    text = _decode(path, data, encoding, recognised.append)
    if text.lstrip().startswith(("[", "{")):
        sheet = _from_json(path, text)
    else:
        sheet = _from_csv(path, text)
    sheet.recognised = recognised + sheet.recognised
    return sheet


def _decode(path: Path, data: bytes, encoding: str | None, say: Callable[[str], None]) -> str:
    """Return the text of a file, without a byte order mark."""
    named = encoding or _marked(data)
    try:
        text = data.decode(named or "utf-8-sig")
    except UnicodeDecodeError as error:
        if not named:
            return _western(path, data, say)
        row = error.object[: error.start].count(b"\n") + 1
        raise CaerError(f"{path}, row {row}: not {named} text; save it as 'CSV UTF-8'") from error
    except (LookupError, ValueError) as error:
        raise CaerError(
            f"encoding '{encoding}' is unknown; use utf-8 or cp1252, for example"
        ) from error
    if named and named != "utf-8-sig":
        say(f"encoding {named}")
    return text.removeprefix("\ufeff")


def _marked(data: bytes) -> str | None:
    """Return the encoding shown by a byte order mark or by the zero bytes of UTF-16; else None."""
    if marked := marked_encoding(data):
        return marked
    start = data[:200]
    even, odd = start[::2], start[1::2]
    if odd and not any(odd) and all(even):
        return "utf-16-le"
    if even and not any(even) and all(odd):
        return "utf-16-be"
    return None


def _western(path: Path, data: bytes, say: Callable[[str], None]) -> str:
    """Return the bytes decoded as cp1252 if that gives Western European text.

    Anything else is an error, because a guess from a few names is unreliable.
    """
    text = data.decode("cp1252", errors="replace")
    if {sign for sign in text if not sign.isascii()} <= _WESTERN:
        say("encoding cp1252, guessed (name another with --encoding)")
        return text
    best = from_bytes(data, cp_isolation=_OTHERS).best()
    perhaps = f", perhaps {best.encoding}" if best else ""
    raise CaerError(
        f"{path}: neither UTF-8 nor Western European text{perhaps}; save it as 'CSV UTF-8', or "
        "name its encoding with --encoding"
    )


def _from_csv(path: Path, text: str) -> Sheet:
    line = next(iter(text.splitlines(keepends=True)), "")
    rest = text[len(line) :]
    separator = None
    first = line.strip().strip('"')
    if first.lower().startswith("sep=") and len(first) == 5:
        text, separator = rest, first[4]
    if separator is None and text.lower().startswith("sep=\t"):
        text, separator = rest, "\t"
    separator = separator or _separator(text)
    sheet = Sheet([], [], separator)
    if separator != ",":
        sheet.recognised.append(f"separated by {_SEPARATORS.get(separator, repr(separator))}")
    number = 0
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        for number, cells in enumerate(reader, start=1):
            values = [cell.strip() for cell in cells]
            if number == 1:
                sheet.header = values
            elif any(values):
                _add(path, sheet, number, values)
    except (csv.Error, ValueError, TypeError) as error:
        raise CaerError(f"{path}, row {number + 1}: not CSV ({error})") from error
    if not any(sheet.header):
        raise CaerError(
            f"{path}: the file is empty; its header is clip_id,rater,emotion,confidence"
        )
    return sheet


def _from_xlsx(path: Path, data: bytes) -> Sheet:
    rows, said = spreadsheet.rows(path, data)
    header = [*rows[0]]
    while header and not header[-1]:
        header.pop()
    if not header:
        raise CaerError(
            f"{path}, row 1: empty; put the header there, such as clip_id,rater,emotion,confidence"
        )
    sheet = Sheet(header, [], recognised=[said])
    for number, values in enumerate(rows[1:], start=2):
        if any(values):
            filled = values + [""] * (len(header) - len(values))  # xlsx omits empty cells
            _add(path, sheet, number, filled)
    return sheet


def _separator(text: str) -> str:
    """Return the separator that gives the header the most cells; a comma if none occurs."""
    header = next(iter(text.lstrip("\r\n").splitlines()), "")

    def cells(sign: str) -> int:
        return len(next(csv.reader([header], delimiter=sign), []))

    return max(_SEPARATORS, key=cells)


def _add(path: Path, sheet: Sheet, number: int, values: list[str]) -> None:
    width = len(sheet.header)
    while len(values) > width and not values[-1]:  # spreadsheets pad rows
        values.pop()
    if len(values) == width:
        sheet.rows.append((number, dict(enumerate(values))))
        return
    sheet.mistakes.append(
        f"{path}, row {number}: {len(values)} cells, but the header has {width}; put quotes "
        f"around cells that contain {_SEPARATORS.get(sheet.separator, repr(sheet.separator))}"
    )


def _from_json(path: Path, text: str) -> Sheet:
    """Return the answers of Label Studio's JSON or JSON-MIN export, numbered from row 2."""
    try:
        tasks = json.loads(text)
    except (ValueError, RecursionError) as error:
        tasks = _json_lines(text)
        if not tasks:
            raise CaerError(f"{path}: not JSON ({error})") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise CaerError(f"{path}: not an export of Label Studio, which is a list of tasks")
    skipped = 0
    flat: list[dict[str, str]] = []
    for task in tasks:
        if "annotations" not in task:
            flat.append({name: _text(value) for name, value in task.items()})
            continue
        for annotation in _dicts(task["annotations"]):
            if annotation.get("was_cancelled"):
                skipped += 1
            else:
                flat.append(_flat(task, annotation))
    if not flat:
        raise CaerError(f"{path}: no answers in this export of Label Studio")
    header = list(dict.fromkeys(name for row in flat for name in row))
    rows = [
        (number, {index: row.get(name, "") for index, name in enumerate(header)})
        for number, row in enumerate(flat, start=2)
    ]
    recognised = ["JSON of Label Studio, answers counted from row 2"]
    if skipped:
        recognised.append(f"{skipped} cancelled answers ignored")
    return Sheet(header, rows, recognised=recognised)


def _json_lines(text: str) -> list[Any]:
    """Return one JSON document per line; an empty list if any line is not JSON."""
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return []


def _flat(task: dict[str, Any], annotation: dict[str, Any]) -> dict[str, str]:
    """Return one answer; fields of the task get the prefix `data.` to tell them from answers."""
    data = task.get("data")
    row = {f"data.{k}": _text(v) for k, v in (data if isinstance(data, dict) else {}).items()}
    author = annotation.get("completed_by")
    if isinstance(author, dict):
        author = author.get("email") or author.get("id")
    row |= {
        "annotator": _text(author),
        "created_at": _text(annotation.get("created_at")),
        "lead_time": _text(annotation.get("lead_time")),
    }
    for result in _dicts(annotation.get("result")):
        row[_text(result.get("from_name"))] = _text(result.get("value"))
    return row


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _text(value: Any) -> str:
    """Return a value as a cell; a control's value of one entry, {"choices": ["sad"]}, is `sad`."""
    if isinstance(value, dict) and len(value) == 1:
        return _text(next(iter(value.values())))
    if isinstance(value, list) and len(value) == 1:
        return _text(value[0])
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value).strip()


def unpacked(cell: str) -> str:
    """Return a cell of Label Studio's CSV as plain text, even if it is a control's JSON value."""
    if cell.startswith(("[{", "{")):
        try:
            return _text(json.loads(cell))
        except (ValueError, RecursionError):
            return cell
    return cell
