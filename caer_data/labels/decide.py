"""From ratings to one label per clip (paper, section 4.1), with every number that led to it."""

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

    A clip with fewer than `raters_per_clip` raters is dropped as `incomplete`, and one that half of
    its raters or more cannot judge as `cannot_judge`. A rater who cannot judge has no vote, but is
    recorded (column `cannot_judge`). Then the recipe's rule is asked (`caer_data.labels.rules`): a
    clip without a label is dropped as `no_majority`, never given to one of equals. Last, whatever
    the rule, a clip whose mean confidence (of all who voted, or of those who chose the emotion) is
    below `min_confidence` is dropped as `low_confidence`.

    Raises:
        CaerError: a clip has more raters than the recipe allows or one rater twice, or the recipe
            asks more raters to agree than there are.
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
    """Each clip's mean confidence: of all who voted, and of those who chose its emotion.

    Rounded to nine places, so that 0.5 is 0.5 however it was added up. The second is NaN where
    there is no emotion, or nobody chose it (the posterior may prefer what nobody said).
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
    """Each clip's votes, by rater, as column `votes` holds them."""
    found: list[list[dict[str, str | float]]] = [[] for _ in ballots.clips]
    answers, row = ballots.answers[ballots.votes], ballots.row[ballots.votes]
    columns = [row, answers["rater"], answers["emotion"], answers["confidence"]]
    for i, rater, emotion, confidence in zip(*columns, strict=True):
        found[i].append({"rater": rater, "emotion": emotion, "confidence": float(confidence)})
    return found


def _reasons(ballots: rules.Ballots) -> list[str | None]:
    """Why raters cannot judge each clip, by rater, joined by spaces; None where all can."""
    given = ballots.answers.loc[~ballots.votes, "cannot_judge"]
    said: dict[int, list[str]] = {}
    for clip, reason in zip(ballots.row[~ballots.votes], given, strict=True):
        said.setdefault(clip, []).append(reason)
    return [" ".join(said[clip]) if clip in said else None for clip in range(len(ballots.clips))]


def update(
    dataset: Dataset, fresh: pd.DataFrame, *, snapshot: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take ratings into the dataset, decide again, write both tables; return ratings and labels.

    `snapshot` says that `fresh` is all that the server holds, as `validate.accept` returns it, and
    replaces every earlier rating of the server; a rating that it no longer holds stays, but is
    refused. Otherwise `fresh` is a file, as `csv_import.read` returns it, and replaces earlier
    ratings from files of the same clips and raters. Both tables are computed before either is
    written, so a mistake leaves the dataset as it was; after a kill between the two writes, the
    same command completes them.

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
    """Bring ratings and labels to the clips of today: after a build, or what else changed clips.

    Answers to a clip that changed or went stay in `ratings` with the reason and count no more.
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
    """Refuse what the server held once and holds no more; it stays in the table."""
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
            f"{raters_per_clip}, so no clip could ever be kept; lower the first"
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
            f"the recipe is {raters_per_clip}; raise it again, or take the answers out"
        )
