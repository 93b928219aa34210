"""`caer-data annotate pay`: working time and number of clips of each rater."""

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
"""Refusal reasons of answers that the named rater did not give or was not asked to give."""

COLUMNS: Final = ("rater", "pseudonym", "clips", "hours", "untimed", "first", "last", "amount")


def pay(dataset: Dataset, since: str | None = None, until: str | None = None) -> pd.DataFrame:
    """Return the clips and hours of each rater as of the last pull, with the columns `COLUMNS`.

    Every clip that a rater was shown and answered counts once, even if the answer was refused. This
    includes clips that could not be judged, training, gold clips and repeats. Hours are the sum of
    the times between showing a clip and sending the answer, at most five minutes each. `untimed`
    counts answers without such a time. `amount` is hours times the recipe's `annotate.wage`, or
    empty if there is none.

    Args:
        dataset: a dataset with pulled answers.
        since: first day (UTC, such as 2026-03-01) to count; None for no limit.
        until: last day to count; None for no limit.

    Raises:
        CaerError: no answers were pulled yet.
    """
    if not dataset.has(tables.RATINGS):
        raise CaerError(
            f"{dataset.folder}: no answers were pulled yet; run 'caer-data annotate pull' first"
        )
    days = _answers(dataset)["created_at"].str[:10]
    answers = _answers(dataset)[(days >= (since or "")) & (days <= (until or "9999"))]
    wage, secret = dataset.recipe.annotate.wage, secret_of(dataset.folder)
    rows = []
    for rater, mine in answers.groupby("rater", observed=True):
        hours = seconds_of_work(mine["lead_time_s"]) / 3600
        amount = None if wage is None else round(hours * wage, 2)
        untimed = int(mine["lead_time_s"].isna().sum())
        times = mine["created_at"]
        name = identity.pseudonym(secret, str(rater))
        whole = round(hours, 4)
        rows.append((rater, name, len(mine), whole, untimed, times.min(), times.max(), amount))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _answers(dataset: Dataset) -> pd.DataFrame:
    """Return one row per answered showing: rater, created_at, lead_time_s."""
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
