"""Data of one video or one clip for the page: shots, tracks, clips, boxes by frame."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import pandas as pd

from caer_data.curate.funnel import REASONS, in_force, limit_of, score_text
from caer_data.engine.decisions import Decisions
from caer_data.view.catalogue import Catalogue, plain, scores
from caer_data.view.noted import about_cuts

_DROPS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    ">": operator.gt,
    ">=": operator.ge,
}


def videos(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Return all videos with their numbers of shots, clips and kept clips."""
    shots = catalogue.shots["video_id"].value_counts()
    clips = catalogue.clips["video_id"].value_counts()
    kept = catalogue.clips.loc[catalogue.clips["status"] != "dropped", "video_id"].value_counts()
    names = ["video_id", "show", "episode", "status", "reason", "duration_s", "width", "height"]
    return [
        plain(row)
        | {
            "shots": int(shots.get(row["video_id"], 0)),
            "clips": int(clips.get(row["video_id"], 0)),
            "kept": int(kept.get(row["video_id"], 0)),
        }
        for row in catalogue.videos[names].to_dict("records")
    ]


def video(catalogue: Catalogue, decisions: Decisions, video_id: str) -> dict[str, Any]:
    """Return a video with its shots, tracks and clips in order of time, and decisions on cuts.

    Raises:
        UnknownNameError: there is no such video.
    """
    row = catalogue.row("videos", video_id)
    names = ["video_id", "show", "episode", "status", "duration_s", "fps", "frames"]
    span = ["start_s", "end_s", "start_frame", "end_frame"]
    return plain({name: row[name] for name in names}) | {
        "cuts": about_cuts(row, decisions),
        "shots": _of(catalogue.shots, video_id, ["shot_id", *span, "cut", "cut_score"]),
        "tracks": _of(
            catalogue.tracks,
            video_id,
            ["track_id", "shot_id", "person_id", "start_s", "end_s", "face_height"],
        ),
        "clips": _of(
            catalogue.clips,
            video_id,
            ["clip_id", "clip_key", "shot_id", *span, "status", "reason", "emotion", "person_id"],
        ),
    }


def _of(frame: pd.DataFrame, video_id: str, names: list[str]) -> list[dict[str, Any]]:
    own = frame[frame["video_id"] == video_id].sort_values("start_s", kind="stable")
    return [plain(row) for row in own[names].to_dict("records")]


def clip(catalogue: Catalogue, name: str) -> dict[str, Any]:
    """Return everything about a clip: span, scores with limits, votes, label, boxes, neighbours.

    Raises:
        UnknownNameError: there is no such clip.
    """
    row = catalogue.clip(name)
    names = [
        "clip_id",
        "clip_key",
        "shot_id",
        "video_id",
        "show",
        "episode",
        "status",
        "reason",
        "person_id",
        "track_id",
        "start_s",
        "end_s",
        "start_frame",
        "end_frame",
        "seconds",
        "n_people",
        "emotion",
        "label",
        "label_reason",
        "pattern",
        "agreement",
        "confidence",
        "split",
        "has_audio",
        "place",
    ]
    return plain({key: row[key] for key in names}) | {
        "scores": scores(row),
        "checks": checks(catalogue, row),
        "meaning": REASONS[row["reason"]].meaning if row["reason"] in REASONS else None,
        "why": score_text(row, catalogue.dataset.recipe),
        "votes": catalogue.answers(row["clip_key"]) if isinstance(row["clip_key"], str) else [],
        "has_media": isinstance(row["path"], str),
        "fps": float(Fraction(row["fps"])) if isinstance(row["fps"], str) else None,
        "tracks": _boxes(catalogue, row),
    }


def checks(catalogue: Catalogue, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each limit of the filter with this clip's score; `passed` is None without a score."""
    recipe = catalogue.dataset.recipe
    found = []
    values = row | {"frames": row["end_frame"] - row["start_frame"]}
    for name, known in REASONS.items():
        reason = in_force(known, recipe)
        if not reason.score:
            continue
        value, limit = values[reason.score], limit_of(reason, recipe)
        missing = value is None or pd.isna(value)
        fails = not missing and _DROPS[reason.sign](value, limit)
        found.append(
            plain(
                {
                    "reason": name,
                    "score": reason.score,
                    "value": value,
                    "limit": limit,
                    "field": reason.limit,
                    "sign": reason.sign,
                    "passed": None if missing else not fails,
                }
            )
        )
    return found


def _boxes(catalogue: Catalogue, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tracks in a clip, with boxes as shares of the frame, by frame of the clip."""
    of = catalogue.videos.loc[row["video_id"]]
    faces = catalogue.boxes(row["shot_id"])
    start, end = int(row["start_frame"]), int(row["end_frame"])
    faces = faces[(faces["frame"] >= start) & (faces["frame"] < end)].sort_values("frame")
    sides = faces[["x1", "y1", "x2", "y2"]].astype(float).to_numpy()
    sides = (sides / [of["width"], of["height"], of["width"], of["height"]]).round(4)
    rows = zip(faces["track_id"], (faces["frame"] - start).tolist(), sides.tolist(), strict=True)
    found = []
    by_track = sorted(rows, key=lambda one: (one[0], one[1]))
    for track_id, own in itertools.groupby(by_track, key=lambda one: one[0]):
        boxes = [[frame, *box] for _, frame, box in own]
        person = catalogue.tracks.loc[track_id, "person_id"]
        found.append(
            plain({"track_id": track_id, "person_id": person, "target": person == row["person_id"]})
            | {"boxes": boxes}
        )
    return found
