"""Contents of a dataset and of its build, as plain values and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from caer_data.engine.progress import printable

if TYPE_CHECKING:
    from rich.console import Console

    from caer_data.engine.dataset import Dataset

_PEOPLE_NAMED = 4
"""Number of people listed per show; the others are only counted."""
_SLOWEST = 3


def facts(dataset: Dataset) -> dict[str, Any]:
    """Return what `inspect` shows, as plain values.

    Raises:
        CaerError: the folder is not a dataset, or its build has not finished.
    """
    from caer_data.curate.funnel import funnel
    from caer_data.engine.forgotten import Forgotten

    videos, people = dataset.videos, dataset.people
    bad = videos[videos["status"] != "ok"]
    return {
        "dataset": str(dataset.folder),
        "recipe": dataset.recipe.name,
        "funnel": funnel(videos, dataset.shots, dataset.clips).to_dict("records"),
        "not_used": bad[["path", "status", "reason"]].to_dict("records"),
        "people": people[["show", "person_id", "tracks", "shots", "seconds"]].to_dict("records"),
        "forgotten": Forgotten.of(dataset.folder).counts(),
        "tables": _tables(dataset),
        "time": _time(dataset),
    }


def table_facts(dataset: Dataset, name: str) -> dict[str, Any]:
    """Return the columns of a table with type, unit and meaning.

    Raises:
        CaerError: there is no such table.
    """
    from caer_data.engine.errors import CaerError
    from caer_data.engine.schema import TABLES

    if name not in TABLES:
        raise CaerError(f"--table {name}: no such table; the tables are {', '.join(TABLES)}")
    table = TABLES[name]
    return {
        "table": name,
        "row": table.row,
        "rows": _rows(dataset, name),
        "key": list(table.key),
        "file": str(dataset.path_of(table)),
        "columns": [
            {
                "name": column.name,
                "type": str(column.type),
                "unit": column.unit,
                "may_be_empty": column.nullable,
                "meaning": column.meaning,
                "values": list(column.values),
            }
            for column in table.columns
        ],
    }


def _tables(dataset: Dataset) -> list[dict[str, Any]]:
    from caer_data.engine.schema import TABLES

    return [
        {"table": name, "rows": _rows(dataset, name), "row": table.row}
        for name, table in TABLES.items()
        if dataset.has(table)
    ]


def _rows(dataset: Dataset, name: str) -> int | None:
    """Return the number of rows of a table; None if it has not been written."""
    from caer_data.engine import tables

    path = dataset.path_of(tables.TABLES[name])
    return tables.count(tables.TABLES[name], path) if path.is_file() else None


def _time(dataset: Dataset) -> dict[str, Any]:
    """Return seconds by stage and the slowest videos; empty if the work folder was deleted."""
    import json

    path = dataset.work_folder / "timings.json"
    if not path.is_file():
        return {"stages": {}, "slowest": {}}
    timings = json.loads(path.read_text(encoding="utf-8"))
    totals = {video: sum(seconds.values()) for video, seconds in timings["videos"].items()}
    slowest = sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:_SLOWEST]
    return {"stages": timings["stages"], "slowest": dict(slowest)}


def show(console: Console, values: dict[str, Any]) -> None:
    """Print the facts of a dataset."""
    from caer_data.curate.funnel import duration_text, label
    from caer_data.curate.result import counted

    console.print(f"{printable(values['dataset'])}, recipe {printable(values['recipe'])}")
    _print(
        console,
        "Funnel",
        ("", "count", "length", "share", ""),
        (
            (
                f"{'  ' if step['change'] == 'lost' else ''}{label(step)}",
                f"{'-' if step['change'] == 'lost' else ''}{step['count']:,}",
                duration_text(step["seconds"]),
                f"{100 * step['share']:.0f} %",
                step["meaning"],
            )
            for step in values["funnel"]
        ),
        numbers=(1, 2, 3),
    )
    if values["not_used"]:
        _print(
            console,
            "Files that are not used",
            ("path", "status", "reason"),
            ((bad["path"], bad["status"], bad["reason"]) for bad in values["not_used"]),
        )
    if values["forgotten"]:
        console.print(f"Forgotten and left out: {counted(values['forgotten'])}")
    _print(
        console,
        "People",
        ("show", "people", "longest on screen"),
        _people_rows(values["people"]),
        numbers=(1,),
    )
    _print(
        console,
        "Tables (caer-data inspect --table NAME explains the columns)",
        ("table", "rows", "one row is"),
        ((t["table"], f"{t['rows']:,}", t["row"]) for t in values["tables"]),
        numbers=(1,),
    )
    _show_time(console, values["time"])


def _show_time(console: Console, spent: dict[str, Any]) -> None:
    """Print where the time of a build went."""
    from caer_data.curate.funnel import duration_text

    stages = spent["stages"]
    total = sum(stages.values()) or 1.0
    _print(
        console,
        "Time, summed over processes",
        ("stage", "time", "share"),
        (
            (stage, duration_text(seconds), f"{100 * seconds / total:.0f} %")
            for stage, seconds in sorted(stages.items(), key=lambda item: -item[1])
        ),
        numbers=(1, 2),
    )
    if len(spent["slowest"]) > 1:
        slowest = (
            f"{printable(video)} {duration_text(seconds)}"
            for video, seconds in spent["slowest"].items()
        )
        console.print(f"Slowest videos: {', '.join(slowest)}")


def _people_rows(people: list[dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    from caer_data.curate.funnel import duration_text

    for show in dict.fromkeys(person["show"] for person in people):
        own = sorted(
            (person for person in people if person["show"] == show),
            key=lambda person: (-person["seconds"], person["person_id"]),
        )
        named = ", ".join(
            f"{person['person_id'].rpartition('.')[2]} {duration_text(person['seconds'])}"
            for person in own[:_PEOPLE_NAMED]
        )
        yield show, f"{len(own):,}", named + (", ..." if len(own) > _PEOPLE_NAMED else "")


def show_table(console: Console, values: dict[str, Any]) -> None:
    """Print the columns of one table."""
    rows = "not written yet" if values["rows"] is None else f"{values['rows']:,} rows"
    console.print(f"{values['table']}: {values['row']} ({rows}; key {', '.join(values['key'])})")
    console.print(printable(values["file"]))
    _print(
        console,
        "",
        ("column", "type", "unit", "meaning"),
        (
            (
                column["name"] + ("?" if column["may_be_empty"] else ""),
                column["type"],
                column["unit"],
                column["meaning"]
                + (f": {', '.join(column['values'])}" if len(column["values"]) > 3 else ""),
            )
            for column in values["columns"]
        ),
    )
    console.print("? may be empty")


def show_effects(console: Console, values: dict[str, Any]) -> None:
    """Print what other thresholds would change."""
    tried = ", ".join(f"{name} = {value}" for name, value in values["values"].items())
    difference = values["would_keep"] - values["kept"]
    console.print(
        f"With {printable(tried)}, {values['would_keep']:,} clips would be kept "
        f"instead of {values['kept']:,} ({difference:+,})."
    )
    _print(
        console,
        "Changes",
        ("now", "then", "clips", "such as"),
        (
            (move["before"], move["after"], f"{move['clips']:,}", ", ".join(move["examples"]))
            for move in values["moves"]
        ),
        numbers=(2,),
    )
    if values["rated"]:
        console.print(f"{values['rated']:,} of the clips that would go have been rated.")
    console.print("Nothing was changed. Decisions by hand are ignored.")


def show_clip(console: Console, values: dict[str, Any]) -> None:
    """Print everything known about one clip."""
    state = f"dropped, {values['why']}" if values["status"] == "dropped" else values["status"]
    console.print(f"{printable(values['clip_id'])}: {printable(state)}")
    key = f"key {values['clip_key']}" if values["clip_key"] else "no key, as it was never kept"
    console.print(
        printable(
            f"{values['show']}, {values['episode']}, {values['start_s']:.2f} to "
            f"{values['end_s']:.2f} s, {key}"
        )
    )
    _print(
        console,
        "Scores",
        ("score", "value", "limit", "recipe", ""),
        (_check_row(check) for check in values["checks"]),
        numbers=(1,),
    )
    _print(
        console,
        "Votes",
        ("rater", "emotion", "confidence", ""),
        (
            (
                vote["rater"],
                vote["emotion"] or "none",
                "-" if vote["confidence"] is None else f"{vote['confidence']:.2f}",
                f"refused: {vote['reason']}" if vote["status"] == "refused" else "",
            )
            for vote in values["votes"]
        ),
        numbers=(2,),
    )
    console.print()
    console.print(printable(_label_text(values)))


def _check_row(check: dict[str, Any]) -> tuple[str, ...]:
    verdict = {None: "not measured", True: "passes", False: check["reason"]}[check["passed"]]
    value = "-" if check["value"] is None else f"{check['value']:.4g}"
    words = {"<": "at least", ">": "at most", ">=": "less than"}
    limit = f"{words[check['sign']]} {check['limit']}"
    return check["score"], value, limit, check["field"], verdict


def _label_text(values: dict[str, Any]) -> str:
    if values["label"] is None:
        return "Label: none; nobody has rated it, or answers are missing."
    split = f", {values['split']}" if values["split"] else ""
    if values["label"] == "dropped":
        return f"Label: none, {values['label_reason']} (votes {values['pattern']})."
    confidence = values["confidence"]
    sure = "" if confidence is None else f", confidence {confidence:.2f}"
    return f"Label: {values['emotion']} (votes {values['pattern']}{sure}){split}."


def _print(
    console: Console,
    title: str,
    header: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    numbers: tuple[int, ...] = (),
) -> None:
    """Print a table that fits the terminal, by wrapping text but not numbers."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, name in enumerate(header):
        justify: Literal["left", "right"] = "right" if number in numbers else "left"
        table.add_column(name, justify=justify, no_wrap=number in numbers, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    if table.row_count:
        console.print()
        if title:
            console.print(title, style="bold")
        console.print(table)
