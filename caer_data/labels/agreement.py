"""How well raters agree with each other and with themselves: the evidence behind a label.

All measures use votes (accepted answers that name an emotion) on clips that the dataset keeps.
Answers saying that a clip cannot be judged are only counted. The docstrings and `docs/labels.md`
explain each number and its source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from caer_data.engine import anchors
from caer_data.engine.emotions import EMOTIONS, LABELS
from caer_data.labels import agreement_measures
from caer_data.labels.validate import MADE_UP, votes

CONFIDENCE_STEPS: Final = 4
"""Confidence is rounded to the nearest quarter, the steps of the labelling page."""


@dataclass(frozen=True)
class Agreement:
    """All measures of one dataset's ratings; NaN where there are too few answers."""

    answers: int
    """Votes: accepted answers that name an emotion."""
    made_up: int
    """Votes that were made up for a demonstration."""
    clips: int
    """Clips with at least two answers, on which alpha is measured."""
    complete: int
    """Clips with votes from all their raters, on which Fleiss' kappa is measured."""
    alpha: float
    """Krippendorff's alpha, nominal."""
    alpha_low: float
    """Lower end of the 95 % bootstrap interval of alpha (resampling clips)."""
    alpha_high: float
    """Upper end of the same interval."""
    fleiss_kappa: float
    """Fleiss' kappa."""
    calibration_error: float
    """Mean distance between confidence and accuracy over the steps, weighted by answers."""
    pairs: pd.DataFrame
    """rater_a, rater_b, clips (rated by both), agreement (share of equal answers), kappa (Cohen's).
    """
    emotions: pd.DataFrame
    """emotion, answers, share of all answers, agreement (how often a second rater gives the same
    answer), kappa of this class, clips kept with this label."""
    confusion: pd.DataFrame
    """Seven by seven: how other raters' answers are distributed where one rater chose the row."""
    raters: pd.DataFrame
    """rater, dealt (clips assigned), answers (votes), cannot_judge (answers), refused, compared
    (votes on clips where the others have a consensus), accuracy (share of these that equal it),
    kappa (mean over the other raters), confidence (mean), lead_time_s (median), too_fast and
    edited (shares of votes)."""
    calibration: pd.DataFrame
    """step of confidence, answers, compared, confidence (mean of the compared votes), accuracy."""
    lead_times: pd.DataFrame
    """One row per answer with a lead time: lead_time_s, clip_s (length of the clip)."""
    funnel: pd.DataFrame
    """step (kept, pushed, rated, complete, agreed, confident), clips, share of the first."""
    refused: pd.DataFrame
    """reason, answers."""
    cannot_judge: pd.DataFrame
    """reason why a rater cannot judge, answers, clips, clips dropped for such answers."""


def measure(
    ratings: pd.DataFrame,
    labels: pd.DataFrame,
    clips: pd.DataFrame,
    assignments: pd.DataFrame | None = None,
    *,
    seed: int = 0,
    bootstraps: int = 1000,
) -> Agreement:
    """Measure the agreement of a dataset's ratings; works even if there are none.

    The arguments are tables of the dataset. Without `assignments` (no clip was assigned), the
    funnel has no step `pushed` and raters have no number `dealt`. `seed` and `bootstraps` control
    the interval of alpha.
    """
    kept = anchors.present(clips)[["clip_key", "start_s", "end_s"]]
    ratings_of_kept, labels = _of_kept(ratings, kept), labels[_of_kept(labels, kept)]
    accepted = votes(ratings[ratings_of_kept])
    accepted = accepted.sort_values(["clip_key", "rater"], ignore_index=True)
    unable = (ratings["status"] == "accepted") & ratings["cannot_judge"].notna()
    cannot = ratings[ratings_of_kept & unable]
    counted = _Counted.of(accepted, labels)
    counts, chosen = counted.counts, counted.chosen
    right = _equals_consensus(counts, counted.clip, chosen)
    whole = counted.agreement(seed, bootstraps)
    pairs = _pairs(accepted, chosen)
    calibration = _calibration(accepted["confidence"].to_numpy(np.float64), right)
    compared = calibration["compared"].sum()
    distance = (calibration["accuracy"] - calibration["confidence"]).abs()
    lengths = dict(zip(kept["clip_key"], kept["end_s"] - kept["start_s"], strict=True))
    lead_times = pd.DataFrame(
        {"lead_time_s": accepted["lead_time_s"], "clip_s": accepted["clip_key"].map(lengths)}
    )
    refused = ratings.loc[ratings["status"] == "refused", "reason"].value_counts()
    return Agreement(
        answers=len(accepted),
        made_up=int((accepted["source"] == MADE_UP).sum()),
        clips=int((counts.sum(axis=1) >= 2).sum()),
        complete=int(counted.complete.sum()),
        alpha=whole.alpha,
        alpha_low=whole.alpha_low,
        alpha_high=whole.alpha_high,
        fleiss_kappa=whole.fleiss_kappa,
        calibration_error=float((distance * calibration["compared"]).sum() / compared)
        if compared
        else float("nan"),
        pairs=pairs,
        emotions=_emotions(counts, labels),
        confusion=_confusion(counts),
        raters=_raters(accepted, cannot, right, pairs, ratings, assignments),
        calibration=calibration,
        lead_times=lead_times.dropna(ignore_index=True),
        funnel=_funnel(kept, labels, assignments),
        refused=refused.rename_axis("reason").reset_index(name="answers"),
        cannot_judge=_cannot_judge(cannot, labels),
    )


class Overall(NamedTuple):
    """The measures of a whole dataset, as in `Agreement`."""

    alpha: float
    alpha_low: float
    alpha_high: float
    fleiss_kappa: float


def overall(
    ratings: pd.DataFrame,
    labels: pd.DataFrame,
    clips: pd.DataFrame,
    *,
    seed: int = 0,
    bootstraps: int = 1000,
) -> Overall:
    """Return the measures of `measure` that are about the whole dataset, in less time.

    Args:
        ratings: `clip_key, emotion, status, cannot_judge` of the table `ratings`.
        labels: `clip_key, reason, cannot_judge` of the table `labels`.
        clips: `clip_key, status` of the table `clips`.
        seed: as in `measure`.
        bootstraps: as in `measure`.
    """
    kept = anchors.present(clips)
    accepted = votes(ratings[_of_kept(ratings, kept)])
    counted = _Counted.of(accepted, labels[_of_kept(labels, kept)])
    return counted.agreement(seed, bootstraps)


def _of_kept(rows: pd.DataFrame, kept: pd.DataFrame) -> pd.Series:
    """Return whether each row is about a kept clip."""
    keys = pd.Index(kept["clip_key"].dropna().unique())  # quicker than pandas' isin
    return pd.Series(keys.get_indexer(rows["clip_key"]) >= 0, rows.index)


@dataclass(frozen=True)
class _Counted:
    """Votes as numbers.

    Attributes:
        chosen: class id of each vote.
        clip: number of each vote's clip, in the order of `clip_key`.
        counts: votes for each class by clip, shape (clips, classes).
        complete: whether each clip has votes from all its raters.
    """

    chosen: np.ndarray
    clip: np.ndarray
    counts: np.ndarray
    complete: np.ndarray

    @classmethod
    def of(cls, accepted: pd.DataFrame, labels: pd.DataFrame) -> _Counted:
        chosen = accepted["emotion"].map(LABELS).to_numpy(np.int64)
        clip, names = pd.factorize(accepted["clip_key"], sort=True)
        counts = np.zeros((len(names), len(EMOTIONS)))
        np.add.at(counts, (clip, chosen), 1)
        whole = (labels["reason"] != "incomplete") & labels["cannot_judge"].isna()
        complete = pd.Index(labels.loc[whole, "clip_key"]).get_indexer_for(names)
        return cls(chosen, clip, counts, complete >= 0)

    def agreement(self, seed: int, bootstraps: int) -> Overall:
        low, high = agreement_measures.alpha_interval(self.counts, bootstraps, seed)
        return Overall(
            agreement_measures.krippendorff_alpha(self.counts),
            low,
            high,
            agreement_measures.fleiss_kappa(self.counts[self.complete]),
        )


def _equals_consensus(counts: np.ndarray, clip: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return whether each answer equals the consensus of the clip's other raters: 1, 0, or NaN.

    The consensus is the emotion that most of the others chose. It is NaN if there are no others, or
    if two emotions are tied. The rater is excluded, so that nobody is compared with themselves.
    """
    others = counts[clip]
    others[np.arange(len(chosen)), chosen] -= 1
    most = others.max(axis=1, initial=0)
    clear = (most > 0) & ((others == most[:, None]).sum(axis=1) == 1)
    return np.where(clear, others.argmax(axis=1) == chosen, np.nan)


def _pairs(accepted: pd.DataFrame, chosen: np.ndarray) -> pd.DataFrame:
    answers = accepted[["clip_key", "rater"]].assign(emotion=chosen)
    both = answers.merge(answers, on="clip_key", suffixes=("_a", "_b"))
    both = both[both["rater_a"] < both["rater_b"]]
    n = len(EMOTIONS)
    groups = both.groupby(["rater_a", "rater_b"], observed=True)
    cell = (groups.ngroup() * n + both["emotion_a"]) * n + both["emotion_b"]
    tables = np.bincount(cell, minlength=groups.ngroups * n * n).reshape(-1, n, n)
    agreement, kappa = agreement_measures.cohen_kappas(tables.astype(np.float64))
    pairs = groups.size().reset_index(name="clips")
    return pairs.assign(agreement=agreement, kappa=kappa)


def _emotions(counts: np.ndarray, labels: pd.DataFrame) -> pd.DataFrame:
    answers = counts.sum(axis=0)
    agreement, kappa = agreement_measures.class_agreement(counts)
    kept = labels.loc[labels["status"] == "kept", "emotion"].value_counts()
    return pd.DataFrame(
        {
            "emotion": EMOTIONS,
            "answers": answers.astype(np.int64),
            "share": answers / max(answers.sum(), 1),
            "agreement": agreement,
            "kappa": kappa,
            "clips": kept.reindex(list(EMOTIONS), fill_value=0).to_numpy(np.int64),
        }
    )


def _confusion(counts: np.ndarray) -> pd.DataFrame:
    table = agreement_measures.coincidences(counts)
    sums = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, sums, out=np.full_like(table, np.nan), where=sums > 0)
    return pd.DataFrame(shares, index=list(EMOTIONS), columns=list(EMOTIONS))


def _cannot_judge(cannot: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    dropped = labels.loc[labels["reason"] == "cannot_judge", "clip_key"]
    of_dropped = cannot["clip_key"].where(cannot["clip_key"].isin(dropped))
    groups = cannot.assign(dropped=of_dropped).groupby("cannot_judge", observed=True)
    counts = {
        "answers": groups.size(),
        "clips": groups["clip_key"].nunique(),
        "dropped": groups["dropped"].nunique(),
    }
    return pd.DataFrame(counts).rename_axis("reason").reset_index()


def _raters(
    accepted: pd.DataFrame,
    cannot: pd.DataFrame,
    right: np.ndarray,
    pairs: pd.DataFrame,
    ratings: pd.DataFrame,
    assignments: pd.DataFrame | None,
) -> pd.DataFrame:
    by_rater = accepted.assign(right=right).groupby("rater", observed=True)
    both_ways = [pairs.set_index(name)["kappa"] for name in ("rater_a", "rater_b")]
    refused = ratings.loc[ratings["status"] == "refused", "rater"].value_counts()
    columns = {
        "answers": by_rater.size(),
        "cannot_judge": cannot["rater"].value_counts(),
        "refused": refused,
        "compared": by_rater["right"].count(),
        "accuracy": by_rater["right"].mean(),
        "kappa": pd.concat(both_ways).groupby(level=0, observed=True).mean(),
        "confidence": by_rater["confidence"].mean(),
        "lead_time_s": by_rater["lead_time_s"].median(),
        "too_fast": by_rater["too_fast"].mean(),
        "edited": by_rater["edited"].mean(),
    }
    if assignments is not None:
        columns = {"dealt": assignments["rater"].value_counts(), **columns}
    raters = pd.DataFrame(columns).sort_index().rename_axis("rater").reset_index()
    counts = ("dealt", "answers", "cannot_judge", "refused", "compared")
    whole = [name for name in counts if name in columns]
    return (
        raters.astype(dict.fromkeys(columns, float))
        .fillna(dict.fromkeys(whole, 0))
        .astype(dict.fromkeys(whole, np.int64))
    )


def _calibration(confidence: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """Return the accuracy against the others' consensus, by step of confidence."""
    step = np.round(confidence * CONFIDENCE_STEPS) / CONFIDENCE_STEPS
    known = ~np.isnan(right)
    answers = pd.DataFrame(
        {"step": step, "right": right, "confidence": np.where(known, confidence, np.nan)}
    )
    groups = answers.groupby("step", observed=True)
    return pd.DataFrame(
        {
            "answers": groups.size(),
            "compared": groups["right"].count(),
            "confidence": groups["confidence"].mean(),
            "accuracy": groups["right"].mean(),
        }
    ).reset_index()


def _funnel(
    kept: pd.DataFrame, labels: pd.DataFrame, assignments: pd.DataFrame | None
) -> pd.DataFrame:
    steps = {"kept": len(kept)}
    if assignments is not None:
        steps["pushed"] = int(kept["clip_key"].isin(assignments["clip_key"]).sum())
    reason = labels["reason"].fillna("")
    steps["rated"] = len(labels)
    steps["complete"] = int((reason != "incomplete").sum())
    steps["agreed"] = int((~reason.isin(["incomplete", "cannot_judge", "no_majority"])).sum())
    steps["confident"] = int((labels["status"] == "kept").sum())
    clips = list(steps.values())
    shares = np.array(clips) / max(len(kept), 1)
    return pd.DataFrame({"step": list(steps), "clips": clips, "share": shares})
