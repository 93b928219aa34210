"""Answers that are not votes: answers to training clips, gold clips and repeats.

They are validated like votes (`caer_data.labels.validate`), then stored in `tables.CHECKS`, so that
code which counts votes never sees them. The results by rater are in `tables.RATERS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from caer_data.engine import identity, tables
from caer_data.engine.ledger import Ledger
from caer_data.engine.recipe import Annotate
from caer_data.labels import agreement_measures
from caer_data.labels.validate import Answer, validate_answers

KINDS = ("training", "gold", "repeat")
_COLUMNS = tables.CHECKS.names
_ANSWER = ("emotion", "confidence", "lead_time_s", "created_at", "reason")


def split(answers: Iterable[Answer], checks: pd.DataFrame) -> tuple[list[Answer], list[Answer]]:
    """Return the answers to clips assigned for voting, and those to checks."""
    names = set(checks["presentation"].dropna())
    parts: tuple[list[Answer], list[Answer]] = ([], [])
    for answer in answers:
        parts[answer.presentation in names].append(answer)
    return parts


def take(
    checks: pd.DataFrame, answers: Iterable[Answer], clips: pd.DataFrame, ledger: Ledger | None
) -> pd.DataFrame:
    """Return the checks with the raters' answers; cells of answers that were deleted are emptied.

    Only the reason is stored if the answer would be refused as a vote, or if it names no emotion.
    The same applies to an answer to a training clip that was changed after it was sent, because
    the rater had been shown the known answer by then.
    """
    judged = validate_answers(answers, checks, clips, ledger)
    judged = judged[judged["reason"] != "superseded"]
    kept = judged["status"] == "accepted"
    has_answer = judged["emotion"].notna()
    training = set(checks.loc[checks["kind"] == "training", "presentation"])
    late = kept & judged["edited"].astype(bool) & judged["presentation"].isin(training)
    judged.loc[late, ["status", "reason"]] = ["refused", "edited"]
    kept &= ~late
    judged = judged.assign(
        emotion=judged["emotion"].where(kept & has_answer, None),
        confidence=judged["confidence"].where(kept & has_answer),
        reason=judged["reason"].where(~kept | has_answer, "cannot_judge"),
    )
    # if one clip was answered twice, an acceptable answer takes precedence over a refused one
    judged = judged.assign(_bad=~kept).sort_values(["_bad", "source_id"])
    answered = judged.drop_duplicates("presentation").set_index("presentation")
    filled = {name: checks["presentation"].map(answered[name].astype(object)) for name in _ANSWER}
    return tables.to_pandas(tables.check(tables.CHECKS, checks.assign(**filled)[_COLUMNS]))


def raters(
    checks: pd.DataFrame, ratings: pd.DataFrame, settings: Annotate, secret: bytes
) -> pd.DataFrame:
    """Return the results of the checks by rater, as `tables.RATERS`.

    - Gold: the share of answers with an emotion that equal the known one.
    - Repeats: the share that equal the vote, among answers to clips the rater also voted on.
    - Training: the share of all training clips, judged or not, that were answered as known. Once
      all are answered, the rater passes or fails by the recipe's `pass_mark`.

    Intervals are Wilson's.
    """
    votes = ratings[(ratings["status"] == "accepted") & ratings["emotion"].notna()]
    own = votes.set_index(["clip_key", "rater"])["emotion"].to_dict()
    pairs = zip(checks["clip_key"], checks["rater"], strict=True)
    voted = pd.Series([own.get(pair) for pair in pairs], index=checks.index, dtype=object)
    meant = checks["known"].astype(object).where(checks["kind"] != "repeat", voted)
    judged = checks.assign(
        compared=checks["emotion"].notna() & meant.notna(),
        equal=checks["emotion"].notna() & (checks["emotion"].astype(object) == meant),
        done=checks["emotion"].notna() | checks["reason"].notna(),
    )
    rows = [
        _rater(str(rater), mine, settings, secret)
        for rater, mine in judged.groupby("rater", observed=True)
    ]
    return tables.frame(tables.RATERS, rows)


def _rater(rater: str, mine: pd.DataFrame, settings: Annotate, secret: bytes) -> dict[str, Any]:
    row: dict[str, Any] = {"rater": rater, "pseudonym": identity.pseudonym(secret, rater)}
    for kind in KINDS:
        asked = mine[mine["kind"] == kind]
        equal = int(asked["equal"].sum())
        n = int(asked["done" if kind == "training" else "compared"].sum())
        low, high = agreement_measures.wilson(equal, n)
        row |= {f"{kind}_answers": n, f"{kind}_equal": equal}
        if n:
            row |= {f"{kind}_share": equal / n, f"{kind}_low": low, f"{kind}_high": high}
        if kind == "training" and n and n == len(asked):
            row["passed"] = equal >= settings.pass_mark * n - 1e-9
    return row


def training_said(raters: pd.DataFrame, settings: Annotate) -> list[str]:
    """Return a sentence about each rater who has been given a training."""
    sentences = []
    for row in raters.to_dict("records"):
        asked, equal = settings.training, row["training_equal"]
        if pd.isna(row["passed"]):
            state = f"has answered {row['training_answers']} of the training clips"
        elif row["passed"]:
            state = f"passed the training: {equal} of {row['training_answers']} correct"
        else:
            state = (
                f"failed the training: {equal} of {row['training_answers']} correct, "
                f"{settings.pass_mark:.0%} needed"
            )
        if asked or row["training_answers"]:
            sentences.append(f"{row['rater']} {state}")
    return sentences


def below(raters: pd.DataFrame, settings: Annotate) -> list[str]:
    """Return a sentence about each rater whose gold clips or repeats are below the bound."""
    sentences = []
    for kind, bound, said in (
        ("gold", settings.min_gold, "gold clips correctly"),
        ("repeat", settings.min_repeat, "repeats as before"),
    ):
        for row in raters[raters[f"{kind}_share"] < bound - 1e-9].to_dict("records"):
            sure = "" if row[f"{kind}_high"] < bound else "; this may be chance"
            equal, asked = row[f"{kind}_equal"], row[f"{kind}_answers"]
            sentences.append(
                f"{row['rater']} answered {equal} of {asked} {said} "
                f"({_range(row, kind)}), below {bound:.0%}{sure}"
            )
    return sentences


def _range(row: dict[Any, Any], kind: str) -> str:
    return f"{row[f'{kind}_share']:.0%}, {row[f'{kind}_low']:.0%} to {row[f'{kind}_high']:.0%}"
