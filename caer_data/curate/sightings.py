"""Anchors of tracks, and finding the current track of an anchor.

The anchor of a track is its span with the box in its middle frame. The track is found again by the
box at that time, even if its name or its ends have changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

import pandas as pd

from caer_data.engine import identity, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.identity import Anchor, Box

_SLACK_S: Final = 0.5
"""Tolerance of the start and end of a track, which depend on the detector, s."""

_SIDES: Final = ["x1", "y1", "x2", "y2"]


def share(box: Sequence[float], video: Mapping[str, Any]) -> Box:
    """Return a box in pixels as shares of the video's frame."""
    sizes = (video["width"], video["height"]) * 2
    return Box(*(min(max(side / size, 0.0), 1.0) for side, size in zip(box, sizes, strict=True)))


def pts_at(video: Mapping[str, Any], seconds: float) -> int:
    """Return the timestamp at a time in seconds from the video's first frame."""
    return int(video["first_pts"]) + round(seconds / float(Fraction(video["time_base"])))


def of_tracks(
    video: Mapping[str, Any], tracks: pd.DataFrame, faces: pd.DataFrame
) -> dict[str, Anchor]:
    """Return the anchor of each track of one video, by `track_id`.

    Args:
        video: the row of `videos`, with `sha256, width, height, first_pts, time_base`.
        tracks: rows of `tracks`.
        faces: their rows of `faces`.
    """
    found = {}
    boxes = dict(iter(faces.groupby("track_id", sort=False, observed=True)))
    for track in tables.records(tracks):
        middle = (track["start_frame"] + track["end_frame"]) // 2
        found[track["track_id"]] = Anchor(
            str(video["sha256"]),
            pts_at(video, track["start_s"]),
            pts_at(video, track["end_s"]),
            int(track["end_frame"] - track["start_frame"]),
            share(_nearest(boxes[track["track_id"]], "frame", middle), video),
        )
    return found


def of_dataset(dataset: Dataset, tracks: pd.DataFrame) -> dict[str, Anchor]:
    """Return the anchors of some tracks of a dataset, by `track_id`."""
    found: dict[str, Anchor] = {}
    path = dataset.path_of(tables.FACES)
    wanted = ["track_id", "frame", "time_s", *_SIDES]
    for video in tables.records(dataset.videos):
        own = tracks[tracks["video_id"] == video["video_id"]]
        if len(own):
            faces = tables.read_some(tables.FACES, path, wanted, track_id=own["track_id"])
            found |= of_tracks(video, own, faces)
    return found


def tracks_at(
    video: Mapping[str, Any], tracks: pd.DataFrame, faces: pd.DataFrame, anchors: Sequence[Anchor]
) -> list[str | None]:
    """Return the current track of each anchor; None if it is not a track of this video.

    Args:
        video, tracks, faces: see `of_tracks`.
        anchors: anchors of tracks, or of a clip with the box of a face in its middle frame.
    """
    own = [a for a in anchors if a.video_key == video["sha256"] and a.box is not None]
    if not own:
        return [None] * len(anchors)
    boxes = dict(iter(faces.groupby("track_id", sort=False, observed=True)))
    return [_track_at(video, tracks, boxes, a) if a in own else None for a in anchors]


def crossing(
    video: Mapping[str, Any], tracks: pd.DataFrame, spans: Sequence[tuple[int, int]]
) -> set[str]:
    """Return the tracks of one video that share frames with a span (end timestamp exclusive)."""
    return {
        str(track["track_id"])
        for track in tables.records(tracks)
        for start, end in spans
        if pts_at(video, track["start_s"]) < end and start < pts_at(video, track["end_s"])
    }


def inside(
    video: Mapping[str, Any], faces: pd.DataFrame, spans: Sequence[tuple[int, int]]
) -> pd.Series[bool]:
    """Return which rows of `faces` of one video are in a span (end timestamp exclusive)."""
    base = float(Fraction(video["time_base"]))
    pts = (faces["time_s"] / base).round().astype("int64") + int(video["first_pts"])
    found = pd.Series(data=False, index=faces.index, dtype=bool)
    for start, end in spans:
        found |= (pts >= start) & (pts < end)
    return found


def _track_at(
    video: Mapping[str, Any],
    tracks: pd.DataFrame,
    boxes: Mapping[Any, pd.DataFrame],
    anchor: Anchor,
) -> str | None:
    middle = (anchor.start_pts + anchor.end_pts) / 2 - int(video["first_pts"])
    at = middle * float(Fraction(video["time_base"]))
    near = tracks[(tracks["start_s"] <= at + _SLACK_S) & (tracks["end_s"] >= at - _SLACK_S)]
    alike = [
        (anchor.box.overlap(box), str(track_id))
        for track_id in near["track_id"]
        if anchor.box is not None
        and identity.same_box(
            anchor.box, box := share(_nearest(boxes[track_id], "time_s", at), video)
        )
    ]
    return max(alike)[1] if alike else None


def _nearest(boxes: pd.DataFrame, column: str, value: float) -> list[float]:
    row = boxes.iloc[int((boxes[column] - value).abs().to_numpy().argmin())]
    return [float(row[side]) for side in _SIDES]
