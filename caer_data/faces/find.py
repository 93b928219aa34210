"""Find the faces of one video: detect, follow within each shot, embed, and score.

A shot is first looked at in a few samples; where none of them shows a face it is left at that.
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
from caer_data.faces.models.interface import Chips, Detections, Picture
from caer_data.faces.search import Frames, Models, look

_THUMBNAIL = 320
_PORTRAIT = 112
_SAME_PLACE = 1.3  # of the embedder's threshold: a face that goes on where one broke off
_FACE = 96  # side at which sharpness is judged, px: the size of the face stream's input


@dataclass
class Found:
    """What the stage leaves: rows of `tracks`, faces as Arrow, one embedding a track."""

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
    """Find the faces of a video's shots and write them into a piece's folder.

    Writes `tracks.parquet`, `faces.parquet`, `embeddings.npy` (n, dimensions; NaN where none),
    `thumbnails/<shot_id>.jpg`, `portraits/<track_id>.jpg`, and `thumbnails.json` (their frames).

    Args:
        shots: the video's rows of `shots`.
        frames: its frames.
        models: detector and embedder.
        settings: the recipe's section on faces.
        folder: where to write.
        on_shot: called with each finished shot's length, s.
        tracks: tracks that were found elsewhere, in place of looking for faces.
    """
    from caer_data.engine.pieces import write_json

    (folder / "thumbnails").mkdir()
    (folder / "portraits").mkdir()
    found = Found()
    for shot in shots.to_dict("records"):
        sampled = frames.samples.between(shot["start_frame"], shot["end_frame"])
        if sampled:
            if tracks is None:
                own = _follow(sampled, frames, models, settings)
            else:
                own = tracking.among(tracks, sampled)
            for number, track in enumerate(own, 1):
                _describe(shot, number, track, frames, models, settings, found, folder)
            _thumbnail(shot["shot_id"], sampled, own, frames, found, folder)
        on_shot(shot["end_s"] - shot["start_s"])
    tables.write(
        tables.TRACKS, tables.frame(tables.TRACKS, found.tracks), folder / "tracks.parquet"
    )
    tables.write_arrow(tables.FACES, found.faces, folder / "faces.parquet")
    size = (len(found.embeddings), models.embedder.dimensions)
    stacked = np.array(found.embeddings, np.float32).reshape(size)
    np.save(folder / "embeddings.npy", stacked)
    write_json(folder / "thumbnails.json", found.thumbnails)


def _follow(
    sampled: list[int], frames: Frames, models: Models, settings: recipes.Faces
) -> list[tracking.Track]:
    """Find the faces of one shot and follow them through it."""
    tracks = tracking.associate(
        look(sampled, frames, models, settings),
        frames.times,
        settings.min_iou,
        settings.max_gap_s,
        settings.min_detections,
        models.min_score,
    )

    def alike(first: tracking.Track, second: tracking.Track) -> bool:
        ends = (first, len(first.frames) - 1), (second, 0)
        chips = [_chip(track, place, frames, models) for track, place in ends]
        a, b = models.embedder.embed(np.concatenate(chips))
        # the place speaks for one person already: only another face tells them apart
        return float(np.linalg.norm(a - b)) <= _SAME_PLACE * models.embedder.threshold

    return tracking.rejoin(tracks, frames.times, settings.max_gap_s, alike)


def _describe(
    shot: dict[str, Any],
    number: int,
    track: tracking.Track,
    frames: Frames,
    models: Models,
    settings: recipes.Faces,
    found: Found,
    folder: Path,
) -> None:
    """Add one track's row, boxes and embedding."""
    track_id = f"{shot['shot_id']}.t{number}"
    path = tracking.path_of(
        track,
        shot["start_frame"],
        shot["end_frame"] - 1,
        frames.times,
        1 / settings.samples_per_second,
    )
    end = path.start + len(path.boxes)
    looks = [
        _quality(_crop(frames, frame, box))
        for frame, box in zip(track.frames, track.boxes, strict=True)
    ]
    sharpness = np.array([sharp for sharp, _ in looks])
    heights = np.array([box[3] - box[1] for box in track.boxes])
    best = np.argsort(-(np.array(track.scores) + 2) * heights * (0.2 + sharpness), kind="stable")
    found.embeddings.append(_embed(track, best[: settings.embeddings_per_track], frames, models))
    portrait = _crop(frames, track.frames[best[0]], track.boxes[best[0]])
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
            "face_height": round(float(np.median(heights)) / frames.picture_height, 5),
            "sharpness": round(float(np.median(sharpness)), 4),
            "brightness": round(float(np.median([bright for _, bright in looks])), 4),
        }
    )
    found.faces.append(_boxes(track_id, track, path, frames))


def _boxes(track_id: str, track: tracking.Track, path: tracking.Path, frames: Frames) -> pa.Table:
    """Rows of `faces` for a track; boxes are kept inside the frame, to a hundredth of a pixel."""
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


def _crop(frames: Frames, frame: int, box: npt.NDArray[np.float32]) -> Picture:
    """A face's part of a sample; a view, which keeps the whole picture in memory."""
    picture = frames.samples.picture(frame)
    scale = picture.shape[1] / frames.width
    x1, y1 = np.maximum(np.floor(box[:2] * scale).astype(int), 0)
    x2, y2 = np.ceil(box[2:] * scale).astype(int)
    crop = picture[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
    return crop if crop.size else picture[-1:, -1:]


def _quality(crop: Picture) -> tuple[float, float]:
    """Sharpness and brightness of a face, both 0 to 1."""
    grey = cv2.cvtColor(cv2.resize(crop, (_FACE, _FACE)), cv2.COLOR_BGR2GRAY).astype(np.float32)
    # Laplacian energy against contrast, so that dark or flat light is not taken for blur; the
    # constant puts a face in focus at about one half.
    energy = float(cv2.Laplacian(grey, cv2.CV_32F).var()) / (float(grey.var()) + 25.0)
    return energy / (energy + 0.15), float(grey.mean()) / 255


def _embed(
    track: tracking.Track, chosen: npt.NDArray[np.int64], frames: Frames, models: Models
) -> npt.NDArray[np.float32]:
    """Mean embedding over a track's best faces."""
    chips = [_chip(track, place, frames, models) for place in sorted(int(p) for p in chosen)]
    vectors = models.embedder.embed(np.concatenate(chips))
    mean: npt.NDArray[np.float32] = np.mean(vectors, axis=0).astype(np.float32)
    return mean


def _chip(track: tracking.Track, place: int, frames: Frames, models: Models) -> Chips:
    """One face of a track, cut out for the embedder."""
    picture = frames.samples.picture(track.frames[place])
    scale = np.float32(picture.shape[1] / frames.width)
    points = track.points[place]
    face = Detections(
        boxes=track.boxes[place][None] * scale,
        scores=np.array([track.scores[place]], np.float32),
        points=None if points is None else points[None] * scale,
    )
    return models.embedder.align(picture, face)


def _thumbnail(
    shot_id: str,
    sampled: list[int],
    tracks: list[tracking.Track],
    frames: Frames,
    found: Found,
    folder: Path,
) -> None:
    """Keep a small picture of the shot: where most faces are seen, else its middle."""
    middle = (len(sampled) - 1) / 2
    seen = {frame: sum(frame in track.frames for track in tracks) for frame in sampled}
    place = max(range(len(sampled)), key=lambda n: (seen[sampled[n]], -abs(n - middle)))
    picture = frames.samples.picture(sampled[place])
    scale = min(1.0, _THUMBNAIL / max(picture.shape[:2]))
    size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    cv2.imwrite(
        str(folder / "thumbnails" / f"{shot_id}.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 80]
    )
    found.thumbnails[shot_id] = sampled[place]
