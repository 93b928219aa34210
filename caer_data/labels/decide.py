"""Decide one label per clip from its ratings (paper, section 4.1), and record all evidence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS, PROBABILITY_COLUMNS
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Labels
from caer_data.labels import rules, validate


def decide(ratings: pd.DataFrame, settings: Labels, raters_per_clip: int) -> pd.DataFrame:
    """Decide every clip that has an accepted rating; return `tables.LABELS`, sorted by clip.

    A clip is dropped for the first of these reasons that applies:

    - `incomplete`: it has fewer than `raters_per_clip` raters.
    - `cannot_judge`: at least half of its raters cannot judge it. Those raters have no vote, but
      are recorded in the column `cannot_judge`.
    - `no_majority`: the recipe's rule (`caer_data.labels.rules`) gives no label. Ties are never
      broken.
    - `low_confidence`: the mean confidence (of all voters, or of those who chose the emotion) is
      below `min_confidence`.

    Raises:
        CaerError: a clip has more raters than the recipe allows or one rater twice, or the recipe
            requires more raters to agree than each clip has.
    """
    accepted = ratings[ratings["status"] == "accepted"]
    if accepted.empty:
        return tables.empty(tables.LABELS)
    _check(accepted, settings, raters_per_clip)
    ballots = rules.count(accepted)
    outcome = rules.RULES[settings.rule](ballots, settings)
    complete = ballots.raters == raters_per_clip
    judged = 2 * ballots.voters > ballots.raters
    agreed = outcome.agreed & complete & judged
    of_all, of_agreeing = _mean_confidence(ballots, outcome.winner, agreed)
    mean = of_all if settings.confidence_of == "all" else of_agreeing
    kept = agreed & (mean >= settings.min_confidence)
    reason = np.select(
        [kept, ~complete, ~judged, ~agreed],
        ["", "incomplete", "cannot_judge", "no_majority"],
        "low_confidence",
    )
    first = ballots.answers.drop_duplicates("clip_key").reset_index(drop=True)
    data = {
        "clip_key": ballots.clips,
        "clip_id": first["clip_id"],
        "emotion": pd.Series(np.array(EMOTIONS)[outcome.winner]).where(agreed, None),
        "label": pd.Series(outcome.winner, dtype="Int64").where(agreed, None),
        "status": np.where(kept, "kept", "dropped"),
        "reason": pd.Series(reason).where(~kept, None),
        "raters": ballots.raters.astype(np.int64),
        "votes": _votes(ballots),
        "agreement": ballots.counts.max(axis=1, initial=0).astype(np.int64),
        "confidence": mean,
        "confidence_all": of_all,
        "confidence_agreeing": of_agreeing,
        "made_up": _has_made_up(ballots),
        **dict(zip(PROBABILITY_COLUMNS, outcome.shares.T, strict=True)),
        **{name: first[name] for name in anchors.COLUMNS},
        "cannot_judge": _reasons(ballots),
    }
    rows = pd.DataFrame(data).sort_values(["clip_id", "clip_key"], ignore_index=True)
    labels: pd.DataFrame = tables.to_pandas(tables.check(tables.LABELS, rows))
    return labels


def _mean_confidence(
    ballots: rules.Ballots, winner: np.ndarray, agreed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return each clip's mean confidence: of all voters, and of those who chose its emotion.

    Both are rounded to nine places, so that the order of summation does not matter. The second is
    NaN if there is no emotion, or if nobody chose it (which the posterior of Dawid-Skene allows).
    """
    each = np.arange(len(winner))
    supporters = ballots.counts[each, winner]
    of_all = np.round(rules.over(ballots.confidence.sum(axis=1), ballots.voters), 9)
    of_agreeing = np.round(ballots.confidence[each, winner] / np.maximum(supporters, 1), 9)
    of_agreeing[~agreed | (supporters == 0)] = np.nan
    return of_all, of_agreeing


def _has_made_up(ballots: rules.Ballots) -> np.ndarray:
    made_up = ballots.answers["source"] == validate.MADE_UP
    return np.asarray(np.bincount(ballots.row, made_up, len(ballots.clips)) > 0)


def _votes(ballots: rules.Ballots) -> list[list[dict[str, str | float]]]:
    """Return each clip's votes, sorted by rater, for the column `votes`."""
    found: list[list[dict[str, str | float]]] = [[] for _ in ballots.clips]
    answers, row = ballots.answers[ballots.votes], ballots.row[ballots.votes]
    columns = [row, answers["rater"], answers["emotion"], answers["confidence"]]
    for i, rater, emotion, confidence in zip(*columns, strict=True):
        found[i].append({"rater": rater, "emotion": emotion, "confidence": float(confidence)})
    return found


def _reasons(ballots: rules.Ballots) -> list[str | None]:
    """Return for each clip why raters cannot judge it, joined by spaces; None if all can."""
    given = ballots.answers.loc[~ballots.votes, "cannot_judge"]
    said: dict[int, list[str]] = {}
    for clip, reason in zip(ballots.row[~ballots.votes], given, strict=True):
        said.setdefault(clip, []).append(reason)
    return [" ".join(said[clip]) if clip in said else None for clip in range(len(ballots.clips))]


def update(
    dataset: Dataset, fresh: pd.DataFrame, *, snapshot: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Merge ratings into the dataset and decide again; write and return ratings and labels.

    With `snapshot`, `fresh` is everything on the server, as `validate.validate_answers` returns it,
    and replaces all earlier ratings from the server. Ratings that are no longer there stay in the
    table, but are refused. Without it, `fresh` comes from a file, as `csv_import.read` returns it,
    and replaces earlier ratings from files for the same clips and raters.

    Both tables are computed before either is written, so a mistake leaves the dataset unchanged. If
    the process is killed between the two writes, running the same command again completes them.

    Raises:
        CaerError: see `decide`.
    """
    existing = _read(dataset, tables.RATINGS)
    if snapshot:
        existing = _withdrawn(existing, fresh)
        outdated = (
            (existing["source"] == validate.LABEL_STUDIO)
            & existing["source_id"].isin(fresh["source_id"])
        ).to_numpy()
    else:
        key = ["clip_key", "rater", "source"]
        again = pd.MultiIndex.from_frame(fresh[key])
        outdated = pd.MultiIndex.from_frame(existing[key]).isin(again)
    return _write(dataset, existing[~outdated], fresh)


def follow(dataset: Dataset) -> None:
    """Update ratings and labels after a build, or anything else that changed clips.

    Answers to a clip that changed or is gone stay in `ratings`, refused with the reason.
    """
    if dataset.has(tables.RATINGS):
        _write(dataset, dataset.ratings, tables.empty(tables.RATINGS))


def _write(
    dataset: Dataset, existing: pd.DataFrame, fresh: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    recipe, clips = dataset.recipe, dataset.clips
    fresh = anchors.stamp(fresh, anchors.of_clips(clips))
    ratings = validate.merge(existing, fresh, _read(dataset, tables.ASSIGNMENTS), clips)
    labels = decide(ratings, recipe.labels, recipe.annotate.raters_per_clip)
    ratings = tables.to_pandas(tables.check(tables.RATINGS, ratings))
    dataset.write(tables.RATINGS, ratings)
    dataset.write(tables.LABELS, labels)
    return ratings, labels


def _withdrawn(existing: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    """Return earlier ratings from the server that it no longer has, as refused rows."""
    gone = (existing["source"] == validate.LABEL_STUDIO) & ~existing["source_id"].isin(
        fresh["source_id"]
    )
    reason = existing["reason"].mask(gone, "withdrawn")
    return existing.assign(status=existing["status"].mask(gone, "refused"), reason=reason)


def _read(dataset: Dataset, table: tables.Table) -> pd.DataFrame:
    return dataset.read(table) if dataset.has(table) else tables.empty(table)


def _check(accepted: pd.DataFrame, settings: Labels, raters_per_clip: int) -> None:
    if settings.rule == "majority" and settings.min_agree > raters_per_clip:
        raise CaerError(
            f"recipe: labels.min_agree is {settings.min_agree}, but annotate.raters_per_clip is "
            f"{raters_per_clip}, so no clip could ever be kept; lower labels.min_agree"
        )
    twice = accepted[accepted.duplicated(["clip_key", "rater"])]
    if len(twice):
        clip_id, rater = twice["clip_id"].iloc[0], twice["rater"].iloc[0]
        raise CaerError(f"table 'ratings': {rater} has two accepted answers to clip '{clip_id}'")
    count = accepted["clip_key"].value_counts(sort=False)
    if count.max() > raters_per_clip:
        name = accepted.loc[accepted["clip_key"] == count.idxmax(), "clip_id"].iloc[0]
        raise CaerError(
            f"clip '{name}' has {count.max()} raters, but annotate.raters_per_clip in "
            f"the recipe is {raters_per_clip}; raise it again, or remove the surplus answers"
        )
