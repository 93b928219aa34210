"""Predict the effect of other thresholds on a dataset, without decoding or writing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
import yaml

from caer_data.curate import filter as filter_stage
from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError

FIELDS: Final = (
    *(f"filter.{name}" for name in recipes.Filter.model_fields if name != "speaker_decides"),
    "clips.min_seconds",
    "clips.min_frames",
)
"""Fields that can be tried; others would require another analysis of the videos."""

_NOT_OF_THE_FILTER: Final = ("failed", "by_hand", "forgotten")


def parse(assignments: Sequence[str]) -> dict[str, Any]:
    """Return values by field, from texts such as `filter.min_face_height=0.08`.

    Raises:
        CaerError: a text is malformed, or the field cannot be tried.
    """
    found: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or name not in FIELDS:
            raise CaerError(
                f"--try {text}: give FIELD=VALUE with one of {', '.join(FIELDS)}; other fields "
                "need a build, into another folder"
            )
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise CaerError(f"--try {text}: {value} is not a valid value") from error
    return found


def changed(recipe: recipes.Recipe, values: Mapping[str, Any]) -> recipes.Recipe:
    """Return the recipe with other values.

    Raises:
        CaerError: a value does not fit its field.
    """
    whole = recipe.model_dump(mode="python")
    for name, value in values.items():
        section, field = name.split(".")
        whole[section][field] = value
        if name == "clips.min_frames" and value is not None:
            whole["clips"]["min_seconds"] = None
        if name == "clips.min_seconds" and value is not None:
            whole["clips"]["min_frames"] = None
    return recipes.load(whole)


def judged(dataset: Dataset, recipe: recipes.Recipe) -> pd.DataFrame:
    """Return the status and reason of every clip of a build under another recipe.

    Clips that could not be cut stay `failed`, and clips of absent videos are unchanged. Repeats are
    those that the build found.

    Returns:
        `status` and `reason`, indexed like the table `clips`.
    """
    clips = dataset.clips
    by_shot = {
        str(shot): own for shot, own in dataset.tracks.groupby("shot_id", sort=False, observed=True)
    }
    nobody = tables.empty(tables.TRACKS)
    rows = []
    for clip in clips.to_dict("records"):
        if clip["status"] == "absent" or clip["reason"] in _NOT_OF_THE_FILTER:
            rows.append((clip["status"], clip["reason"]))
            continue
        start, end = int(clip["start_frame"]), int(clip["end_frame"])
        short = recipe.clips.too_short(end - start, clip["end_s"] - clip["start_s"])
        seen = by_shot.get(clip["shot_id"], nobody)
        row = filter_stage.judge(seen, start, end, recipe.filter, short)
        again = clip["repeat_score"]
        if row["status"] == "kept" and pd.notna(again) and again >= _repeats(recipe):
            row |= {"status": "dropped", "reason": "repeated"}
        rows.append((row["status"], row["reason"]))
    return pd.DataFrame(rows, columns=["status", "reason"], index=clips.index, dtype=object)


def _repeats(recipe: recipes.Recipe) -> float:
    """Return the score from which a clip is dropped as a repeat."""
    least = recipe.filter.min_repeat_score
    return float("inf") if least is None else least


def effects(dataset: Dataset, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what would change if the dataset were built with other values.

    Args:
        dataset: a complete build.
        values: values by field, as returned by `parse`.

    Returns:
        `values`; `kept` and `would_keep`: numbers of clips; `moves`: one entry per change with
        `before`, `after` (a reason, or kept), `clips` and `examples`; `rated`: rated clips that
        would no longer be kept.

    Raises:
        CaerError: a value does not fit its field.
    """
    recipe = dataset.recipe
    other = changed(recipe, values)
    if _repeats(other) < _repeats(recipe):
        raise CaerError(
            f"--try filter.min_repeat_score={_repeats(other)}: no scores are known below the "
            "recipe's limit; build into another folder"
        )
    clips, now = dataset.clips, judged(dataset, recipe)
    then = judged(dataset, other)
    frame = pd.DataFrame(
        {
            "clip_id": clips["clip_id"],
            "clip_key": clips["clip_key"],
            "before": now["reason"].where(now["status"] == "dropped", "kept"),
            "after": then["reason"].where(then["status"] == "dropped", "kept"),
        }
    )
    differing = frame[frame["before"] != frame["after"]]
    moves = [
        {
            "before": before,
            "after": after,
            "clips": len(own),
            "examples": own["clip_id"].head(3).tolist(),
        }
        for (before, after), own in differing.groupby(["before", "after"], observed=True)
    ]
    lost = differing[differing["before"] == "kept"]["clip_key"].dropna()
    rated = set(dataset.ratings["clip_key"].dropna()) if dataset.has(tables.RATINGS) else set()
    return {
        "values": dict(values),
        "kept": int((frame["before"] == "kept").sum()),
        "would_keep": int((frame["after"] == "kept").sum()),
        "moves": sorted(moves, key=lambda move: -move["clips"]),
        "rated": int(lost.isin(rated).sum()),
    }
