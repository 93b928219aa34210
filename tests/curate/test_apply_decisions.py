"""Clips by hand: the filter's word is the last only where nobody said anything."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pandas as pd
import pytest
from two_faces import FPS, FRAMES, LEFT, RIGHT, VIDEO, clip, two_faces

from caer_data.curate import apply_decisions
from caer_data.engine import tables
from caer_data.engine.decisions import Decision
from caer_data.engine.recipe import Recipe

DROP = Decision("drop", "ann", (clip(LEFT),))
KEEP = replace(DROP, kind="keep")
TARGET = Decision("target", "ann", (clip(LEFT),), json.dumps([*asdict(RIGHT).values()]))


def filtered(status: str = "kept", reason: str | None = None, target: str | None = "1"):
    row = {
        "clip_id": "v.s0001.c1", "shot_id": "v.s0001", "video_id": "v", "show": "s",
        "episode": "e", "start_frame": 0, "end_frame": FRAMES, "start_pts": 500,
        "end_pts": 500 + FRAMES, "start_s": 0.0, "end_s": FRAMES / FPS, "status": status,
        "reason": reason,
    }  # fmt: skip
    if target:
        row |= {"person_id": f"show.p000{target}", "track_id": f"v.s0001.t{target}"}
    return tables.frame(tables.CLIPS, [row])


def after(clips: pd.DataFrame, *decisions: Decision) -> dict:
    found = apply_decisions.apply(clips, VIDEO, *two_faces(), decisions, Recipe())
    return tables.records(found)[0]


def test_drop_and_keep_overrule_the_filter_and_the_last_counts() -> None:
    row = after(filtered(), DROP)
    assert (row["status"], row["reason"]) == ("dropped", "by_hand")
    assert after(filtered(), DROP, KEEP)["status"] == "kept"
    assert after(filtered("dropped", "ambiguous"), KEEP)["status"] == "kept"


def test_a_clip_without_a_target_is_not_kept() -> None:
    keep = replace(KEEP, about=(clip(None),))
    assert after(filtered("dropped", "no_face", None), keep)["status"] == "dropped"


def test_another_target_is_judged_without_its_rival() -> None:
    row = after(filtered("dropped", "ambiguous"), TARGET)
    assert (row["status"], row["person_id"]) == ("kept", "show.p0002")
    assert row["track_id"] == "v.s0001.t2" and row["coverage"] == 1.0
    strict = Recipe.model_validate({"filter": {"min_face_height": 0.9}})
    found = apply_decisions.apply(filtered(), VIDEO, *two_faces(), [TARGET], strict)
    assert found["reason"].tolist() == ["too_small"]


def test_what_was_said_of_the_new_target_counts_after_it_was_chosen() -> None:
    assert after(filtered(), TARGET, DROP)["status"] == "kept"  # said of the other face
    dropped = replace(DROP, about=(clip(RIGHT),))
    assert after(filtered(), TARGET, dropped)["reason"] == "by_hand"


@pytest.mark.parametrize(
    "about", [clip(RIGHT), clip(LEFT, 30), replace(clip(LEFT), video_key="cd" * 32)]
)
def test_what_is_another_clip_stays_as_it_was(about) -> None:
    assert after(filtered(), replace(DROP, about=(about,)))["status"] == "kept"


def test_of_a_clip_with_what_is_forgotten_only_its_place_is_left() -> None:
    row = tables.records(apply_decisions.without_spans(filtered(), [(550, 551)]))[0]
    assert (row["status"], row["reason"]) == ("dropped", "forgotten")
    assert pd.isna(row["person_id"]) and row["start_pts"] == 500
    assert apply_decisions.without_spans(filtered(), [(0, 500), (600, 700)])["status"].tolist() == [
        "kept"
    ]
