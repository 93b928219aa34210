"""`caer-data annotate status`: progress and pace of each rater, and agreement so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from caer_data.annotate.answers import fetch
from caer_data.annotate.budget import Remaining, remaining
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.pull import agreement_of
from caer_data.annotate.studio.client import Server
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.ledger import Ledger
from caer_data.engine.progress import Reporter
from caer_data.labels import decide as labels
from caer_data.labels.agreement import Agreement
from caer_data.labels.checks import split
from caer_data.labels.validate import Answer, validate_answers

# Longer gaps between two answers count as breaks.
_BREAK_S = 300.0


@dataclass(frozen=True)
class Progress:
    """Progress of one rater.

    Attributes:
        rater: e-mail address.
        dealt: number of assigned clips.
        answered: number of clips with an accepted answer.
        cannot_judge: how many of them the rater could not judge.
        refused: number of refused answers.
        per_hour: answers per hour of work, without breaks; None before the second answer.
        hours_left: remaining hours of work at this pace.
        last: ISO 8601 time of the last answer.
    """

    rater: str
    dealt: int
    answered: int
    cannot_judge: int
    refused: int
    per_hour: float | None
    hours_left: float | None
    last: str | None


@dataclass(frozen=True)
class Status:
    """Progress of rating a dataset."""

    raters: list[Progress]
    complete: int
    clips: int
    agreement: Agreement
    remaining: Remaining

    def as_dict(self) -> dict[str, Any]:
        """Return the values for `--json`."""
        return {
            "raters": [asdict(rater) for rater in self.raters],
            "complete": self.complete,
            "clips": self.clips,
            "alpha": self.agreement.alpha if self.complete else None,
            "left": asdict(self.remaining),
        }

    def text(self) -> str:
        """Return the text for the terminal."""
        width = max(map(len, ["rater", *(r.rater for r in self.raters)]))
        head = "answered  assigned  cannot judge   refused  per hour  hours left  last"
        lines = [f"{'rater':<{width}}  {head}"]
        for r in self.raters:
            pace = "-" if r.per_hour is None else f"{r.per_hour:.0f}"
            left = "-" if r.hours_left is None else f"{r.hours_left:.1f}"
            last = (r.last or "-")[:16].replace("T", " ")
            lines.append(
                f"{r.rater:<{width}}  {r.answered:>8}  {r.dealt:>8}  {r.cannot_judge:>12}  "
                f"{r.refused:>8}  {pace:>8}  {left:>10}  {last}"
            )
        lines.append(f"{self.complete} of {self.clips} clips have all their answers.")
        lines += self.remaining.sentences()
        if self.complete:
            a = self.agreement
            lines.append(
                f"Agreement so far: Krippendorff's alpha {a.alpha:.2f} "
                f"({a.alpha_low:.2f} to {a.alpha_high:.2f})."
            )
        return "\n".join(lines)


def status(dataset: Dataset, server: Server, reporter: Reporter) -> Status:
    """Return the current state on the server, without changing the dataset."""
    answers = fetch(dataset, server, dataset_id(dataset), reporter)
    assignments, recipe, clips = dataset.assignments, dataset.recipe, dataset.clips
    given = dataset.read_or_empty(tables.CHECKS)
    votes, others = split(answers, given)
    ratings = validate_answers(votes, assignments, clips, Ledger.of(dataset))
    assignments = assignments[assignments["clip_key"].isin(list(anchors.of_clips(clips)))]
    decided = labels.decide(ratings, recipe.labels, recipe.annotate.raters_per_clip)
    accepted = ratings[ratings["status"] == "accepted"]
    done = accepted["rater"].value_counts()
    unjudged = accepted.loc[accepted["cannot_judge"].notna(), "rater"].value_counts()
    refused = ratings.loc[ratings["status"] == "refused", "rater"].value_counts()
    assigned = assignments["rater"].value_counts()
    raters = []
    for rater in sorted(set(assignments["rater"])):
        mine = [answer for answer in answers if answer.rater == rater]
        pace = per_hour(mine)
        rest = int(assigned[rater]) - int(done.get(rater, 0))
        raters.append(
            Progress(
                rater=rater,
                dealt=int(assigned[rater]),
                answered=int(done.get(rater, 0)),
                cannot_judge=int(unjudged.get(rater, 0)),
                refused=int(refused.get(rater, 0)),
                per_hour=pace,
                hours_left=rest / pace if pace else None,
                last=max((a.created_at or "" for a in mine), default="") or None,
            )
        )
    hidden = Counter(given["rater"]) - Counter(answer.rater for answer in others)
    tasks = [(r.answered, r.dealt - r.answered + hidden[r.rater], r.per_hour) for r in raters]
    spoken_for = {*assignments["clip_key"], *dataset.read_or_empty(tables.KNOWN)["clip_key"]}
    waiting = len(set(anchors.of_clips(clips)) - spoken_for)
    settings = recipe.annotate
    return Status(
        remaining=remaining(tasks, waiting, settings.raters_per_clip, settings.wage),
        raters=raters,
        complete=int((decided["reason"].fillna("") != "incomplete").sum()),
        clips=assignments["clip_key"].nunique(),
        agreement=agreement_of(dataset, ratings, decided),
    )


def per_hour(answers: Sequence[Answer]) -> float | None:
    """Return answers per hour of work, without gaps of more than five minutes; None if unknown."""
    times = sorted(
        datetime.fromisoformat(answer.created_at).timestamp()
        for answer in answers
        if answer.created_at
    )
    gaps = [b - a for a, b in pairwise(times) if 0 < b - a <= _BREAK_S]
    return 3600 * len(gaps) / sum(gaps) if gaps else None
