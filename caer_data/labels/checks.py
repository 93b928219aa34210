"""Answers that are not votes: to training and gold clips, and to repeats.

They are judged like votes (`caer_data.labels.validate`), then kept apart in `tables.CHECKS`, so
that nothing which counts votes can meet them. Their results by rater are `tables.RATERS`.
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
    """Part answers into those to clips assigned for votes, and those to checks."""
    names = set(checks["presentation"].dropna())
    parts: tuple[list[Answer], list[Answer]] = ([], [])
    for answer in answers:
        parts[answer.presentation in names].append(answer)
    return parts


def take(
    checks: pd.DataFrame, answers: Iterable[Answer], clips: pd.DataFrame, ledger: Ledger | None
) -> pd.DataFrame:
    """Fill in what the raters answered; what the server no longer holds is emptied.

    An answer that a vote would be refused for, or that names no emotion, leaves its reason alone;
    so does one to a training that was changed after it was sent, when the known answer was told.
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
    # an acceptable answer stands over a refused one to the same showing
    judged = judged.assign(_bad=~kept).sort_values(["_bad", "source_id"])
    answered = judged.drop_duplicates("presentation").set_index("presentation")
    filled = {name: checks["presentation"].map(answered[name].astype(object)) for name in _ANSWER}
    return tables.to_pandas(tables.check(tables.CHECKS, checks.assign(**filled)[_COLUMNS]))


def raters(
    checks: pd.DataFrame, ratings: pd.DataFrame, settings: Annotate, secret: bytes
) -> pd.DataFrame:
    """Results of the checks by rater, as `tables.RATERS`.

    Gold: of the answers with an emotion, the share that equals the known one. Repeats: of those to
    clips that the rater also voted on, the share that equals the vote. Training: of all training
    clips, whether judged or not; it is passed or failed once all are answered, by the recipe's
    `pass_mark`. Intervals are Wilson's.
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
    rows = [_rater(str(rater), mine, settings, secret) for rater, mine in judged.groupby("rater")]
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
    """A sentence for each rater who has a training."""
    sentences = []
    for row in raters.to_dict("records"):
        asked, equal = settings.training, row["training_equal"]
        if pd.isna(row["passed"]):
            state = f"has answered {row['training_answers']} of the training's clips"
        elif row["passed"]:
            state = f"passed the training: {equal} of {row['training_answers']} as known"
        else:
            state = (
                f"failed the training: {equal} of {row['training_answers']} as known, "
                f"{settings.pass_mark:.0%} needed"
            )
        if asked or row["training_answers"]:
            sentences.append(f"{row['rater']} {state}")
    return sentences


def below(raters: pd.DataFrame, settings: Annotate) -> list[str]:
    """A sentence for each rater whose answers to gold clips or repeats are below the bound."""
    sentences = []
    for kind, bound, said in (
        ("gold", settings.min_gold, "gold clips as known"),
        ("repeat", settings.min_repeat, "repeats as before"),
    ):
        for row in raters[raters[f"{kind}_share"] < bound - 1e-9].to_dict("records"):
            sure = "" if row[f"{kind}_high"] < bound else "; so few answers may mislead"
            equal, asked = row[f"{kind}_equal"], row[f"{kind}_answers"]
            sentences.append(
                f"{row['rater']} answered {equal} of {asked} {said} "
                f"({_range(row, kind)}), below {bound:.0%}{sure}"
            )
    return sentences


def _range(row: dict[Any, Any], kind: str) -> str:
    return f"{row[f'{kind}_share']:.0%}, {row[f'{kind}_low']:.0%} to {row[f'{kind}_high']:.0%}"
