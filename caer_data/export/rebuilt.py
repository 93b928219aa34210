"""The tables of a rebuilt release, adapted to clips that were cut from another rip."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pandas as pd

from caer_data.engine import tables
from caer_data.export import carry, release
from caer_data.export import manifest as manifests
from caer_data.export.results import Results
from caer_data.export.shows import Origin, Video, found_in, shared


def manifest_of(
    given: Origin,
    planned: pd.DataFrame,
    good: Mapping[str, dict[str, Any]],
    videos: Mapping[str, Video],
) -> pd.DataFrame:
    """Return the manifest of clips cut now; pictures without a box of the target are omitted."""
    rows = planned[planned["clip_id"].isin(good)].reset_index(drop=True)
    written = {path for result in good.values() for path in result["files"]}
    lost = rows["frame"].notna() & ~rows["path"].isin(written)
    rows = _aligned_cells(rows[~lost].reset_index(drop=True), good, videos)
    return release.fill_manifest(rows, Results(good.values()))


def _aligned_cells(
    rows: pd.DataFrame, good: Mapping[str, dict[str, Any]], videos: Mapping[str, Video]
) -> pd.DataFrame:
    """Return the rows with cells updated for another rip."""
    changed = [_cells(row, good[row["clip_id"]], videos) for row in tables.records(rows)]
    for name in sorted({name for cells in changed for name in cells}):
        values = [cells.get(name, rows[name].iloc[at]) for at, cells in enumerate(changed)]
        rows[name] = pd.Series(values, index=rows.index, dtype=rows[name].dtype)
    return rows


def _cells(
    row: Mapping[str, Any], result: Mapping[str, Any], videos: Mapping[str, Video]
) -> dict[str, Any]:
    cells: dict[str, Any] = {"rebuilt": result["rebuilt"]}
    video = videos[row["video_id"]]
    entry = found_in(video, row["clip_id"])
    if entry is None or video.rip is None:
        return cells
    base, first = Fraction(video.source["time_base"]), int(video.source["first_pts"])
    for name in ("start", "end"):
        cells[f"{name}_frame"], cells[f"{name}_pts"] = entry[f"{name}_frame"], entry[f"{name}_pts"]
        cells[f"{name}_s"] = float((entry[f"{name}_pts"] - first) * base)
    for name in ("fps", "variable_rate", "width", "height"):
        cells[name] = result[name]
    cells["frames"] = 1 if pd.notna(row["frame"]) else result["frames"]
    cells |= {"source_sha256": video.sha256, "error_frames": entry["error"]}
    sides = [column.name for column in tables.BOX]
    if pd.notna([row[name] for name in sides]).all():
        box = (
            float(row[sides[0]]),
            float(row[sides[1]]),
            float(row[sides[2]]),
            float(row[sides[3]]),
        )
        cells |= dict(zip(sides, shared(video.rip).moved(box), strict=True))
    return cells


def in_order(given: Origin, parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows in the order of the original manifest."""
    columns = ["path", "member"]
    order = given.manifest[columns].assign(place=range(len(given.manifest)))
    rows = pd.concat([part[manifests.MANIFEST.names] for part in parts], ignore_index=True)
    placed = rows.merge(order, on=columns, how="left", validate="1:1")["place"]
    ordered = rows.iloc[placed.argsort(kind="stable")].reset_index(drop=True)
    return tables.to_pandas(tables.check(manifests.MANIFEST, ordered))


def boxes_of(
    given: Origin,
    previous: carry.Earlier | None,
    made: pd.DataFrame,
    good: Mapping[str, dict[str, Any]],
) -> pd.DataFrame:
    """Return the boxes of the rebuilt clips, in pixels and frames of their own files."""
    moved = {c: result["boxes"] for c, result in good.items() if "boxes" in result}
    plain = given.boxes[given.boxes["clip_id"].isin(set(good) - set(moved))]
    known = given.boxes.set_index(["clip_id", "frame"])["interpolated"].to_dict()
    rows = [
        (clip, new, *sides, known[clip, old])
        for clip, boxes in sorted(moved.items())
        for new, old, *sides in boxes
    ]
    parts = [plain, pd.DataFrame(rows, columns=manifests.BOXES.names)]
    if previous is not None:
        kept = previous.boxes["clip_id"].isin(set(made["clip_id"]) - set(good))
        parts.append(previous.boxes[kept])
    found = pd.concat([p for p in parts if len(p)] or [plain], ignore_index=True)
    found = found.astype(dict.fromkeys(("x1", "y1", "x2", "y2"), "float32") | {"frame": "int64"})
    return found.sort_values(["clip_id", "frame"], ignore_index=True)


def sources_of(
    given: Origin, videos: Mapping[str, Video], previous: carry.Earlier | None
) -> pd.DataFrame:
    """Return all source videos of the release, with the facts of the rips that were used."""
    earlier = [] if previous is None else tables.records(previous.sources)
    before = {row["video_id"]: row for row in earlier}
    rows = [
        videos[row["video_id"]].source
        if row["video_id"] in videos
        else before.get(row["video_id"], row)
        for row in tables.records(given.sources)
    ]
    plain = [{k: None if pd.isna(v) else v for k, v in row.items()} for row in rows]
    return tables.frame(manifests.SOURCES, plain)
