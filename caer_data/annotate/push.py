"""`caer-data annotate push`: deal the clips and bring every rater's project to what was dealt.

Nothing here depends on what an earlier run did: each step looks at what is there and adds what is
missing, so a second run changes nothing and a killed one is finished by the next.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from caer_data.annotate import forgotten, presentations, training
from caer_data.annotate.answers import fetch
from caer_data.annotate.budget import Budget, within
from caer_data.annotate.deal import assignments as deal
from caer_data.annotate.deal import known_answers, rebalance, second_round
from caer_data.annotate.deal.checks import lacking, plan
from caer_data.annotate.studio import accounts, media, page, projects
from caer_data.annotate.studio.client import Server
from caer_data.annotate.studio.sdk import RefusedError
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.files import write_text
from caer_data.engine.forgotten import Forgotten
from caer_data.engine.ledger import Ledger
from caer_data.engine.progress import Reporter
from caer_data.labels.checks import split
from caer_data.labels.validate import validate_answers


@dataclass
class Pushed:
    """What a push did.

    Attributes:
        clips: clips dealt in all.
        added: tasks added on the server.
        removed: unanswered tasks removed from it.
        refused: clips that are not shown, and why.
        addresses: each rater's labelling page.
        new_accounts: accounts made.
        reassigned: clips dealt again, of those asked for.
        already_reassigned: clips asked for that an earlier push had reassigned; skipped.
        checks: gold clips and repeats among what is shown.
        gold_lacking: gold clips that are due, for which too few answers are known.
        waiting: clips that the limit keeps from being dealt.
        training: a sentence on each rater's training.
        problems: what is wrong with a rater's project, and what to do; the others are complete.
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


def dataset_id(dataset: Dataset, *, make: bool = False) -> str:
    """The dataset's name on servers: random, made at the first push.

    Raises:
        CaerError: nothing was pushed yet.
    """
    path = dataset.folder / "annotation.json"
    if not path.is_file():
        if not make:
            raise CaerError(
                f"{dataset.folder}: nothing was pushed yet; run 'caer-data annotate push'"
            )
        write_text(path, json.dumps({"dataset_id": uuid.uuid4().hex}, indent=1) + "\n")
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["dataset_id"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CaerError(f"{path}: damaged ({error}); restore it from a backup") from error


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
    """Deal every kept clip and put it before its raters.

    Args:
        dataset: a built dataset.
        server: where the raters work.
        reporter: shows progress.
        raters: e-mail addresses; None for those of the earlier push.
        replace: a rater who leaves, and who takes over the rest of their clips.
        second_round_file: CSV of clips to be rated again by raters who have not seen them.
        known: CSV of clips with their right answers, for gold clips; they are not voted on.
        budget: how many clips are dealt, and by what they are balanced; None: as before.
        page_file: another labelling page than the one that comes with caer-data.
        instructions: HTML that raters read before the first clip, in place of the shipped text.

    Raises:
        CaerError: with the dataset as it was, except that clips already dealt stay dealt.
    """
    with dataset.lock():
        text = page.load(page_file, dataset.recipe.annotate.ask)
        words = page.instructions(instructions)
        page.check_on_server(server, text)
        _refuse_forgotten(dataset, [*(raters or ()), *(replace or ())[1:]])
        if (dataset.folder / "annotation.json").is_file():
            withdrawn = forgotten.withdraw(dataset, server, dataset_id(dataset))
            if withdrawn:
                reporter.say(f"Forgotten and taken off the server: {withdrawn.text()}.")
        shown, refused = _shown(dataset, reporter)
        sure = known_answers.take(dataset, known)
        before = dataset.read_or_empty(tables.ASSIGNMENTS)
        checks = dataset.read_or_empty(tables.CHECKS)
        for_votes = sorted(set(shown) - (set(sure["clip_key"]) - set(before["clip_key"])))
        paid_for = within(dataset, for_votes, set(before["clip_key"]), budget or Budget())
        result = Pushed(refused=refused, waiting=len(for_votes) - len(paid_for))
        trained = _train(dataset, server, raters, before, checks, sure, shown)
        if trained is not None:
            checks, raters, result.training = trained.checks, trained.passed, trained.said
            if trained.open:  # nobody new is dealt anything before all have finished
                paid_for, raters = sorted(set(before["clip_key"]) & set(paid_for)), None
        if trained is not None and trained.open and before.empty:
            assignments = before
        else:
            assignments = _deal(dataset, server, paid_for, raters=raters, replace=replace)
        if second_round_file is not None:
            clips = second_round.read_clips(second_round_file, assignments, Ledger.of(dataset))
            result.already_reassigned = len(second_round.dealt_again(assignments) & set(clips))
            result.reassigned = len(clips) - result.already_reassigned
            people = list(raters) if raters is not None else sorted(set(assignments["rater"]))
            assignments = second_round.deal_again(
                assignments, clips, people, dataset.recipe.seed, _pairs(checks)
            )
        assignments = presentations.fill(dataset, assignments)
        checks = _check(dataset, before, assignments, checks, sure, shown)
        result.checks = int((checks["kind"] != "training").sum())
        result.gold_lacking = lacking(assignments, checks, dataset.recipe.annotate)
        name = dataset_id(dataset, make=True)
        _keep(dataset, sure, checks, assignments)
        people = sorted(set(assignments["rater"]))
        result.clips = len(set(assignments["clip_key"]) & set(anchors.of_clips(dataset.clips)))
        training_of = {} if trained is None else _training_of(checks, shown)
        everybody = sorted({*people, *training_of})
        result.new_accounts = accounts.ensure(server, everybody, reporter)
        if training_of:
            _place(server, name, (text, words), training_of, result, reporter, projects.TRAINING)
            for project in projects.find(server, name, projects.TRAINING).values():
                training.publish(server, project, checks)
        wanted = {
            rater: [
                media.Presented(presentation, shown[key])
                for presentation, key in _in_order(rater, assignments, checks)
                if key in shown
            ]
            for rater in people
        }
        _place(server, name, (text, words), wanted, result, reporter)
        return result


def _place(
    server: Server,
    name: str,
    texts: tuple[str, str],
    wanted: dict[str, list[media.Presented]],
    result: Pushed,
    reporter: Reporter,
    kind: str = projects.VOTES,
) -> None:
    """Bring every rater's project to what is wanted; a bad one does not keep the others.

    `texts` are page and instructions. Whoever left without an answer that counts has nothing more
    to do.
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
    """Write what changed, before anything is sent; what hangs on the assignments comes first."""
    for table, rows in ((tables.KNOWN, sure), (tables.CHECKS, checks)):
        if len(rows) and not rows.equals(dataset.read_or_empty(table)):
            dataset.write(table, rows)
    if not dataset.has(tables.ASSIGNMENTS) or not assignments.equals(dataset.assignments):
        dataset.write(tables.ASSIGNMENTS, assignments)


def _train(
    dataset: Dataset,
    server: Server,
    raters: Sequence[str] | None,
    before: pd.DataFrame,
    checks: pd.DataFrame,
    sure: pd.DataFrame,
    shown: Collection[str],
) -> training.Trained | None:
    """Bring the training up to date; None where the recipe has none."""
    settings = dataset.recipe.annotate
    if not settings.training:
        return None
    pushed = (dataset.folder / "annotation.json").is_file()
    name = dataset_id(dataset) if pushed else None
    right = known_answers.answers(sure, dataset.read_or_empty(tables.LABELS))
    right = {key: emotion for key, emotion in right.items() if key in shown}
    trained = training.update(dataset, server, name, raters, before, checks, right)
    if not trained.open and len(trained.passed) < settings.raters_per_clip:
        raise CaerError(
            f"{len(trained.passed)} raters passed the training, but each clip needs "
            f"{settings.raters_per_clip}; add raters to the raters file ("
            + "; ".join(trained.said)
            + ")"
        )
    return trained


def _training_of(
    checks: pd.DataFrame, shown: dict[str, media.Shown]
) -> dict[str, list[media.Presented]]:
    """What each rater is shown in the training, in order."""
    rows = checks[checks["kind"] == "training"].sort_values(["rater", "position"])
    found: dict[str, list[media.Presented]] = {}
    columns = (rows["rater"], rows["presentation"], rows["clip_key"])
    for rater, name, key in zip(*columns, strict=True):
        found.setdefault(rater, []).extend([media.Presented(name, shown[key])] * (key in shown))
    return found


def _in_order(rater: str, assignments: pd.DataFrame, checks: pd.DataFrame) -> list[tuple[str, str]]:
    """Presentation and clip of all that a rater is shown; a check follows its place."""
    mine = assignments[assignments["rater"] == rater].assign(after=0)
    hidden = checks[(checks["rater"] == rater) & (checks["kind"] != "training")].assign(after=1)
    if rater in set(assignments["replaces"]):
        hidden = hidden[:0]
    columns = ["position", "after", "presentation", "clip_key"]
    rows = pd.concat([mine[columns], hidden[columns]]).sort_values(columns[:3])
    return list(zip(rows["presentation"], rows["clip_key"], strict=True))


def _check(
    dataset: Dataset,
    before: pd.DataFrame,
    assignments: pd.DataFrame,
    checks: pd.DataFrame,
    sure: pd.DataFrame,
    shown: Collection[str],
) -> pd.DataFrame:
    """All of `tables.CHECKS`, with the gold clips and repeats that are due now."""
    recipe = dataset.recipe
    right = known_answers.answers(sure, dataset.read_or_empty(tables.LABELS))
    planned = plan(before, assignments, checks, right, shown, recipe.annotate, recipe.seed)
    return presentations.fill_checks(dataset, planned) if len(planned) else planned


def _pairs(rows: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(rows["clip_key"], rows["rater"], strict=True))


def _refuse_forgotten(dataset: Dataset, raters: Sequence[str]) -> None:
    """Refuse raters who are forgotten."""
    known = Forgotten.of(dataset.folder)
    if any(known.hides(dataset.folder, rater) for rater in raters):
        raise CaerError(
            "one of these raters is forgotten in this dataset; take the address out, or take the "
            "forgetting back with 'caer-data forget --undo'"
        )


def _shown(dataset: Dataset, reporter: Reporter) -> tuple[dict[str, media.Shown], dict[str, str]]:
    """Clips a browser can play, by key, and the reasons for the others, by name."""
    kept = anchors.present(dataset.clips)
    if kept.empty:
        raise CaerError(f"{dataset.folder}: the build kept no clip, so there is nothing to rate")
    everything = media.prepare(dataset, kept, reporter)
    refused = {s.clip_id: s.problem for s in everything if s.problem}
    shown = {s.clip_key: s for s in everything if not s.problem}
    if not shown:
        first, reason = next(iter(refused.items()))
        raise CaerError(
            f"{dataset.folder}: none of the {len(refused)} clips can be shown; of {first}: {reason}"
        )
    return shown, refused


def _deal(
    dataset: Dataset,
    server: Server,
    clips: list[str],
    *,
    raters: Sequence[str] | None,
    replace: tuple[str, str] | None,
) -> pd.DataFrame:
    recipe = dataset.recipe
    existing = dataset.read_or_empty(tables.ASSIGNMENTS)
    if raters is None and existing.empty:
        raise CaerError("nothing was dealt yet; name the raters with --raters FILE")
    checks = _pairs(dataset.read_or_empty(tables.CHECKS))
    if replace is not None:
        old, new = replace
        answered = _answered(dataset, server)
        existing = deal.replace(existing, answered, old, new, recipe.seed, checks)
        raters = [r for r in (raters or sorted(set(existing["rater"]) | {new})) if r != old]
    there = set(anchors.of_clips(dataset.clips))
    if rebalance.is_uneven(existing, there):
        answered = _answered(dataset, server)
        existing = rebalance.level(existing, there, answered, checks, recipe.seed)
    people = list(raters) if raters is not None else sorted(set(existing["rater"]))
    return deal.deal(clips, people, existing, recipe.annotate, recipe.seed)


def _answered(dataset: Dataset, server: Server) -> set[tuple[str, str]]:
    """Pairs of clip and rater with an answer that counts, on the server or pulled before."""
    answers = fetch(dataset, server, dataset_id(dataset), Reporter("quiet"))
    votes, _ = split(answers, dataset.read_or_empty(tables.CHECKS))
    judged = [validate_answers(votes, dataset.assignments, dataset.clips, Ledger.of(dataset))]
    judged += [dataset.ratings] if dataset.has(tables.RATINGS) else []
    return set().union(*(_pairs(rows[rows["status"] == "accepted"]) for rows in judged))
