"""Removes what is forgotten from an artifact of the face stage: boxes, vectors and pictures.

A redacted artifact has a key of its own (`key_without`), derived from the complete artifact's key
and from what was removed, so that the two are never confused. Anchors describe what to remove. An
anchor with a box means that face and similar faces in the same video. An anchor without a box means
the boxes and pictures in its span, and tracks that are entirely inside it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from caer_data.curate import sightings
from caer_data.engine import tables
from caer_data.engine.artifacts import Artifact, Store, read_json, write_json
from caer_data.engine.hashing import hash_of
from caer_data.engine.identity import Anchor
from caer_data.faces.people import cluster

_WHOLE: Final = "whole.json"
"""Member with the key of the complete artifact that this one was made from."""


def key_without(key: str, forgotten: Sequence[Anchor]) -> str:
    """Return the key of an artifact without what is forgotten; the same key if nothing is."""
    if not forgotten:
        return key
    about = sorted(hash_of(asdict(anchor), 16) for anchor in forgotten)
    return hash_of([key, about], 16)


def redact(
    folder: Path, video: dict[str, Any], shots: pd.DataFrame, forgotten: Sequence[Anchor]
) -> None:
    """Remove what is forgotten from the unpacked members of an artifact.

    Args:
        folder: folder with the output of `faces.find` and `models.json`.
        video: the video's `sha256, width, height, first_pts, time_base`.
        shots: its shots, named as in the artifact.
        forgotten: forgotten anchors in this video.
    """
    tracks = tables.read(tables.TRACKS, folder / "tracks.parquet")
    faces = tables.read(tables.FACES, folder / "faces.parquet")
    vectors = np.load(folder / "embeddings.npy", allow_pickle=False)
    gone = _gone(folder, video, tracks, faces, vectors, forgotten)
    whole = [(a.start_pts, a.end_pts) for a in forgotten if a.box is None]
    crossed = sightings.crossing(video, tracks, whole)
    faces = faces[~sightings.inside(video, faces, whole)]
    gone |= set(tracks["track_id"]) - set(faces["track_id"])
    kept = ~tracks["track_id"].isin(gone)
    spans = [(a.start_pts, a.end_pts) for a in forgotten] + [
        (sightings.pts_at(video, track.start_s), sightings.pts_at(video, track.end_s))
        for track in tables.rows(tracks[~kept])
    ]
    tables.write(tables.TRACKS, tracks[kept].reset_index(drop=True), folder / "tracks.parquet")
    left = faces[~faces["track_id"].isin(gone)].reset_index(drop=True)
    tables.write(tables.FACES, left, folder / "faces.parquet")
    np.save(folder / "embeddings.npy", vectors[kept.to_numpy()])
    for track in gone | crossed:  # their best face may be in such a span
        (folder / "portraits" / f"{track}.jpg").unlink(missing_ok=True)
    _remove_thumbnails(folder, shots, spans)
    write_json(folder / "spans.json", sorted({(int(start), int(end)) for start, end in spans}))


def without(
    store: Store,
    artifact: Path,
    video: dict[str, Any],
    shots: pd.DataFrame,
    forgotten: Sequence[Anchor],
) -> Artifact | None:
    """Replace an artifact by one without what is forgotten; a damaged artifact is only removed.

    Args:
        store: the work folder.
        artifact: file of an artifact of the face stage.
        video, shots, forgotten: see `redact`.

    Returns:
        The redacted artifact; None if the artifact was damaged.
    """
    subject, key, _ = artifact.name.rsplit(".", 2)
    found = store.get("faces", subject, key)
    if found is None:
        return None
    whole = found.json(_WHOLE)["key"] if _WHOLE in found.names() else key
    wanted = key_without(whole, forgotten)
    if wanted == key:
        return found
    made = store.make(
        "faces",
        subject,
        wanted,
        lambda folder: _fill(found, folder, whole, video, shots, forgotten),
    )
    store.discard("faces", subject, key)
    return made


def _fill(
    artifact: Artifact,
    folder: Path,
    whole: str,
    video: dict[str, Any],
    shots: pd.DataFrame,
    forgotten: Sequence[Anchor],
) -> None:
    with zipfile.ZipFile(artifact.path) as archive:
        for name in archive.namelist():
            target = folder / name
            if target.resolve().is_relative_to(folder.resolve()):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    redact(folder, video, shots, forgotten)
    note_whole(folder, whole)


def note_whole(folder: Path, key: str) -> None:
    """Write the key of the complete artifact to an artifact's unpacked members."""
    write_json(folder / _WHOLE, {"key": key})


def spans_of(artifact: Artifact) -> list[tuple[int, int]]:
    """Return the spans of a video, in its time base, that were removed from an artifact."""
    if "spans.json" not in artifact.names():
        return []
    return [(int(start), int(end)) for start, end in artifact.json("spans.json")]


def _gone(
    folder: Path,
    video: dict[str, Any],
    tracks: pd.DataFrame,
    faces: pd.DataFrame,
    vectors: np.ndarray,
    forgotten: Sequence[Anchor],
) -> set[str]:
    """Return the tracks that are forgotten."""
    found = {t for t in sightings.tracks_at(video, tracks, faces, forgotten) if t is not None}
    threshold = read_json(folder / "models.json")["track_threshold"]
    people = cluster("", "", tracks, vectors, threshold)[0]
    if found:
        same = people.loc[people["track_id"].isin(found), "person_id"]
        found |= set(people.loc[people["person_id"].isin(same), "track_id"])
    return found


def _remove_thumbnails(folder: Path, shots: pd.DataFrame, spans: Sequence[tuple[int, int]]) -> None:
    thumbnails = read_json(folder / "thumbnails.json")
    for shot in tables.rows(shots):
        if any(start < shot.end_pts and shot.start_pts < end for start, end in spans):
            (folder / "thumbnails" / f"{shot.shot_id}.jpg").unlink(missing_ok=True)
            thumbnails.pop(shot.shot_id, None)
    write_json(folder / "thumbnails.json", thumbnails)
