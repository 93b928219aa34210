"""`caer-data annotate push`: assign the clips and update every rater's project to match.

Each step compares the server with the plan and adds only what is missing. A second run therefore
changes nothing, and a run that was killed is completed by the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from caer_data.annotate import forgotten, training
from caer_data.annotate.assign import known_answers
from caer_data.annotate.assign.checks import lacking
from caer_data.annotate.budget import Budget
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.push_plan import Plan, State, plan_push
from caer_data.annotate.studio import accounts, media, page, projects
from caer_data.annotate.studio.client import Server
from caer_data.annotate.studio.sdk import RefusedError
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.forgotten import Forgotten
from caer_data.engine.progress import Reporter


@dataclass
class Pushed:
    """Result of a push.

    Attributes:
        clips: total number of assigned clips.
        added: number of tasks added to the server.
        removed: number of unanswered tasks removed from it.
        refused: clips that cannot be shown, with the reason.
        addresses: address of each rater's labelling page.
        new_accounts: number of accounts created.
        reassigned: number of requested clips that were reassigned.
        already_reassigned: number of requested clips skipped, because an earlier push had
            reassigned them.
        checks: number of gold clips and repeats among the tasks.
        gold_lacking: number of gold clips that are due but lack known answers.
        waiting: number of clips not assigned because of the limit.
        training: a sentence about each rater's training.
        problems: problems with individual projects, and what to do; other projects are complete.
    """

    clips: int = 0
    added: int = 0
    removed: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    new_accounts: int = 0
    reassigned: int = 0
    already_reassigned: int = 0
    checks: int = 0
    gold_lacking: int = 0
    waiting: int = 0
    training: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


def push(
    dataset: Dataset,
    server: Server,
    reporter: Reporter,
    *,
    raters: Sequence[str] | None = None,
    replace: tuple[str, str] | None = None,
    second_round_file: Path | None = None,
    known: Path | None = None,
    budget: Budget | None = None,
    page_file: Path | None = None,
    instructions: Path | None = None,
) -> Pushed:
    """Assign the kept clips to raters, and update the raters' projects on the server.

    Args:
        dataset: a built dataset.
        server: the rating server.
        reporter: shows progress.
        raters: e-mail addresses; None for those of the earlier push.
        replace: a rater who leaves, and the one who takes over the remaining clips.
        second_round_file: CSV file of clips to be rated again by raters who have not seen them.
        known: CSV file of clips with correct answers, for gold clips; they are not voted on.
        budget: number of clips to assign and how to balance them; None keeps the earlier limit.
        page_file: labelling page to use instead of the one shipped with caer-data.
        instructions: HTML file that raters read before the first clip, instead of the shipped one.

    Raises:
        CaerError: the message says what failed. Clips that were already assigned stay assigned;
            otherwise the dataset is unchanged.
    """
    with dataset.lock():
        texts = page.load(page_file, dataset.recipe.annotate.ask), page.instructions(instructions)
        page.check_on_server(server, texts[0])
        _refuse_forgotten(dataset, [*(raters or ()), *(replace or ())[1:]])
        _withdraw_forgotten(dataset, server, reporter)
        shown, refused = _shown(dataset, reporter)
        state = State.of(dataset, server, shown, known_answers.take(dataset, known))
        plan = plan_push(state, raters, replace, second_round_file, budget or Budget())
        name = dataset_id(dataset, make=True)
        _keep(dataset, state.known, plan.checks, plan.assignments)
        result = _result(dataset, plan, refused)
        _send(server, reporter, name, texts, plan, shown, result)
        return result


def _withdraw_forgotten(dataset: Dataset, server: Server, reporter: Reporter) -> None:
    """Remove from the server what was forgotten since the last push."""
    if (dataset.folder / "annotation.json").is_file():
        withdrawn = forgotten.withdraw(dataset, server, dataset_id(dataset))
        if withdrawn:
            reporter.say(f"Forgotten, and therefore removed from the server: {withdrawn.text()}.")


def _result(dataset: Dataset, plan: Plan, refused: dict[str, str]) -> Pushed:
    """Return the part of the result that is known before anything is sent."""
    return Pushed(
        clips=len(set(plan.assignments["clip_key"]) & set(anchors.of_clips(dataset.clips))),
        refused=refused,
        reassigned=plan.reassigned,
        already_reassigned=plan.already_reassigned,
        checks=int((plan.checks["kind"] != "training").sum()),
        gold_lacking=lacking(plan.assignments, plan.checks, dataset.recipe.annotate),
        waiting=plan.waiting,
        training=plan.trained.said if plan.trained else [],
    )


def _send(
    server: Server,
    reporter: Reporter,
    name: str,
    texts: tuple[str, str],
    plan: Plan,
    shown: dict[str, media.Shown],
    result: Pushed,
) -> None:
    """Update accounts and projects on the server to match the plan; counts go to `result`."""
    training_of = _training_of(plan.checks, shown) if plan.trained else {}
    people = sorted(set(plan.assignments["rater"]))
    result.new_accounts = accounts.ensure(server, sorted({*people, *training_of}), reporter)
    if training_of:
        _place(server, name, texts, training_of, result, reporter, projects.TRAINING)
        for project in projects.find(server, name, projects.TRAINING).values():
            training.publish(server, project, plan.checks)
    wanted = {
        rater: [
            media.Presented(presentation, shown[key])
            for presentation, key in _in_order(rater, plan.assignments, plan.checks)
            if key in shown
        ]
        for rater in people
    }
    _place(server, name, texts, wanted, result, reporter)


def _place(
    server: Server,
    name: str,
    texts: tuple[str, str],
    wanted: dict[str, list[media.Presented]],
    result: Pushed,
    reporter: Reporter,
    kind: str = projects.VOTES,
) -> None:
    """Update every rater's project; a failure in one does not stop the others.

    `texts` are the page and the instructions. Raters who have left and have no tasks to keep get no
    project.
    """
    existing = projects.find(server, name, kind)
    with reporter.stage("push", total=sum(map(len, wanted.values())), unit="tasks") as bar:
        for rater in sorted({*existing, *wanted}):
            try:
                project = projects.ensure(server, existing.get(rater), rater, name, *texts, kind)
                if rater in wanted:
                    address = f"{server.public_url}/projects/{project.number}/data?labeling=1"
                    result.addresses[rater] = address
                added, removed = projects.synchronise(server, project, wanted.get(rater, []), bar)
                result.added += added
                result.removed += removed
                projects.set_page(server, project, *texts)
            except RefusedError as error:
                result.problems[rater] = str(error)


def _keep(
    dataset: Dataset, sure: pd.DataFrame, checks: pd.DataFrame, assignments: pd.DataFrame
) -> None:
    """Write changed tables before anything is sent; those that belong to assignments come first."""
    for table, rows in ((tables.KNOWN, sure), (tables.CHECKS, checks)):
        if len(rows) and not rows.equals(dataset.read_or_empty(table)):
            dataset.write(table, rows)
    if not dataset.has(tables.ASSIGNMENTS) or not assignments.equals(dataset.assignments):
        dataset.write(tables.ASSIGNMENTS, assignments)


def _training_of(
    checks: pd.DataFrame, shown: dict[str, media.Shown]
) -> dict[str, list[media.Presented]]:
    """Return the training clips of each rater, in order."""
    rows = checks[checks["kind"] == "training"].sort_values(["rater", "position"])
    found: dict[str, list[media.Presented]] = {}
    columns = (rows["rater"], rows["presentation"], rows["clip_key"])
    for rater, name, key in zip(*columns, strict=True):
        found.setdefault(rater, []).extend([media.Presented(name, shown[key])] * (key in shown))
    return found


def _in_order(rater: str, assignments: pd.DataFrame, checks: pd.DataFrame) -> list[tuple[str, str]]:
    """Return pairs of presentation and clip that a rater is shown, in order, checks included."""
    mine = assignments[assignments["rater"] == rater].assign(after=0)
    hidden = checks[(checks["rater"] == rater) & (checks["kind"] != "training")].assign(after=1)
    if rater in set(assignments["replaces"]):
        hidden = hidden[:0]
    columns = ["position", "after", "presentation", "clip_key"]
    rows = pd.concat([mine[columns], hidden[columns]]).sort_values(columns[:3])
    return list(zip(rows["presentation"], rows["clip_key"], strict=True))


def _refuse_forgotten(dataset: Dataset, raters: Sequence[str]) -> None:
    """Raise a CaerError if a rater is forgotten."""
    known = Forgotten.of(dataset.folder)
    if any(known.hides(dataset.folder, rater) for rater in raters):
        raise CaerError(
            "one of these raters is forgotten in this dataset; remove the address, or undo the "
            "forgetting with 'caer-data forget --undo'"
        )


def _shown(dataset: Dataset, reporter: Reporter) -> tuple[dict[str, media.Shown], dict[str, str]]:
    """Return the clips that a browser can play, by key, and reasons for the others, by name."""
    kept = anchors.present(dataset.clips)
    if kept.empty:
        raise CaerError(f"{dataset.folder}: the build kept no clip, so there is nothing to rate")
    prepared = media.prepare(dataset, kept, reporter)
    refused = {s.clip_id: s.problem for s in prepared if s.problem}
    shown = {s.clip_key: s for s in prepared if not s.problem}
    if not shown:
        first, reason = next(iter(refused.items()))
        raise CaerError(
            f"{dataset.folder}: none of the {len(refused)} clips can be shown; {first}: {reason}"
        )
    return shown, refused
