"""Rows of a dataset's tables without what is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from caer_data.curate import apply_decisions, sightings
from caer_data.curate.lines import during
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import BUILT, Dataset
from caer_data.engine.forgotten import Forgotten


@dataclass(frozen=True)
class Span:
    """What is removed from one video.

    Attributes:
        tracks: `track_id` of the tracks that stay.
        spans: spans in which nothing stays: first timestamp and one past the last.
    """

    tracks: frozenset[str]
    spans: list[tuple[int, int]]


def gone_ids(dataset: Dataset, forgotten: Forgotten) -> set[str]:
    """Return the `video_id` of forgotten videos, including copies of them."""
    videos = dataset.videos
    return set(videos.loc[videos["sha256"].isin(forgotten.videos), "video_id"])


def remaining_of(dataset: Dataset, video: Mapping[str, Any], forgotten: Forgotten) -> Span:
    """Return what stays of a video, judged by the tables alone.

    Args:
        dataset: the dataset.
        video: the row of `videos`.
        forgotten: what to remove.
    """
    about = forgotten.in_video(str(video["sha256"]))
    tracks = dataset.tracks
    own = tracks[tracks["video_id"] == video["video_id"]]
    faces = tables.read_some(
        tables.FACES,
        dataset.path_of(tables.FACES),
        ["track_id", "frame", "time_s", "x1", "y1", "x2", "y2"],
        track_id=own["track_id"],
    )
    gone = {t for t in sightings.tracks_at(video, own, faces, about) if t is not None}
    spans = {(anchor.start_pts, anchor.end_pts) for anchor in about}
    for track in tables.records(own[own["track_id"].isin(gone)]):
        start = sightings.pts_at(video, track["start_s"])
        spans.add((start, sightings.pts_at(video, track["end_s"])))
    whole = [(a.start_pts, a.end_pts) for a in about if a.box is None]
    shown = set(faces.loc[~sightings.inside(video, faces, whole), "track_id"])
    return Span(frozenset(shown - gone), sorted(spans))


def built_without(
    dataset: Dataset, forgotten: Forgotten, remaining: Mapping[str, Span]
) -> dict[tables.Table, pd.DataFrame | pa.Table]:
    """Return the tables of a build without what is forgotten; only tables that change.

    Args:
        dataset: the dataset.
        forgotten: what to remove.
        remaining: what stays of partly forgotten videos, by `video_id`.
    """
    ids = gone_ids(dataset, forgotten)
    tracks = dataset.tracks
    stays = ~tracks["video_id"].isin(ids)
    for video_id, span in remaining.items():
        stays &= (tracks["video_id"] != video_id) | tracks["track_id"].isin(span.tracks)
    lost = tracks[~stays]
    found: dict[tables.Table, pd.DataFrame | pa.Table] = {
        table: rows[~rows["video_id"].isin(ids)]
        for table in (tables.VIDEOS, tables.AUDIO_TRACKS, tables.SHOTS, tables.SPEECH)
        if dataset.has(table)
        for rows in [dataset.read(table)]
    }
    if dataset.has(tables.LINES):
        found[tables.LINES] = _lines(dataset.lines, ids, forgotten, remaining)
    found[tables.TRACKS] = tracks[stays]
    faces = tables.read_arrow(tables.FACES, dataset.path_of(tables.FACES))
    known = pa.array(list(lost["track_id"]), pa.string())
    faces = faces.filter(pc.invert(pc.field("track_id").isin(known)))
    found[tables.FACES] = _faces(dataset, faces, forgotten)
    found[tables.PEOPLE] = _people(dataset.people, tracks[stays], lost)
    found[tables.KEYS] = _keys(dataset.keys, forgotten)
    found[tables.CLIPS] = _unrelated(_clips(dataset, ids, remaining), ids)
    if dataset.has(tables.REPEATS):
        repeats = dataset.read(tables.REPEATS)
        about = repeats["video_id"].isin(ids) | repeats["of_video_id"].isin(ids)
        found[tables.REPEATS] = repeats[~about]
    assert found.keys() <= set(BUILT)  # noqa: S101 - what a build writes changes together
    return found


def _lines(
    lines: pd.DataFrame, ids: set[str], forgotten: Forgotten, remaining: Mapping[str, Span]
) -> pd.DataFrame:
    """Return subtitles without forgotten videos, spans and keys of clips."""
    lines = lines[~lines["video_id"].isin(ids)]
    for video_id, span in remaining.items():
        own = lines["video_id"] == video_id
        lines = lines[~(own & during(lines, span.spans))]
    hidden = lines["clip_key"].isin(forgotten.clips)
    return lines.assign(clip_key=lines["clip_key"].mask(hidden, None)).reset_index(drop=True)


def spoken_without(dataset: Dataset, forgotten: Forgotten, table: tables.Table) -> pd.DataFrame:
    """Return the rows of a table about ratings without forgotten clips and raters."""
    rows = dataset.read(table)
    gone = pd.Series(data=False, index=rows.index, dtype=bool)
    if "clip_key" in rows:
        gone |= rows["clip_key"].isin(forgotten.clips)
    if set(anchors.COLUMNS) <= set(rows):
        found = [
            anchor is not None and forgotten.covers(anchor) for anchor in anchors.of_rows(rows)
        ]
        gone |= pd.Series(found, index=rows.index, dtype=bool)
    if "rater" in rows:
        gone |= _hidden(rows["rater"], dataset.folder, forgotten)
    rows = rows[~gone]
    if "replaces" in rows:
        hidden = _hidden(rows["replaces"], dataset.folder, forgotten)
        rows = rows.assign(replaces=rows["replaces"].mask(hidden, None))
    return rows.reset_index(drop=True)


def _hidden(names: pd.Series, folder: Path, forgotten: Forgotten) -> pd.Series:
    known = {str(name): forgotten.hides(folder, str(name)) for name in names.dropna().unique()}
    return names.map(lambda name: known.get(str(name), False)).astype(bool)


def _faces(dataset: Dataset, faces: pa.Table, forgotten: Forgotten) -> pa.Table:
    """Return the boxes outside the spans in which nothing may stay."""
    whole = [span for span in forgotten.spans if span.box is None]
    if not whole:
        return faces
    tracks, data = dataset.tracks, faces.to_pandas()
    gone = pd.Series(data=False, index=data.index, dtype=bool)
    for video in tables.records(dataset.videos):
        spans = [(s.start_pts, s.end_pts) for s in whole if s.video_key == video["sha256"]]
        if spans:
            ids = tracks.loc[tracks["video_id"] == video["video_id"], "track_id"]
            mine = data["track_id"].isin(ids)
            gone[mine] = sightings.inside(video, data[mine], spans)
    return faces.filter(pa.array(~gone))


def _people(people: pd.DataFrame, tracks: pd.DataFrame, lost: pd.DataFrame) -> pd.DataFrame:
    """Return the people who remain, with updated counts."""
    touched = set(lost["person_id"].dropna())
    rows = []
    for person in tables.records(people):
        own = tracks[tracks["person_id"] == person["person_id"]]
        if person["person_id"] in touched and len(own):
            worth = own["face_height"] * (0.2 + own["sharpness"])
            seconds = float(round((own["end_s"] - own["start_s"]).sum(), 6))
            person |= {
                "tracks": len(own),
                "shots": int(own["shot_id"].nunique()),
                "videos": int(own["video_id"].nunique()),
                "seconds": seconds,
                "best_track_id": own["track_id"].iloc[int(worth.to_numpy().argmax())],
            }
        if len(own) or person["person_id"] not in touched:
            rows.append({name: None if pd.isna(cell) else cell for name, cell in person.items()})
    return tables.frame(tables.PEOPLE, rows)


def _keys(keys: pd.DataFrame, forgotten: Forgotten) -> pd.DataFrame:
    gone = [
        key in forgotten.clips or (anchor is not None and forgotten.covers(anchor))
        for key, anchor in zip(keys["clip_key"], anchors.of_rows(keys), strict=True)
    ]
    return keys[~pd.Series(gone, index=keys.index, dtype=bool)].reset_index(drop=True)


def _unrelated(clips: pd.DataFrame, ids: set[str]) -> pd.DataFrame:
    """Return the clips without references to repeated clips of forgotten videos."""
    named = clips["repeat_of"].dropna().map(lambda name: name.rsplit(".", 2)[0] in ids)
    clips.loc[named[named].index, "repeat_of"] = None
    return clips


def _clips(dataset: Dataset, ids: set[str], remaining: Mapping[str, Span]) -> pd.DataFrame:
    clips = dataset.clips
    parts = [tables.empty(tables.CLIPS)]
    for video_id, own in clips.groupby("video_id", sort=False, observed=True):
        if video_id not in ids:
            span = remaining.get(str(video_id))
            parts.append(apply_decisions.without_spans(own, span.spans) if span else own)
    return pd.concat(parts, ignore_index=True)
