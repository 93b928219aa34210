"""Match the columns of a file to ours: names in any case, and those of other services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from caer_data.engine.errors import CaerError
from caer_data.labels import mturk
from caer_data.labels.reading import unpacked
from caer_data.labels.sheet import Sheet

REQUIRED: Final = ("clip_id", "rater", "emotion", "confidence")
OPTIONAL: Final = ("clip_key", "source", "created_at", "lead_time_s")


@dataclass(frozen=True)
class Service:
    """How a service names its columns."""

    name: str
    recognised_by: frozenset[str]
    """Columns, in lower case, by which its files are recognised."""
    columns: Mapping[str, str]
    """Our column name by the service's, in lower case."""
    left_out: Mapping[str, frozenset[str]]
    """Values that mark rows which are not ratings, in lower case, by column."""


SERVICES: Final = (
    Service(
        "Amazon Mechanical Turk",
        frozenset({"hitid", "workerid"}),
        {
            "workerid": "rater",
            "input.clip_id": "clip_id",
            "input.clip_key": "clip_key",
            "answer.emotion": "emotion",
            "answer.emotion.label": "emotion",
            "answer.confidence": "confidence",
        },
        {"assignmentstatus": frozenset({"rejected"})},
    ),
    Service(
        "Qualtrics",
        frozenset({"responseid", "status"}),
        {"prolific_pid": "rater"},
        {"status": frozenset({"survey preview", "survey test"})},
    ),
    Service(
        "Label Studio",
        frozenset({"annotator", "lead_time"}),
        {
            "annotator": "rater",
            "lead_time": "lead_time_s",
            "data.clip_id": "clip_id",
            "data.clip_key": "clip_key",
            "data.clip": "clip_id",
            "clip": "clip_id",
        },
        {},
    ),
)


def named(
    path: Path, sheet: Sheet, given: Sequence[tuple[str, str]] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a sheet under our column names; adds remarks to `sheet.recognised`.

    Args:
        path: the file, for messages.
        sheet: its rows.
        given: pairs of our name and the file's; they override recognised names.

    Raises:
        CaerError: a required column is missing, or two columns have the same meaning.
    """
    service = _service(sheet.header)
    if service and service.name == "Amazon Mechanical Turk":
        mturk.unfold(sheet)
    columns = _places(path, sheet.header, service, given)
    aside = [n for column, n in enumerate(sheet.header) if n and column not in columns.values()]
    if service:
        sheet.recognised.append(f"columns of {service.name}")
    if aside:
        sheet.recognised.append(f"ignored: {', '.join(aside)}")
    rows = _ratings(sheet, service)
    return [
        (number, {name: unpacked(cells[column]) for name, column in columns.items()})
        for number, cells in rows
    ]


def _service(header: list[str]) -> Service | None:
    names = {name.lower() for name in header}
    return next((service for service in SERVICES if service.recognised_by <= names), None)


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


def _places(
    path: Path, header: list[str], service: Service | None, given: Sequence[tuple[str, str]]
) -> dict[str, int]:
    """Return the column number of each of our names."""
    columns = _given(path, header, given)
    theirs = service.columns if service else {}
    fixed = set(columns)
    taken = set(columns.values())
    for number, name in enumerate(header):
        ours = theirs.get(name.lower(), _plain(name))
        if number in taken or ours in fixed or ours not in REQUIRED + OPTIONAL:
            continue
        if ours in columns:
            raise CaerError(
                f"{path}, row 1: column '{ours}' occurs twice ('{header[columns[ours]]}' and "
                f"'{name}'); remove one, or choose with --map {ours}=NAME"
            )
        columns[ours] = number
    clip = {"clip_id"} if "clip_key" in columns else set()
    missing = [name for name in REQUIRED if name not in columns and name not in clip]
    if missing:
        raise CaerError(
            f"{path}, row 1: no column {', '.join(missing)}; the header is {','.join(REQUIRED)}, "
            "with one row per rating; name the columns with "
            f"{' '.join(f'--map {name}=NAME' for name in missing)}, with NAME one of "
            f"{', '.join(repr(name) for name in header if name)}"
        )
    return columns


def _given(path: Path, header: list[str], given: Sequence[tuple[str, str]]) -> dict[str, int]:
    columns: dict[str, int] = {}
    for ours, theirs in given:
        if ours not in REQUIRED + OPTIONAL or ours in columns:
            problem = "is mapped twice" if ours in columns else "is not a column of ratings"
            raise CaerError(f"--map {ours}={theirs}: '{ours}' {problem}")
        found = [i for i, name in enumerate(header) if name.lower() == theirs.strip().lower()]
        if len(found) != 1:
            problem = f"{len(found)} columns" if found else "no column"
            raise CaerError(f"{path}, row 1: {problem} '{theirs}', which --map names")
        columns[ours] = found[0]
    return columns


def _ratings(sheet: Sheet, service: Service | None) -> list[tuple[int, dict[int, str]]]:
    """Return the rows that are ratings, without the additional header rows of a service."""
    if service is None:
        return sheet.rows
    rows = sheet.rows
    # Qualtrics writes two more header rows: the questions and their import ids.
    for count, (_, cells) in enumerate(rows[:2], start=1):
        if any('"ImportId"' in cell for cell in cells.values()):
            sheet.recognised.append("rows 2 and 3 are headers")
            rows = rows[count:]
            break
    for place, name in enumerate(sheet.header):
        values = service.left_out.get(name.lower(), frozenset())
        kept = [(n, c) for n, c in rows if c[place].lower() not in values]
        if len(kept) < len(rows):
            sheet.recognised.append(f"{len(rows) - len(kept)} rows left out by column '{name}'")
        rows = kept
    return rows
