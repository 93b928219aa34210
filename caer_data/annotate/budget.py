"""How many clips are assigned when not all can be paid for, and which."""

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
"""Instead of a number: the limit that an earlier push set no longer holds."""


@dataclass(frozen=True)
class Budget:
    """What the user asked of a push.

    Attributes:
        limit: clips to be assigned in all; `ALL` lifts an earlier limit, None keeps it.
        labels: CSV with a first label of clips (`clip_key` or `clip_id`, `emotion`), by which they
            are balanced; None for those of table `labels`.
    """

    limit: int | str | None = None
    labels: Path | None = None


def within(
    dataset: Dataset, clips: Sequence[str], assigned: Collection[str], budget: Budget
) -> list[str]:
    """The clips to assign, of those that can be: assigned before, or next in order.

    Raises:
        CaerError: the list of first labels, or what an earlier push noted, cannot be read.
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
    """Keep the limit for later pushes, which would otherwise assign everything by mistake."""
    if isinstance(limit, int):
        write_text(_path(dataset), json.dumps({"limit": limit}) + "\n")
    else:
        _path(dataset).unlink(missing_ok=True)


@dataclass(frozen=True)
class Remaining:
    """Work that is left at the present pace.

    Attributes:
        hours: for what is assigned; None before anybody's pace is known.
        waiting: clips not assigned yet.
        hours_waiting: for those, with all their raters.
        wage: money per hour of work; None if the recipe names none.
    """

    hours: float | None
    waiting: int
    hours_waiting: float | None
    wage: float | None

    def sentences(self) -> list[str]:
        """Hours and money left, for the terminal."""
        if self.hours is None or self.hours_waiting is None:
            return ["Remaining hours: unknown until some rater has given two answers."]
        said = [f"Left at the present pace: {self._cost(self.hours)} for what is assigned."]
        if self.waiting:
            clips = f"clips not assigned yet ({self.waiting:,})"
            said.append(f"Beyond that: {self._cost(self.hours_waiting)} for {clips}.")
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

    Who has no pace yet is taken to be as fast as the others: all answers, over the time for them.

    Args:
        tasks: of each rater, the tasks answered and left, and the answers per hour.
        waiting: clips not assigned yet.
        raters_per_clip: of the recipe.
        wage: of the recipe.
    """
    timed = [(answered, pace) for answered, _, pace in tasks if pace and answered]
    if not timed:
        return Remaining(None, waiting, None, wage)
    usual = sum(n for n, _ in timed) / sum(n / pace for n, pace in timed)
    hours = sum(rest / (pace or usual) for _, rest, pace in tasks)
    return Remaining(hours, waiting, waiting * raters_per_clip / usual, wage)
