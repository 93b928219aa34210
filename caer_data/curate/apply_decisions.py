"""Applies decisions about clips by hand: which to keep or drop, and which target they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from caer_data.curate import filter as filter_stage
from caer_data.curate import keeping, sightings
from caer_data.engine import identity, tables
from caer_data.engine import recipe as recipes
from caer_data.engine.decisions import Decision
from caer_data.engine.identity import Anchor, Box

KINDS = ("keep", "drop", "target")

_PLACE = (
    "clip_id", "shot_id", "video_id", "show", "episode", "start_frame", "end_frame", "start_pts",
    "end_pts", "start_s", "end_s",
)  # fmt: skip


def apply(
    clips: pd.DataFrame,
    video: Mapping[str, Any],
    tracks: pd.DataFrame,
    faces: pd.DataFrame,
    decisions: Sequence[Decision],
    recipe: recipes.Recipe,
) -> pd.DataFrame:
    """Return the rows of `clips` of one video after decisions by hand.

    A target chosen by hand is judged like one chosen by the filter, but without considering rivals.
    A clip is kept by hand only if it has a target. If a clip was both kept and dropped, the last
    decision counts.

    Args:
        clips: the clips as filtered.
        video: the row of `videos`.
        tracks: its tracks, with `person_id`.
        faces: its rows of `faces`.
        decisions: decisions in order; those about other videos are ignored.
        recipe: the recipe with thresholds.
    """
    own = [row for row in decisions if row.kind in KINDS and _is_about(row, video)]
    if not own or clips.empty:
        return clips
    rows = {row["clip_id"]: row for row in tables.records(clips)}
    for row in own:
        if row.kind == "target":
            _choose_target(rows, row, video, tracks, faces, recipe)
    changed = tables.frame(tables.CLIPS, [keeping.without_na(row) for row in rows.values()])
    found = keeping.middle_anchors(changed, dict(video), tracks, faces)
    today = dict(zip(changed["clip_id"], found, strict=True))
    for row in own:
        name = _clip_of(row.about[0], today)
        if row.kind == "target" or name is None:
            continue
        if row.kind == "drop":
            rows[name] |= {"status": "dropped", "reason": "by_hand"}
        elif isinstance(rows[name]["person_id"], str):
            rows[name] |= {"status": "kept", "reason": None}
    return tables.frame(tables.CLIPS, [keeping.without_na(row) for row in rows.values()])


def without_spans(clips: pd.DataFrame, spans: Sequence[tuple[int, int]]) -> pd.DataFrame:
    """Return the rows of `clips` of one video; clips that overlap a span keep only their position.

    Args:
        clips: its clips.
        spans: forgotten spans: first timestamp and one past the last.
    """
    if not spans:
        return clips
    rows = tables.records(clips)
    for number, row in enumerate(rows):
        if any(start < row["end_pts"] and row["start_pts"] < end for start, end in spans):
            span = {name: row[name] for name in _PLACE}
            rows[number] = span | {"status": "dropped", "reason": "forgotten"}
    return tables.frame(tables.CLIPS, [keeping.without_na(row) for row in rows])


def _is_about(row: Decision, video: Mapping[str, Any]) -> bool:
    return row.about[0].video_key == str(video["sha256"])


def _choose_target(
    rows: dict[Any, dict[Any, Any]],
    decision: Decision,
    video: Mapping[str, Any],
    tracks: pd.DataFrame,
    faces: pd.DataFrame,
    recipe: recipes.Recipe,
) -> None:
    """Make the person whose face is in the decision's box the target of the clip."""
    span = replace(decision.about[0], box=None)
    spans = {name: _span(row, video) for name, row in rows.items()}
    name = _clip_of(span, spans)
    if name is None:
        return
    row = rows[name]
    inside = tracks[tracks["shot_id"] == row["shot_id"]]
    face = replace(spans[name], box=Box(*decision.content))
    track = sightings.tracks_at(video, inside, faces, [face])[0]
    if track is None:
        return
    person = str(inside.loc[inside["track_id"] == track, "person_id"].iloc[0])
    short = recipe.clips.too_short(
        row["end_frame"] - row["start_frame"], row["end_s"] - row["start_s"]
    )
    rows[name] = {key: row[key] for key in _PLACE} | filter_stage.judge(
        inside, row["start_frame"], row["end_frame"], recipe.filter, short, person
    )


def _span(row: Mapping[Any, Any], video: Mapping[str, Any]) -> Anchor:
    frames = int(row["end_frame"] - row["start_frame"])
    return Anchor(str(video["sha256"]), int(row["start_pts"]), int(row["end_pts"]), frames, None)


def _clip_of(anchor: Anchor, clips: Mapping[Any, Anchor]) -> Any | None:
    answer = identity.resolve([anchor], clips)[0]
    return answer.key if answer.verdict == "same" else None
