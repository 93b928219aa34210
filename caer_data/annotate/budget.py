"""Limit the number of assigned clips, and estimate the remaining hours and wages."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from caer_data.annotate.assign import clip_lists
from caer_data.annotate.assign.priority import choose
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.files import write_text
from caer_data.engine.ledger import Ledger

ALL: Final = "all"
"""Value of `--limit` that lifts the limit of an earlier push."""


@dataclass(frozen=True)
class Budget:
    """Options of a push that limit the number of clips.

    Attributes:
        limit: total number of clips to assign; `ALL` lifts an earlier limit, None keeps it.
        labels: CSV file with first labels of clips (`clip_key` or `clip_id`, and `emotion`), by
            which the choice is balanced; None uses the table `labels`.
    """

    limit: int | str | None = None
    labels: Path | None = None


def within(
    dataset: Dataset, clips: Sequence[str], assigned: Collection[str], budget: Budget
) -> list[str]:
    """Return those of `clips` that are assigned or should be assigned next, up to the limit.

    Raises:
        CaerError: the list of first labels or the limit of an earlier push cannot be read.
    """
    limit = _limit(dataset) if budget.limit is None else budget.limit
    if budget.limit is not None:
        _note(dataset, budget.limit)
    if not isinstance(limit, int):
        return list(clips)
    held = anchors.present(dataset.clips)
    held = held[held["clip_key"].isin({*clips, *assigned})]
    recipe = dataset.recipe
    present = set(held["clip_key"])
    chosen = choose(
        held,
        present & set(assigned),
        limit,
        recipe.annotate.first,
        speech={
            key: share > 0
            for key, share in zip(held["clip_key"], held["speech"], strict=True)
            if not pd.isna(share)
        },
        labels=_labels(dataset, budget.labels),
        seed=recipe.seed,
    )
    return sorted({*chosen, *(set(clips) & set(assigned))})


def _labels(dataset: Dataset, path: Path | None) -> dict[str, str]:
    if path is not None:
        held = anchors.present(dataset.clips)
        return clip_lists.read_emotions(path, set(held["clip_key"]), Ledger.of(dataset))
    rows = dataset.read_or_empty(tables.LABELS).dropna(subset=["emotion"])
    return dict(zip(rows["clip_key"], rows["emotion"], strict=True))


def _path(dataset: Dataset) -> Path:
    return dataset.folder / "annotation-limit.json"


def _limit(dataset: Dataset) -> int | None:
    path = _path(dataset)
    try:
        limit = json.loads(path.read_text(encoding="utf-8"))["limit"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CaerError(f"{path}: damaged ({error}); give --limit again") from error
    if not isinstance(limit, int):
        raise CaerError(f"{path}: damaged (no number); give --limit again")
    return limit


def _note(dataset: Dataset, limit: int | str) -> None:
    """Store the limit for later pushes, which would otherwise assign everything by mistake."""
    if isinstance(limit, int):
        write_text(_path(dataset), json.dumps({"limit": limit}) + "\n")
    else:
        _path(dataset).unlink(missing_ok=True)


@dataclass(frozen=True)
class Remaining:
    """Remaining work at the current pace.

    Attributes:
        hours: working hours for assigned clips; None if nobody's pace is known yet.
        waiting: number of clips not assigned yet.
        hours_waiting: working hours of all raters for those clips.
        wage: wage per hour of work; None if the recipe has none.
    """

    hours: float | None
    waiting: int
    hours_waiting: float | None
    wage: float | None

    def sentences(self) -> list[str]:
        """Return the remaining hours and wages as sentences."""
        if self.hours is None or self.hours_waiting is None:
            return ["Remaining hours: unknown until a rater has given two answers."]
        said = [f"Remaining at the current pace: {self._cost(self.hours)} for assigned clips."]
        if self.waiting:
            clips = f"{self.waiting:,} clips not assigned yet"
            said.append(f"In addition: {self._cost(self.hours_waiting)} for {clips}.")
        return said

    def _cost(self, hours: float) -> str:
        money = "" if self.wage is None else f", {hours * self.wage:,.2f} in wages"
        return f"{hours:,.1f} hours{money}"


def remaining(
    tasks: Sequence[tuple[int, int, float | None]],
    waiting: int,
    raters_per_clip: int,
    wage: float | None,
) -> Remaining:
    """Estimate the remaining work.

    Raters whose pace is unknown are assumed to work at the mean pace of the others.

    Args:
        tasks: for each rater, the numbers of answered and remaining tasks, and answers per hour.
        waiting: number of clips not assigned yet.
        raters_per_clip: `annotate.raters_per_clip` of the recipe.
        wage: `annotate.wage` of the recipe.
    """
    timed = [(answered, pace) for answered, _, pace in tasks if pace and answered]
    if not timed:
        return Remaining(None, waiting, None, wage)
    usual = sum(n for n, _ in timed) / sum(n / pace for n, pace in timed)
    hours = sum(rest / (pace or usual) for _, rest, pace in tasks)
    return Remaining(hours, waiting, waiting * raters_per_clip / usual, wage)
