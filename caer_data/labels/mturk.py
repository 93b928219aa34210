"""Read the answers of Amazon Mechanical Turk forms."""

from __future__ import annotations

import json
from typing import Any, Final

from caer_data.labels.sheet import Sheet

_FORM: Final = "answer.taskanswers"
_CHOICE: Final = "answer.emotion."
_CHOSEN: Final = ("true", "on", "1")
_LABEL: Final = "answer.emotion.label"


def unfold(sheet: Sheet) -> None:
    """Add columns to the sheet for answers stored as JSON, and one for the chosen emotion.

    A crowd form stores all its answers as JSON in `Answer.taskAnswers`. Radio buttons become
    columns such as `Answer.emotion.sad`, exactly one of which is true. If none or several are true,
    the cell is left empty, which is later reported as a mistake in that row.
    """
    names = [name.lower() for name in sheet.header]
    if _FORM in names:
        index = names.index(_FORM)
        _add(sheet, {number: _stored(cells[index]) for number, cells in sheet.rows})
    choices = {
        index: name[len(_CHOICE) :]
        for index, name in enumerate(names)
        if name.startswith(_CHOICE) and name != _LABEL
    }
    if choices:
        chosen = {
            number: [said for index, said in choices.items() if cells[index].lower() in _CHOSEN]
            for number, cells in sheet.rows
        }
        _add(sheet, {n: {"Answer.emotion": s[0] if len(s) == 1 else ""} for n, s in chosen.items()})
        sheet.recognised.append("the emotion is the radio button that is true")


def _stored(cell: str) -> dict[str, str]:
    """Return the columns stored in a cell as JSON: one answer, or a list of one."""
    try:
        said = json.loads(cell)
    except (ValueError, RecursionError):
        return {}
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    if not isinstance(said, dict):
        return {}
    return {f"Answer.{name}": _one(value) for name, value in said.items()}


def _one(value: Any) -> str:
    """Return a value as text: the only key that is true, the label of a control, or itself."""
    if isinstance(value, dict):
        if isinstance(value.get("label"), str):
            return str(value["label"]).strip()
        true = [str(key) for key, chosen in value.items() if chosen is True]
        return true[0] if len(true) == 1 else ""
    return "" if value is None or isinstance(value, list) else str(value).strip()


def _add(sheet: Sheet, found: dict[int, dict[str, str]]) -> None:
    """Append columns to the sheet; cells missing from `found` are empty."""
    fresh = list(dict.fromkeys(name for row in found.values() for name in row))
    start = len(sheet.header)
    sheet.header += fresh
    for number, cells in sheet.rows:
        for index, name in enumerate(fresh, start=start):
            cells[index] = found[number].get(name, "")
