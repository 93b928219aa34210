"""`caer-data diff`: the differences between two releases."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caer_data.engine import progress
from caer_data.engine.progress import Reporter

if TYPE_CHECKING:
    from caer_data.export.diff import Change, Clip, Difference

_SHOWN = 20


_UNREADABLE = {"boxes": "boxes", "framehash": "pictures", "source_sha256": "source file"}
"""Words for columns whose values say nothing to people."""


@click.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@progress.options
def command(before: Path, after: Path, reporter: Reporter) -> None:
    """Show the differences between two releases of a dataset, BEFORE and AFTER.

    Lists clips that were added or removed, and for clips in both releases the labels, votes,
    splits, boxes and pictures that differ. Clips are matched by their keys, not by their names.
    """
    from caer_data.engine.progress import printable
    from caer_data.export.diff import diff

    found = diff(before, after)
    for line in _lines(found):
        reporter.say(printable(line))
    reporter.result({"before": str(before), "after": str(after), "same": found.same}
                    | {"difference": asdict(found)})  # fmt: skip


def _lines(found: Difference) -> list[str]:
    counts = f"{found.before:,} clips before, {found.after:,} after"
    if found.same:
        lines = [f"{counts}: the same clips with the same labels."]
    else:
        lines = [
            f"{counts}: {len(found.came):,} added, {len(found.went):,} removed, "
            f"{len(found.changed):,} changed."
        ]
    lines += _some("added", [_clip(clip) for clip in found.came])
    lines += _some("removed", [_clip(clip) for clip in found.went])
    lines += _some("changed", [_change(change) for change in found.changed])
    return lines + [
        f"  {name}: {_value(was)} -> {_value(now)}" for name, (was, now) in found.about.items()
    ]


def _some(word: str, texts: list[str]) -> list[str]:
    more = len(texts) - _SHOWN
    lines = [f"  {word}: {text}" for text in texts[:_SHOWN]]
    return [*lines, f"  {word}: and {more:,} more; use --json to list all"] if more > 0 else lines


def _clip(clip: Clip) -> str:
    return f"{clip.clip_id} ({clip.key}), {clip.emotion}, {clip.split}"


def _change(change: Change) -> str:
    counts = ", ".join(
        _UNREADABLE.get(name) or f"{name} {_value(was)} -> {_value(now)}"
        for name, (was, now) in change.columns.items()
    )
    return f"{change.clip.clip_id} ({change.clip.key}): {counts}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return str(value["name"])
    if isinstance(value, dict):
        counts = [f"{name} {n:,}" for name, n in value.items() if type(n) is int and n]
        return ", ".join(counts) or "stated"
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "nothing"
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
