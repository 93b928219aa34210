"""Plan a push: derive new assignments and checks from the existing ones, without sending any."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from caer_data.annotate import presentations, training
from caer_data.annotate.answers import fetch
from caer_data.annotate.assign import assignments as assign
from caer_data.annotate.assign import known_answers, rebalance, second_round
from caer_data.annotate.assign.checks import plan
from caer_data.annotate.budget import Budget, within
from caer_data.annotate.studio.client import Server
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.ledger import Ledger
from caer_data.engine.progress import Reporter
from caer_data.labels.checks import split
from caer_data.labels.validate import validate_answers


@dataclass(frozen=True)
class State:
    """State of the dataset before a push.

    Attributes:
        dataset: the dataset.
        server: the server with the answers so far.
        shown: keys of the clips that a browser can play.
        known: `tables.KNOWN`, the clips with known answers.
        before: `tables.ASSIGNMENTS` so far.
        checks: `tables.CHECKS` so far.
    """

    dataset: Dataset
    server: Server
    shown: Collection[str]
    known: pd.DataFrame
    before: pd.DataFrame
    checks: pd.DataFrame

    @classmethod
    def of(
        cls, dataset: Dataset, server: Server, shown: Collection[str], known: pd.DataFrame
    ) -> State:
        """Return the current state of a dataset."""
        before = dataset.read_or_empty(tables.ASSIGNMENTS)
        return cls(dataset, server, shown, known, before, dataset.read_or_empty(tables.CHECKS))

    def right(self) -> dict[str, str]:
        """Known answers by clip."""
        return known_answers.answers(self.known, self.dataset.read_or_empty(tables.LABELS))


@dataclass(frozen=True)
class Plan:
    """Tables after a push.

    Attributes:
        assignments: `tables.ASSIGNMENTS`.
        checks: `tables.CHECKS`.
        trained: state of the training; None if the recipe has none.
        waiting: number of clips not assigned because of the limit.
        reassigned: number of requested clips that are reassigned.
        already_reassigned: number of requested clips that an earlier push had reassigned.
    """

    assignments: pd.DataFrame
    checks: pd.DataFrame
    trained: training.Trained | None
    waiting: int
    reassigned: int = 0
    already_reassigned: int = 0


def plan_push(
    state: State,
    raters: Sequence[str] | None,
    replace: tuple[str, str] | None,
    second_round_file: Path | None,
    budget: Budget,
) -> Plan:
    """Decide who rates which clip, and which checks are due; see `push.push` for the arguments.

    Raises:
        CaerError: no raters are named, too few passed the training, or a file has mistakes.
    """
    dataset, checks, assigned_before = state.dataset, state.checks, set(state.before["clip_key"])
    for_votes = sorted(set(state.shown) - (set(state.known["clip_key"]) - assigned_before))
    paid_for = within(dataset, for_votes, assigned_before, budget)
    waiting = len(for_votes) - len(paid_for)
    trained = _train(state, raters)
    if trained is not None:
        checks, raters = trained.checks, trained.passed
        if trained.open:  # nothing new is assigned before all have finished their training
            paid_for, raters = sorted(assigned_before & set(paid_for)), None
    if trained is not None and trained.open and state.before.empty:
        assignments = state.before
    else:
        assignments = _assign(state, paid_for, raters, replace)
    reassigned = already = 0
    if second_round_file is not None:
        clips = second_round.read_clips(second_round_file, assignments, Ledger.of(dataset))
        already = len(second_round.reassigned(assignments) & set(clips))
        reassigned = len(clips) - already
        people = list(raters) if raters is not None else sorted(set(assignments["rater"]))
        seen = _pairs(checks)
        assignments = second_round.reassign(assignments, clips, people, dataset.recipe.seed, seen)
    assignments = presentations.fill(dataset, assignments)
    checks = _check(state, assignments, checks)
    return Plan(assignments, checks, trained, waiting, reassigned, already)


def _train(state: State, raters: Sequence[str] | None) -> training.Trained | None:
    """Return the updated training; None if the recipe has none."""
    dataset, settings = state.dataset, state.dataset.recipe.annotate
    if not settings.training:
        return None
    pushed = (dataset.folder / "annotation.json").is_file()
    name = presentations.dataset_id(dataset) if pushed else None
    right = {key: emotion for key, emotion in state.right().items() if key in state.shown}
    trained = training.update(
        dataset, state.server, name, raters, state.before, state.checks, right
    )
    if not trained.open and len(trained.passed) < settings.raters_per_clip:
        raise CaerError(
            f"{len(trained.passed)} raters passed the training, but each clip needs "
            f"{settings.raters_per_clip}; add raters to the raters file ("
            + "; ".join(trained.said)
            + ")"
        )
    return trained


def _assign(
    state: State,
    clips: list[str],
    raters: Sequence[str] | None,
    replace: tuple[str, str] | None,
) -> pd.DataFrame:
    """Assign clips to raters; existing assignments stay, except those of raters who leave."""
    dataset, server, existing = state.dataset, state.server, state.before
    recipe = dataset.recipe
    if raters is None and existing.empty:
        raise CaerError("no clips are assigned yet; name the raters with --raters FILE")
    checks = _pairs(state.checks)
    if replace is not None:
        old, new = replace
        answered = _answered(dataset, server)
        existing = assign.replace(existing, answered, old, new, recipe.seed, checks)
        raters = [r for r in (raters or sorted(set(existing["rater"]) | {new})) if r != old]
    present = set(anchors.of_clips(dataset.clips))
    if rebalance.is_uneven(existing, present):
        answered = _answered(dataset, server)
        existing = rebalance.level(existing, present, answered, checks, recipe.seed)
    people = list(raters) if raters is not None else sorted(set(existing["rater"]))
    return assign.assign(clips, people, existing, recipe.annotate, recipe.seed)


def _check(state: State, assignments: pd.DataFrame, checks: pd.DataFrame) -> pd.DataFrame:
    """Return the complete `tables.CHECKS`, including gold clips and repeats that are due now."""
    recipe, right = state.dataset.recipe, state.right()
    planned = plan(
        state.before, assignments, checks, right, state.shown, recipe.annotate, recipe.seed
    )
    return presentations.fill_checks(state.dataset, planned) if len(planned) else planned


def _answered(dataset: Dataset, server: Server) -> set[tuple[str, str]]:
    """Return pairs of clip and rater with an accepted answer, on the server or pulled earlier."""
    answers = fetch(dataset, server, presentations.dataset_id(dataset), Reporter("quiet"))
    votes, _ = split(answers, dataset.read_or_empty(tables.CHECKS))
    judged = [validate_answers(votes, dataset.assignments, dataset.clips, Ledger.of(dataset))]
    judged += [dataset.ratings] if dataset.has(tables.RATINGS) else []
    return set().union(*(_pairs(rows[rows["status"] == "accepted"]) for rows in judged))


def _pairs(rows: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(rows["clip_key"], rows["rater"], strict=True))
