"""The funnel: how many videos, shots and clips were found, dropped by each reason, and kept.

This module defines the meaning of the reasons, with the score and the recipe's limit of each;
`inspect`, the report and the cards use it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import pandas as pd

from caer_data.engine import tables
from caer_data.engine.recipe import Recipe


@dataclass(frozen=True)
class Reason:
    """Why a clip is dropped.

    Attributes:
        meaning: the reason in words.
        score: column of `clips` that is tested, or `frames` or `seconds` of the clip; may be empty.
        limit: field of the recipe that the score is compared with.
        sign: relation of score and limit for which the clip is dropped.
    """

    meaning: str
    score: str = ""
    limit: str = ""
    sign: str = "<"


REASONS: Final = {
    "too_short": Reason("it is too short", "seconds", "clips.min_seconds"),
    "no_face": Reason("it shows no face"),
    "group": Reason("it shows too many people", "n_people", "filter.max_people", ">"),
    "too_brief": Reason(
        "its target is visible in too little of it", "coverage", "filter.min_coverage"
    ),
    "ambiguous": Reason(
        "another person is about as prominent", "dominance", "filter.min_dominance"
    ),
    "too_small": Reason("the target's face is too small", "face_height", "filter.min_face_height"),
    "blurred": Reason("the target's face is blurred", "sharpness", "filter.min_sharpness"),
    "too_dark": Reason("the target's face is too dark", "brightness", "filter.min_brightness"),
    "repeated": Reason("it repeats another clip", "repeat_score", "filter.min_repeat_score", ">="),
    "failed": Reason("it could not be cut from its video"),
    "by_hand": Reason("it was dropped by hand"),
    "forgotten": Reason("it shows something forgotten"),
}
"""Reasons for dropping a clip, in the order in which the filter tries them."""

COLUMNS: Final = ("step", "of", "change", "count", "seconds", "share", "meaning")


def funnel(videos: pd.DataFrame, shots: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Count what remains after each step of a build, and what each reason removed.

    Args:
        videos: the table `videos`.
        shots: the table `shots`.
        clips: the table `clips`.

    Returns:
        One row per step in order, with the columns

        - `step`: found, failed, duplicate, shots, clips, a reason of `REASONS`, or kept;
        - `of`: what is counted: videos, shots or clips;
        - `change`: `left` if the row counts what remains, `lost` if it counts what was removed;
        - `count`, and `seconds`: their total length as far as it is known;
        - `share`: share of all videos, shots or clips;
        - `meaning`: the step in words.

        Reasons that removed nothing have no row.
    """
    lengths = videos["duration_s"].astype(float).fillna(0.0)
    status, reason = videos["status"], clips["reason"]
    shot_lengths = (shots["end_s"] - shots["start_s"]).astype(float)
    clip_lengths = (clips["end_s"] - clips["start_s"]).astype(float)
    steps = [
        ("found", "videos", "left", "video files below the shows folder", None, lengths),
        ("failed", "videos", "lost", "could not be read", status == "failed", lengths),
        ("duplicate", "videos", "lost", "repeat another file's content", status == "duplicate",
         lengths),
        ("shots", "shots", "left", "frames between two cuts", None, shot_lengths),
        ("clips", "clips", "left", "shots, the long ones divided", None, clip_lengths),
        *(
            (name, "clips", "lost", why.meaning, reason.eq(name).fillna(False), clip_lengths)
            for name, why in REASONS.items()
        ),
        ("kept", "clips", "left", "one clear person each", clips["status"].isin(tables.PRESENT),
         clip_lengths),
    ]  # fmt: skip
    rows = [_step(*step) for step in steps]
    counted = [row for row in rows if row["count"] or row["change"] == "left"]
    return pd.DataFrame(counted, columns=list(COLUMNS))


def _step(
    step: str, of: str, change: str, meaning: str, chosen: pd.Series | None, lengths: pd.Series
) -> dict[str, Any]:
    """Return one row of the funnel; `chosen` selects what it counts (None means all)."""
    rows = lengths if chosen is None else lengths[chosen]
    return {
        "step": step,
        "of": of,
        "change": change,
        "count": len(rows),
        "seconds": float(rows.sum()),
        "share": len(rows) / len(lengths) if len(lengths) else 0.0,
        "meaning": meaning,
    }


def in_force(reason: Reason, recipe: Recipe) -> Reason:
    """Return a reason with the recipe's score and limit, since clips may be limited by frames."""
    if reason.limit == "clips.min_seconds" and recipe.clips.min_frames is not None:
        return replace(reason, score="frames", limit="clips.min_frames")
    return reason


def limit_of(reason: Reason, recipe: Recipe) -> Any:
    """Return the recipe's value of a reason's limit."""
    section, field = reason.limit.split(".")
    return getattr(getattr(recipe, section), field)


def label(step: Mapping[Any, Any]) -> str:
    """Return the name of a row: `videos found`, `shots`, `no_face`, `clips kept`."""
    return f"{step['of']} {step['step']}" if step["step"] in ("found", "kept") else step["step"]


def score_text(clip: Mapping[Any, Any], recipe: Recipe) -> str:
    """Return why a clip was dropped, with its score and the recipe's limit; empty if it was kept.

    For example `blurred: sharpness 0.05 < 0.08`. The scores of a kept clip are in its columns.
    """
    name = clip["reason"]
    if pd.isna(name):
        return ""
    reason = in_force(REASONS[name], recipe)
    if not reason.score:
        return str(name)
    lengths = {
        "frames": clip["end_frame"] - clip["start_frame"],
        "seconds": round(float(clip["end_s"] - clip["start_s"]), 6),
    }
    value = lengths[reason.score] if reason.score in lengths else clip[reason.score]
    limit = limit_of(reason, recipe)
    # Rounded down, so that a score just below its limit does not look equal to it.
    shown = f"{math.floor(value * 1000) / 1000:g}" if isinstance(value, float) else f"{value}"
    text = f"{name}: {reason.score} {shown} {reason.sign} {limit}"
    of = clip["repeat_of"] if name == "repeated" else None
    return text if pd.isna(of) else f"{text}, the same as {of}"


def duration_text(seconds: float) -> str:
    """Return a duration in a suitable unit: 48 s, 12.5 min, 3.2 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
