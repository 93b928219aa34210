"""Facts for the cards of a rebuilt release: about its clips, and about missing episodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS
from caer_data.export import groups
from caer_data.export.cards.facts import Facts
from caer_data.labels import agreement_measures, vote_text

_BOOTSTRAPS = 1000


def facts(
    whole: Facts,
    every: pd.DataFrame,
    made: pd.DataFrame,
    sources: pd.DataFrame,
    of: str,
    repeated: pd.DataFrame | None,
    seed: int,
) -> Facts:
    """Return the facts about the clips of a rebuild.

    Args:
        whole: facts of the release that was rebuilt.
        every: its manifest.
        made: the manifest of the rebuild.
        sources: all source videos.
        of: hash of the release's manifest.
        repeated: pairs of clips with the same footage; None if not searched.
        seed: seed for the interval of the agreement.
    """
    clips, all_clips = _clips(made), _clips(every)
    about = {
        **whole.about,
        "clips": len(clips),
        "shows": int(clips["show"].nunique()),
        "episodes": int(clips["video_id"].nunique()),
        "people": int(clips["person_id"].nunique()),
        "seconds": round(float((clips["end_s"] - clips["start_s"]).sum()), 3),
        "rebuilt": _rebuilt(clips, all_clips, sources, of),
    }
    if len(clips) == len(all_clips):
        return replace(whole, about=about)
    votes = clips["votes"].astype(str)
    return replace(
        whole,
        about=about,
        funnel=(*whole.funnel, ("clips rebuilt here", len(clips))),
        table1=table1(clips),
        split=_split(whole, clips, repeated),
        agreement=agreement(votes, seed) if whole.agreement else {},
        raters=vote_text.count_raters(votes),
    )


def missing_episodes(clips: pd.DataFrame, every: pd.DataFrame, sources: pd.DataFrame) -> list[Any]:
    """Return episodes without any clip: show, episode, clips, and duration in seconds."""
    gone = every[~every["video_id"].isin(clips["video_id"])]
    counts = gone["video_id"].value_counts()
    lost = sources[sources["video_id"].isin(counts.index)]
    return [
        {
            "show": row.show,
            "episode": row.episode,
            "clips": int(counts[row.video_id]),
            "duration_s": None if pd.isna(row.duration_s) else round(float(row.duration_s), 1),
        }
        for row in tables.rows(lost)
    ]


def _rebuilt(
    clips: pd.DataFrame, every: pd.DataFrame, sources: pd.DataFrame, of: str
) -> dict[str, Any]:
    counts = clips["rebuilt"].value_counts()
    return {
        "of": of,
        "clips": len(every),
        **{str(word): int(counts[word]) for word in sorted(counts.index)},
        "missing": missing_episodes(clips, every, sources),
    }


def _clips(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return one row per clip; if layouts have different splits, the first one counts."""
    return manifest.drop_duplicates("clip_id")


def table1(clips: pd.DataFrame) -> tuple[dict[str, Any], ...]:
    """Return clips, frames and share of each emotion, from one manifest row per clip."""
    rows = []
    for emotion in EMOTIONS:
        own = clips[clips["emotion"] == emotion]
        frames = int((own["end_frame"] - own["start_frame"]).sum())
        share = len(own) / len(clips)
        rows.append({"emotion": emotion, "clips": len(own), "frames": frames, "share": share})
    return tuple(rows)


def _split(
    whole: Facts, clips: pd.DataFrame, repeated: pd.DataFrame | None
) -> tuple[dict[str, Any], ...]:
    """Return the split table of the clips in the rebuild, with the original request."""
    by = str(whole.about["by"])
    if "scene" in groups.words_of(by) and repeated is not None:
        clips = groups.with_scenes(clips, repeated)
    together = groups.groups_of(clips, by)
    totals = clips["emotion"].value_counts()
    rows: list[dict[str, Any]] = []
    for row in whole.split:
        inside = clips["split"] == row["split"]
        counts = clips.loc[inside, "emotion"].value_counts()
        of_emotion: dict[str, Any] = {}
        for emotion in EMOTIONS:
            count = int(counts.get(emotion, 0))
            of_emotion[emotion] = count
            of_emotion[f"{emotion}_share"] = count / max(int(totals.get(emotion, 0)), 1)
        facts = {
            "reached": float(inside.mean()),
            "clips": int(inside.sum()),
            "groups": int(together[inside].nunique()),
        }
        rows.append({**row, **facts, **of_emotion})
    return tuple(rows)


def agreement(votes: Sequence[str] | pd.Series, seed: int) -> dict[str, float]:
    """Return the agreement over the clips of a rebuild, from the manifest's votes."""
    counts = np.zeros((len(votes), len(EMOTIONS)))
    for row, text in enumerate(votes):
        for vote in vote_text.parse(text):
            if vote.emotion in EMOTIONS:
                counts[row, EMOTIONS.index(vote.emotion)] += 1
    low, high = agreement_measures.alpha_interval(counts, _BOOTSTRAPS, seed)
    sums = counts.sum(axis=1)
    equal = counts[sums == sums.max(initial=0)]
    values = {
        "alpha": agreement_measures.krippendorff_alpha(counts),
        "alpha_low": low,
        "alpha_high": high,
        "fleiss_kappa": agreement_measures.fleiss_kappa(equal),
    }
    return {} if math.isnan(values["alpha"]) else values
