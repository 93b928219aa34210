"""Faces of one video: detection, tracking within each shot, embedding and quality.

A shot is first searched in a few samples; if none of them shows a face, it is skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.faces import tracking
from caer_data.faces.appearance import Appearance, chip_of, crop_of, measure
from caer_data.faces.models.interface import Detections
from caer_data.faces.search import Frames, Models, look
from caer_data.faces.still import without_pictures

_THUMBNAIL = 320
_PORTRAIT = 112
_SAME_PLACE = 1.3  # factor on the embedder's threshold for a face that reappears in place
# Factor on the embedder's threshold for tracks at which an unconfirmed track counts. On films seen,
# the same person's were at .48 to .78 of the threshold, false alarms and others' from .97 on.
_CLEARLY_SAME = 0.8


@dataclass
class Found:
    """Output of the stage: rows of `tracks`, `faces` as Arrow, one embedding per track."""

    tracks: list[dict[str, Any]] = field(default_factory=list)
    faces: list[pa.Table] = field(default_factory=list)
    embeddings: list[npt.NDArray[np.float32]] = field(default_factory=list)
    thumbnails: dict[str, int] = field(default_factory=dict)


def find(
    shots: pd.DataFrame,
    frames: Frames,
    models: Models,
    settings: recipes.Faces,
    folder: Path,
    on_shot: Callable[[float], None],
    tracks: list[tracking.Track] | None = None,
) -> None:
    """Find the faces in a video's shots and write them to an artifact's folder.

    Writes `tracks.parquet`, `faces.parquet`, `embeddings.npy` (n, dimensions; NaN where there is
    none), `thumbnails/<shot_id>.jpg`, `portraits/<track_id>.jpg`, and `thumbnails.json` (their
    frames).

    Args:
        shots: the video's rows of `shots`.
        frames: its frames.
        models: detector and embedder.
        settings: the recipe's section on faces.
        folder: the folder to write to.
        on_shot: called with the length of each finished shot, s.
        tracks: existing tracks to use instead of searching for faces.
    """
    from caer_data.engine.artifacts import write_json

    (folder / "thumbnails").mkdir()
    (folder / "portraits").mkdir()
    found = Found()
    rows = tables.records(shots)
    samples = [frames.samples.between(row["start_frame"], row["end_frame"]) for row in rows]
    looked = look([sampled for sampled in samples if sampled], frames, models, settings)
    for shot, sampled in zip(rows, samples, strict=True):
        if sampled:
            if tracks is None:
                own = _follow(next(looked), frames, models, settings)
            else:
                own = tracking.among(tracks, sampled)
            seen = [measure(track, frames, models, settings.embeddings_per_track) for track in own]
            if tracks is None:
                seen = without_pictures(_counting(seen, models.embedder.track_threshold), frames)
            for number, one in enumerate(seen, 1):
                _describe(shot, number, one, frames, sampled, found, folder)
            _thumbnail(shot["shot_id"], sampled, [one.track for one in seen], frames, found, folder)
        on_shot(shot["end_s"] - shot["start_s"])
    tables.write_rows(tables.TRACKS, found.tracks, folder / "tracks.parquet")
    tables.write_arrow(tables.FACES, found.faces, folder / "faces.parquet")
    size = (len(found.embeddings), models.embedder.dimensions)
    stacked = np.array(found.embeddings, np.float32).reshape(size)
    np.save(folder / "embeddings.npy", stacked)
    write_json(folder / "thumbnails.json", found.thumbnails)


def _follow(
    looked: dict[int, Detections], frames: Frames, models: Models, settings: recipes.Faces
) -> list[tracking.Track]:
    """Return the tracks of the faces found in one shot."""
    tracks = tracking.associate(
        looked,
        frames.times,
        settings.min_iou,
        settings.max_gap_s,
    )

    def alike(first: tracking.Track, second: tracking.Track) -> bool:
        ends = (first, len(first.frames) - 1), (second, 0)
        chips = [chip_of(track, index, frames, models) for track, index in ends]
        a, b = models.embedder.embed(np.concatenate(chips))
        # the position suggests the same person, so only a clearly different face is rejected
        return float(np.linalg.norm(a - b)) <= _SAME_PLACE * models.embedder.threshold

    def counts(track: tracking.Track) -> bool:
        return tracking.lasts(track, len(looked), settings.min_detections, models.min_score)

    return tracking.rejoin(tracks, frames.times, settings.max_gap_s, alike, counts)


def _counting(seen: list[Appearance], threshold: float) -> list[Appearance]:
    """Return the tracks that count: confirmed ones, and those that clearly show the same person.

    A shaking camera breaks a face into several tracks, of which the less certain ones are not
    confirmed by themselves. Of two such tracks that show the person at the same time, the longer
    one counts.
    """
    sure = [one for one in seen if one.confirmed]
    counted = list(sure)
    unsure = [one for one in seen if not one.confirmed]
    for one in sorted(unsure, key=lambda one: -len(one.track.frames)):
        known = any(_apart(one, s) and _distance(one, s) <= _CLEARLY_SAME * threshold for s in sure)
        if known and all(_apart(one, c) or _distance(one, c) > threshold for c in counted):
            counted.append(one)
    return [one for one in seen if any(one is c for c in counted)]


def _apart(one: Appearance, other: Appearance) -> bool:
    """Whether one track ends before the other begins."""
    a, b = one.track.frames, other.track.frames
    return a[-1] < b[0] or b[-1] < a[0]


def _distance(one: Appearance, other: Appearance) -> float:
    return float(np.linalg.norm(one.vector - other.vector))


def _describe(
    shot: dict[str, Any],
    number: int,
    seen: Appearance,
    frames: Frames,
    sampled: list[int],
    found: Found,
    folder: Path,
) -> None:
    """Add one track's row, boxes, embedding and portrait."""
    track, track_id = seen.track, f"{shot['shot_id']}.t{number}"
    path = tracking.path_of(
        track,
        shot["start_frame"],
        shot["end_frame"] - 1,
        frames.times,
        sampled,
    )
    end = path.start + len(path.boxes)
    found.embeddings.append(seen.vector)
    portrait = crop_of(frames, track.frames[seen.best], track.boxes[seen.best])
    cv2.imwrite(
        str(folder / "portraits" / f"{track_id}.jpg"),
        cv2.resize(portrait, (_PORTRAIT, _PORTRAIT), interpolation=cv2.INTER_AREA),
        [cv2.IMWRITE_JPEG_QUALITY, 85],
    )
    last_s = shot["end_s"] if end == shot["end_frame"] else float(frames.times[end])
    found.tracks.append(
        {
            "track_id": track_id,
            "shot_id": shot["shot_id"],
            "video_id": shot["video_id"],
            "start_frame": path.start,
            "end_frame": end,
            "start_s": float(frames.times[path.start]),
            "end_s": last_s,
            "coverage": len(path.boxes) / (shot["end_frame"] - shot["start_frame"]),
            "detections": len(track.frames),
            "score": round(float(np.mean(track.scores)), 4),
            "face_height": round(seen.height / frames.picture_height, 5),
            "sharpness": round(seen.sharpness, 4),
            "brightness": round(seen.brightness, 4),
        }
    )
    found.faces.append(_boxes(track_id, track, path, frames))


def _boxes(track_id: str, track: tracking.Track, path: tracking.Path, frames: Frames) -> pa.Table:
    """Return the rows of `faces` for a track; boxes are clipped to the frame and rounded."""
    numbers = np.arange(path.start, path.start + len(path.boxes))
    limits = np.array([frames.width, frames.height] * 2, np.float32)
    boxes = np.round(np.clip(path.boxes, 0, limits), 2)
    scores = dict(zip(track.frames, track.scores, strict=True))
    return pa.table(
        {
            "track_id": pa.array([track_id] * len(numbers), pa.string()),
            "frame": pa.array(numbers, pa.int64()),
            "time_s": pa.array(frames.times[numbers], pa.float64()),
            **{
                name: pa.array(boxes[:, k], pa.float32())
                for k, name in enumerate(("x1", "y1", "x2", "y2"))
            },
            "score": pa.array([scores.get(int(n)) for n in numbers], pa.float32()),
            "interpolated": pa.array(path.interpolated, pa.bool_()),
        },
        schema=tables.FACES.schema,
    )


def _thumbnail(
    shot_id: str,
    sampled: list[int],
    tracks: list[tracking.Track],
    frames: Frames,
    found: Found,
    folder: Path,
) -> None:
    """Write a thumbnail of the shot: the sample with the most faces, or the middle one."""
    middle = (len(sampled) - 1) / 2
    seen = {frame: sum(frame in track.frames for track in tracks) for frame in sampled}
    index = max(range(len(sampled)), key=lambda n: (seen[sampled[n]], -abs(n - middle)))
    picture = frames.samples.picture(sampled[index])
    scale = min(1.0, _THUMBNAIL / max(picture.shape[:2]))
    size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    cv2.imwrite(
        str(folder / "thumbnails" / f"{shot_id}.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 80]
    )
    found.thumbnails[shot_id] = sampled[index]
