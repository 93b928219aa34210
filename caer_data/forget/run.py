"""Forgetting: write tombstones first, then remove what they refer to.

Every step checks the current state, so that an interrupted command can be repeated and completed.
The tables change last, because they determine what to remove.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from caer_data.engine import tables
from caer_data.engine.dataset import BUILT, Dataset
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.files import remove_leftovers
from caer_data.engine.forgotten import Forgotten
from caer_data.engine.generations import mirror
from caer_data.engine.identity import Anchor, Box, same_box
from caer_data.engine.ownership import is_release
from caer_data.engine.schema import TABLES
from caer_data.forget import rows, traces
from caer_data.forget.selection import clips_in
from caer_data.labels.decide import follow
from caer_data.report import contact_sheet, known
from caer_data.report.dataset import write_report

SPOKEN = tuple(table for table in TABLES.values() if table not in BUILT)
"""Tables about ratings and raters, which no build writes."""

_FORGOTTEN_RATER = "forgotten"


@dataclass
class Removed:
    """What was or would be removed from a dataset.

    Attributes:
        clips: number of clip files.
        rows: number of rows by table, for tables that lose rows.
        bytes: bytes of files.
        log_lines: number of log lines.
        decisions: number of decisions.
        left: clip files that were modified by somebody, which stay.
        releases: releases next to the dataset, which are not changed.
    """

    clips: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    log_lines: int = 0
    decisions: int = 0
    left: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return all values as a dictionary, for programs."""
        return asdict(self)

    def text(self) -> str:
        """Return a text such as `3 clips, 120 rows (clips 3, tracks 117), 1.2 MB of files`."""
        lost = ", ".join(f"{name} {count:,}" for name, count in self.rows.items())
        total = sum(self.rows.values())
        return (
            f"{self.clips:,} clip{'s' * (self.clips != 1)}, {total:,} row{'s' * (total != 1)}"
            + (f" ({lost})" if lost else "")
            + f", {self.bytes / 1e6:,.1f} MB of files"
        )


def has_tombstones(dataset: Dataset) -> bool:
    """Whether there are tombstones, so that an interrupted command can be completed."""
    return bool(Forgotten.of(dataset.folder).tombstones)


def with_new(dataset: Dataset, tombstones: Sequence[Decision]) -> Forgotten:
    """Return everything that is forgotten, including new tombstones."""
    return Forgotten.by([*Forgotten.of(dataset.folder).tombstones, *tombstones])


def estimate(dataset: Dataset, forgotten: Forgotten) -> Removed:
    """Return what forgetting would remove, according to the tables; change nothing.

    The bytes are those of the clips.
    """
    videos = _touched(dataset, forgotten)
    remaining = {v["video_id"]: rows.remaining_of(dataset, v, forgotten) for v in videos}
    found = traces.clips(dataset, forgotten)
    result = Removed(clips=sum(clip.path is not None for clip in found))
    result.rows = _losses(
        dataset, _spoken(dataset, forgotten), _built(dataset, forgotten, remaining)
    )
    sizes = [dataset.folder / clip.path for clip in found if clip.path]
    result.bytes = sum(path.stat().st_size for path in sizes if path.is_file())
    result.releases = releases_near(dataset.folder)
    return result


def forget(dataset: Dataset, tombstones: Sequence[Decision]) -> Removed:
    """Write tombstones, remove all that any tombstone refers to, and return what was removed.

    Args:
        dataset: the dataset, locked by the caller.
        tombstones: new tombstones; empty to complete an interrupted command.
    """
    store = Decisions(dataset.folder)
    for row in tombstones:
        store.append(row)
    remove_leftovers(dataset.folder)
    return apply(dataset, Forgotten.of(dataset.folder))


def apply(dataset: Dataset, forgotten: Forgotten) -> Removed:
    """Remove what is forgotten from tables, files, logs and decisions; return what was removed."""
    result = Removed(releases=releases_near(dataset.folder))
    remaining = traces.redact_artifacts(dataset, forgotten, _touched(dataset, forgotten))
    wider = _wider(dataset, forgotten, remaining)
    found = traces.clips(dataset, wider)
    said = traces.names(dataset, forgotten, found)
    paths = [dataset.folder / clip.path for clip in found if clip.path is not None]
    present = sum(path.is_file() for path in paths)
    size, result.left = traces.remove_clips(dataset, found)
    result.clips = present - len(result.left)
    keys = wider.clips | {clip.clip_key for clip in found if clip.clip_key}
    size += traces.remove_media(dataset, keys)
    size += traces.remove_artifacts(dataset, forgotten, {clip.clip_id for clip in found})
    result.bytes = size
    result.log_lines = traces.rewrite_logs(dataset, said)
    result.decisions = Decisions(dataset.folder).scrub(
        lambda row: _without(row, forgotten, dataset.folder)
    )
    spoken, built = _spoken(dataset, wider), _built(dataset, wider, remaining)
    result.rows = _losses(dataset, spoken, built)
    for table, data in spoken.items():
        if len(data) != len(dataset.read(table)):
            dataset.write(table, data)
    if built and (remaining or any(table.name in result.rows for table in BUILT)):
        _write(dataset, built)
    dataset.remove_earlier_generations()
    follow(dataset)
    known.forget(dataset)
    write_report(dataset)
    contact_sheet.refresh(dataset)
    return result


def _wider(dataset: Dataset, forgotten: Forgotten, remaining: Mapping[str, rows.Span]) -> Forgotten:
    """Return what is forgotten, extended by further appearances in the intermediate results.

    The clips with these appearances are added to the tombstones, so that they are also removed from
    the rating server.
    """
    keys = {video["video_id"]: video["sha256"] for video in tables.records(dataset.videos)}
    places = {
        (str(keys[video_id]), start, end)
        for video_id, span in remaining.items()
        for start, end in span.spans
    }
    known = {(span.video_key, span.start_pts, span.end_pts) for span in forgotten.spans}
    more = tuple(
        Anchor(key, start, end, 1, Box(0, 0, 0, 0)) for key, start, end in sorted(places - known)
    )
    if not more:
        return forgotten
    clips, videos = clips_in(dataset, Forgotten(spans=more)), {a.video_key for a in more}
    Decisions(dataset.folder).scrub(lambda row: _with_clips(row, videos, clips))
    known_now = Forgotten.of(dataset.folder)
    return replace(known_now, spans=(*known_now.spans, *more))


def _with_clips(row: Decision, videos: set[str], clips: Mapping[str, list[str]]) -> Decision:
    if row.kind != "forget" or not any(anchor.video_key in videos for anchor in row.about):
        return row
    value = row.content | {
        name: sorted({*row.content.get(name, []), *found}) for name, found in clips.items()
    }
    return replace(row, value=json.dumps(value, sort_keys=True))


def releases_near(folder: Path) -> list[str]:
    """Return the releases next to a dataset, which are copies that forgetting does not change."""
    beside = folder.resolve().parent
    return sorted(str(path) for path in beside.iterdir() if path.is_dir() and is_release(path))


def _touched(dataset: Dataset, forgotten: Forgotten) -> list[dict[str, Any]]:
    """Return the videos that lose a part; of duplicates, only the one that is analysed."""
    spans = {anchor.video_key for anchor in forgotten.spans} - forgotten.videos
    return [
        video
        for video in tables.records(dataset.videos)
        if video["sha256"] in spans and video["status"] != "duplicate"
    ]


def _spoken(dataset: Dataset, forgotten: Forgotten) -> dict[tables.Table, pd.DataFrame]:
    return {
        table: rows.spoken_without(dataset, forgotten, table)
        for table in SPOKEN
        if dataset.has(table)
    }


def _built(
    dataset: Dataset, forgotten: Forgotten, remaining: Mapping[str, rows.Span]
) -> dict[tables.Table, pd.DataFrame | pa.Table]:
    return rows.built_without(dataset, forgotten, remaining) if dataset.has(tables.CLIPS) else {}


def _losses(
    dataset: Dataset,
    spoken: Mapping[tables.Table, pd.DataFrame],
    built: Mapping[tables.Table, pd.DataFrame | pa.Table],
) -> dict[str, int]:
    """Return the number of rows that each table loses, including clips reduced to their span."""
    losses = {}
    for table, after in {**spoken, **built}.items():
        before = dataset.read(table)
        lost = len(before) - len(after)
        if table is tables.CLIPS:
            held = {"kept", "absent"}
            lost = int(before["status"].isin(held).sum() - after["status"].isin(held).sum())
        if lost:
            losses[table.name] = lost
    return losses


def _write(dataset: Dataset, built: Mapping[tables.Table, pd.DataFrame | pa.Table]) -> None:
    """Write the tables, all at once."""
    with dataset.generation() as path_of:
        for table in BUILT:
            after = built.get(table)
            if isinstance(after, pa.Table):
                tables.write_arrow(table, [after], path_of(table))
            elif after is not None:
                tables.write(table, after.reset_index(drop=True), path_of(table))
            elif dataset.has(table):
                mirror(dataset.path_of(table), path_of(table))


def _without(row: Decision, forgotten: Forgotten, folder: Path) -> Decision | None:
    """Return a decision without forgotten anchors and persons; None if nothing remains."""
    if row.kind == "forget":
        return row
    who = _FORGOTTEN_RATER if forgotten.hides(folder, row.who.strip().lower()) else row.who
    row = replace(row, who=who)
    if row.kind == "undo":
        return row
    gone = [anchor for anchor in row.about if _is_gone(anchor, row.kind, forgotten)]
    if not gone:
        return row
    # no name of a forgotten person may remain anywhere
    of_person = any(_is_face(anchor, forgotten) for anchor in gone)
    kept = tuple(anchor for anchor in row.about if anchor not in gone)
    least = 2 if row.kind in ("merge", "apart") else 1
    return None if of_person or len(kept) < least else replace(row, about=kept)


def _is_gone(anchor: Anchor, kind: str, forgotten: Forgotten) -> bool:
    """Whether the subject of a decision is forgotten: a clip by its span, a face by its box."""
    if kind in ("keep", "drop", "target") or anchor.video_key in forgotten.videos:
        return forgotten.covers(anchor)
    whole = replace(forgotten, spans=tuple(span for span in forgotten.spans if span.box is None))
    return whole.covers(anchor) or _is_face(anchor, forgotten)


def _is_face(anchor: Anchor, forgotten: Forgotten) -> bool:
    return anchor.box is not None and any(
        other.start_pts < anchor.end_pts
        and anchor.start_pts < other.end_pts
        and other.box is not None
        and same_box(other.box, anchor.box)
        for other in forgotten.in_video(anchor.video_key)
    )
