"""`caer-data annotate pull`: turn answers on the server into ratings, labels and agreement."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pandas as pd

from caer_data.annotate import forgotten
from caer_data.annotate.answers import fetch, fetch_training
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.studio.client import Server
from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.ledger import Ledger
from caer_data.engine.progress import Reporter
from caer_data.engine.secret import secret_of
from caer_data.labels import checks
from caer_data.labels import decide as labels
from caer_data.labels.agreement import Agreement, measure
from caer_data.labels.habits import habits
from caer_data.labels.validate import validate_answers


@dataclass(frozen=True)
class Pulled:
    """Result of a pull.

    Attributes:
        ratings: the complete new `tables.RATINGS`.
        labels: the complete new `tables.LABELS`.
        agreement: agreement of the accepted ratings.
        below: a sentence about each rater who is below a bound of the recipe.
    """

    ratings: pd.DataFrame
    labels: pd.DataFrame
    agreement: Agreement
    below: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Return a few lines on what was accepted, what was refused and why."""
        status = Counter(self.ratings["status"])
        counts = status["accepted"]
        lines = [f"{counts} rating{'s' * (counts != 1)} accepted, {status['refused']} refused."]
        refused = self.ratings[self.ratings["status"] == "refused"]
        lines += [f"  refused {n}: {why}" for why, n in refused["reason"].value_counts().items()]
        accepted = self.ratings[self.ratings["status"] == "accepted"]
        for column, said in (
            ("too_fast", "given in less time than the clip lasts"),
            ("edited", "changed after being sent"),
        ):
            flagged = int(accepted[column].sum())
            if flagged:
                lines.append(f"  accepted, but {said}: {flagged}")
        decided = Counter(self.labels["reason"].fillna("kept"))
        kept = decided.pop("kept", 0)
        reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(decided.items()))
        lines.append(f"{kept} clip{'s' * (kept != 1)} labelled; dropped: {reasons or 'none'}.")
        lines += [line for one in habits(self.ratings) for line in one.sentences()]
        return "\n".join([*lines, *self.below])


def pull(dataset: Dataset, server: Server, reporter: Reporter) -> Pulled:
    """Fetch and validate all answers, decide the labels, and write `ratings` and `labels`.

    Ratings pulled earlier are replaced by what is on the server now. Ratings from files are kept.

    Raises:
        CaerError: nothing was pushed, a project is gone, or the connection broke. The dataset is
            unchanged.
    """
    with dataset.lock():
        withdrawn = forgotten.withdraw(dataset, server, dataset_id(dataset))
        if withdrawn:
            reporter.say(f"Forgotten, and therefore removed from the server: {withdrawn.text()}.")
        answers = fetch(dataset, server, dataset_id(dataset), reporter)
        given, ledger = dataset.read_or_empty(tables.CHECKS), Ledger.of(dataset)
        if (given["kind"] == "training").any():
            answers += fetch_training(dataset, server, dataset_id(dataset))
        votes, others = checks.split(answers, given)
        fresh = validate_answers(votes, dataset.assignments, dataset.clips, ledger)
        ratings, decided = labels.update(dataset, fresh, snapshot=True)
        below: list[str] = []
        if len(given):
            answered = checks.take(given, others, dataset.clips, ledger)
            dataset.write(tables.CHECKS, answered)
            settings = dataset.recipe.annotate
            people = checks.raters(answered, ratings, settings, secret_of(dataset.folder))
            dataset.write(tables.RATERS, people)
            trained = people[people["rater"].isin(given.query("kind == 'training'")["rater"])]
            below = checks.training_said(trained, settings) + checks.below(people, settings)
        return Pulled(ratings, decided, agreement_of(dataset, ratings, decided), below)


def agreement_of(dataset: Dataset, ratings: pd.DataFrame, decided: pd.DataFrame) -> Agreement:
    """Return the agreement of a dataset's ratings."""
    assignments = dataset.assignments if dataset.has(tables.ASSIGNMENTS) else None
    return measure(ratings, decided, dataset.clips, assignments, seed=dataset.recipe.seed)
