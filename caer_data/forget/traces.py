"""Removal of what is forgotten from the files of a dataset that contain or mention it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from caer_data.curate import clean, redact
from caer_data.curate import clips as clip_stage
from caer_data.engine import anchors, logs, tables
from caer_data.engine.artifacts import Artifact, Store, write_json
from caer_data.engine.dataset import Dataset
from caer_data.engine.files import write_text
from caer_data.engine.forgotten import Forgotten
from caer_data.engine.ownership import read_object
from caer_data.forget import rows


@dataclass(frozen=True)
class Clip:
    """A clip to remove: its name, key and file."""

    clip_id: str
    clip_key: str | None
    path: str | None


def clips(dataset: Dataset, forgotten: Forgotten) -> list[Clip]:
    """Return the clips of the current tables that show what is forgotten."""
    held = anchors.present(dataset.clips)
    spans = held.assign(frames=held["end_frame"] - held["start_frame"])
    ids = rows.gone_ids(dataset, forgotten)
    return [
        Clip(str(row["clip_id"]), _text(row["clip_key"]), _text(row["path"]))
        for row, anchor in zip(tables.records(held), anchors.of_rows(spans), strict=True)
        if row["video_id"] in ids
        or row["clip_key"] in forgotten.clips
        or (anchor is not None and forgotten.covers(anchor))
    ]


def remove_clips(dataset: Dataset, found: Iterable[Clip]) -> tuple[int, list[str]]:
    """Remove clip files that are unchanged since a build wrote them.

    Returns:
        Number of bytes freed, and paths of modified files, which stay.
    """
    files = {
        clip.path: dataset.folder / clip.path
        for clip in found
        if clip.path and (dataset.folder / clip.path).exists()
    }
    held = anchors.present(dataset.clips)[["path", "bytes", "sha256"]]
    written = clip_stage.written(dataset.work_folder) | set(held.itertuples(index=False, name=None))
    ours = clip_stage.unchanged(files, written)
    size = _remove(ours)
    return size, sorted(path for path, file in files.items() if file not in ours)


def remove_media(dataset: Dataset, keys: Iterable[str]) -> int:
    """Remove posters and transcoded clips for raters; return the number of bytes freed."""
    folder = dataset.work_folder / "annotate"
    wanted = set(keys)
    return _remove(
        file
        for file in sorted(folder.glob("*-*.*"))
        if file.name.partition("-")[0] in wanted and file.suffix in (".jpg", ".mp4")
    )


def remove_artifacts(dataset: Dataset, forgotten: Forgotten, clip_ids: set[str]) -> int:
    """Remove intermediate results of forgotten videos, and those that mention forgotten clips.

    Returns:
        Number of bytes freed.
    """
    store = Store(dataset.work_folder)
    subjects = {key[:16] for key in forgotten.videos}
    gone = [path for path in store.files() if path.name.partition(".")[0] in subjects]
    gone += [
        path for path in store.files("videos") if _values(path).get("sha256") in forgotten.videos
    ]
    ids = rows.gone_ids(dataset, forgotten)
    gone += [
        path
        for path in store.files("clips")
        if clip_ids & _values(path).keys()
        or any(clip_id.rsplit(".", 2)[0] in ids for clip_id in _values(path))
    ]
    size = _remove(gone)
    for folder in sorted((dataset.work_folder / "samples").glob("*")):
        if folder.is_dir() and folder.name.partition(".")[0] in subjects:
            size += _remove(file for file in sorted(folder.iterdir()) if file.is_file())
            folder.rmdir()
    _renote(dataset.work_folder, dict.fromkeys(ids))
    return size


def redact_artifacts(
    dataset: Dataset, forgotten: Forgotten, videos: Iterable[dict[str, Any]]
) -> dict[str, rows.Span]:
    """Remove what is forgotten from the face artifacts of videos that stay.

    The artifact in use is replaced by a redacted one; those of earlier recipes are removed.

    Returns:
        What stays of each video, by `video_id`.
    """
    store = Store(dataset.work_folder)
    noted = clean.noted(dataset.work_folder)
    remaining = {}
    for video in videos:
        key, name = str(video["sha256"]), str(video["video_id"])
        remaining[name] = rows.remaining_of(dataset, video, forgotten)
        facts = noted.get(name, {})
        shots = _shots(store, facts)
        own = [path for path in store.files() if path.name.partition(".")[0] == key[:16]]
        # Remove all other artifacts of the video except its shots; the next build creates them
        # again without what is forgotten.
        _remove(path for path in own if path.parent.name not in ("shots", "faces"))
        for path in [path for path in own if path.parent.name == "faces"]:
            if shots is None or f"faces/{path.name}" != facts.get("faces"):
                path.unlink(missing_ok=True)
                continue
            made = redact.without(store, path, video, shots, forgotten.in_video(key))
            if made is not None:
                _renote(dataset.work_folder, {name: made.name})
                remaining[name] = _as_in(made, name, remaining[name])
    return remaining


def rewrite_logs(dataset: Dataset, names: set[str]) -> int:
    """Remove lines that mention any of the names from earlier logs; return their number."""
    removed = 0
    for path in sorted((dataset.work_folder / "log").glob("*.jsonl")):
        if path == logs.current():
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        kept = [line for line in lines if not any(_in_json(name) in line for name in names)]
        if len(kept) < len(lines):
            write_text(path, "".join(kept))
            removed += len(lines) - len(kept)
    return removed


def names(dataset: Dataset, forgotten: Forgotten, found: Iterable[Clip]) -> set[str]:
    """Return the names by which logs may mention what is forgotten."""
    videos = dataset.videos
    gone = videos[videos["sha256"].isin(forgotten.videos)]
    return (
        set(gone["video_id"])
        | set(gone["path"])
        | {clip.clip_id for clip in found}
        | set(_raters(dataset, forgotten))
    )


def _raters(dataset: Dataset, forgotten: Forgotten) -> list[str]:
    return [
        str(name)
        for table in (tables.ASSIGNMENTS, tables.RATINGS, tables.CHECKS)
        if dataset.has(table)
        for name in dataset.read(table)["rater"].unique()
        if forgotten.hides(dataset.folder, str(name))
    ]


def _as_in(artifact: Artifact, video_id: str, by_tables: rows.Span) -> rows.Span:
    """Return what stays according to an artifact, which has embeddings that tables lack."""
    ids = tables.read(tables.TRACKS, artifact.open("tracks.parquet"))["track_id"]
    tracks = frozenset(f"{video_id}.{track}" for track in ids)
    spans = {*redact.spans_of(artifact), *by_tables.spans}
    return rows.Span(tracks & by_tables.tracks, sorted(spans))


def _shots(store: Store, facts: dict[str, Any]) -> pd.DataFrame | None:
    """Return the shots from the artifact that a video's tables are based on; None if missing."""
    for name in facts.get("pieces", ()):
        stage, _, file = str(name).partition("/")
        if stage == "shots" and file.count(".") >= 2:
            subject, key, _ = file.rsplit(".", 2)
            artifact = store.get(stage, subject, key)
            if artifact is not None:
                return tables.read(tables.SHOTS, artifact.open("shots.parquet"))
    return None


def _renote(work: Path, changes: dict[str, str | None]) -> None:
    """Update the record of artifacts in use: with another face artifact, or without a video."""
    for name in (clean.NAME, "timings.json"):
        values = read_object(work / name)
        facts = values if name == clean.NAME else values.get("videos")
        if not isinstance(facts, dict):
            continue
        before = json.dumps(values, sort_keys=True)
        for video_id, artifact in changes.items():
            if artifact is None:
                facts.pop(video_id, None)
            elif name == clean.NAME and video_id in facts:
                artifacts = facts[video_id]["pieces"]
                others = [p for p in artifacts if p != facts[video_id]["faces"]]
                facts[video_id] = {"faces": artifact, "pieces": [others[0], artifact, *others[1:]]}
        if json.dumps(values, sort_keys=True) != before:
            write_json(work / name, values)


def _values(path: Path) -> dict[str, Any]:
    """Return the values of a record; empty if it is damaged."""
    store, (subject, key, _) = Store(path.parent.parent), path.name.rsplit(".", 2)
    found = store.recorded(path.parent.name, subject, key)
    return found if isinstance(found, dict) else {}


def _remove(files: Iterable[Path]) -> int:
    size = 0
    for file in files:
        size += file.stat().st_size
        file.unlink()
    return size


def _in_json(name: str) -> str:
    return json.dumps(name)[1:-1]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
