"""`caer-data annotate pay`: how long each rater worked and on how many clips."""

from __future__ import annotations

from typing import Final

import pandas as pd

from caer_data.engine import identity, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.secret import secret_of
from caer_data.labels.habits import seconds_of_work
from caer_data.labels.validate import LABEL_STUDIO

_NOT_THEIRS: Final = ("unknown_rater", "foreign_project", "other_author", "not_dealt")
"""Reasons of refused answers that the named rater did not give, or was not asked for."""

COLUMNS: Final = ("rater", "pseudonym", "clips", "hours", "untimed", "first", "last", "amount")


def pay(dataset: Dataset, since: str | None = None, until: str | None = None) -> pd.DataFrame:
    """Clips and hours of each rater, as the last pull found them; columns `COLUMNS`.

    Every clip that a rater was shown and answered counts once, whether the answer counts or not:
    votes, clips that could not be judged, training, gold clips and repeats. Hours add up the times
    from clip shown to answer sent, at most five minutes each; `untimed` answers came without one.
    `amount` is hours times `annotate.wage` of the recipe, empty without one.

    Args:
        dataset: one that was pulled.
        since: first day (UTC, such as 2026-03-01) that counts; None for the beginning.
        until: last day that counts; None for the end.

    Raises:
        CaerError: nothing was pulled yet.
    """
    if not dataset.has(tables.RATINGS):
        raise CaerError(
            f"{dataset.folder}: no answers were pulled yet; run 'caer-data annotate pull' first"
        )
    days = _answers(dataset)["created_at"].str[:10]
    answers = _answers(dataset)[(days >= (since or "")) & (days <= (until or "9999"))]
    wage, secret = dataset.recipe.annotate.wage, secret_of(dataset.folder)
    rows = []
    for rater, mine in answers.groupby("rater"):
        hours = seconds_of_work(mine["lead_time_s"]) / 3600
        amount = None if wage is None else round(hours * wage, 2)
        untimed = int(mine["lead_time_s"].isna().sum())
        times = mine["created_at"]
        name = identity.pseudonym(secret, str(rater))
        whole = round(hours, 4)
        rows.append((rater, name, len(mine), whole, untimed, times.min(), times.max(), amount))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _answers(dataset: Dataset) -> pd.DataFrame:
    """One row for each showing that was answered: rater, created_at, lead_time_s."""
    columns = ["presentation", "rater", "created_at", "lead_time_s"]
    ratings = dataset.ratings
    theirs = ~ratings["reason"].isin(_NOT_THEIRS) & (ratings["source"] == LABEL_STUDIO)
    votes = ratings.loc[theirs].sort_values("status")
    checks = dataset.read_or_empty(tables.CHECKS)
    others = checks[checks["created_at"].notna() & ~checks["reason"].isin(_NOT_THEIRS)]
    parts = [part[columns] for part in (votes, others) if len(part)]
    joined = pd.concat(parts) if parts else votes[columns]
    joined = joined.assign(created_at=joined["created_at"].astype(object).fillna(""))
    return joined.drop_duplicates(["presentation", "rater"])
