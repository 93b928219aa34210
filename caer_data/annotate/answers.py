"""Fetch every answer of a dataset from the server, unchanged and unvalidated."""

from __future__ import annotations

from typing import Any

from caer_data.annotate import presentations
from caer_data.annotate.studio import accounts, projects
from caer_data.annotate.studio.client import Server
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.labels.extra_questions import QUESTIONS
from caer_data.labels.validate import Answer


def fetch(dataset: Dataset, server: Server, name: str, reporter: Reporter) -> list[Answer]:
    """Return all answers in the dataset's projects.

    Every rater with clips of their own must have a project. A rater who only takes over clips from
    others may have none yet, if a push was interrupted before it created the project.

    Args:
        dataset: its assignments say which raters must have a project.
        server: the server with the projects.
        name: the dataset's name on servers (`presentations.dataset_id`).
        reporter: shows progress.

    Raises:
        CaerError: a project is gone, or the connection broke.
    """
    assigned = dataset.assignments
    people = sorted(set(assigned.loc[assigned["replaces"].isna(), "rater"]))
    found = projects.find(server, name)
    gone = [rater for rater in people if rater not in found]
    if gone:
        raise CaerError(
            f"{server.url} has no project of {', '.join(gone)} for this dataset; if it was deleted,"
            " restore the server's backup, or run 'caer-data annotate push' to create it again"
        )
    return _answers(dataset, server, found, reporter)


def fetch_training(dataset: Dataset, server: Server, name: str) -> list[Answer]:
    """Return all answers in the training projects; see `fetch`."""
    found = projects.find(server, name, projects.TRAINING)
    return _answers(dataset, server, found, Reporter("quiet"))


def _answers(
    dataset: Dataset, server: Server, found: dict[str, projects.Project], reporter: Reporter
) -> list[Answer]:
    emails = accounts.users(server)
    shown = presentations.of(dataset)
    answers: list[Answer] = []
    with reporter.stage("answers", total=len(found), unit="raters") as bar:
        for rater, project in sorted(found.items()):
            tasks = projects.answers(server, project)
            for task in tasks:
                name = str(task["data"].get("clip", ""))
                key = shown.clip_of(name, rater)
                for annotation in task["annotations"]:
                    answers.append(_answer(annotation, key, name, rater, emails))
            bar.advance(1, note=rater)
    return answers


# Accounts that created or last changed an annotation. Not every version names all of them.
_AUTHORS = ("created_by", "last_created_by", "updated_by")


def _answer(
    annotation: dict[str, Any],
    clip_key: str | None,
    presentation: str,
    owner: str,
    emails: dict[int, str],
) -> Answer:
    named = [annotation[key] for key in _AUTHORS if annotation.get(key) is not None]
    result = annotation.get("result") or []
    return Answer(
        source_id=str(annotation["id"]),
        clip_key=clip_key,
        presentation=presentation,
        rater=_account(annotation.get("completed_by"), emails),
        project_rater=owner,
        authors=tuple(_account(author, emails) for author in named),
        emotion=_chosen(result, "emotion"),
        confidence=_chosen(result, "confidence"),
        cannot_judge=_chosen(result, "cannot_judge"),
        asked={name: _chosen(result, name) for name in QUESTIONS},
        lead_time_s=_number(annotation.get("lead_time")),
        created_at=annotation.get("created_at"),
        updated_at=annotation.get("updated_at"),
        cancelled=bool(annotation.get("was_cancelled")),
        ground_truth=bool(annotation.get("ground_truth")),
    )


def _account(author: Any, emails: dict[int, str]) -> str:
    """Return the address of an account, given as a number or as an object that contains one."""
    number = author.get("id") if isinstance(author, dict) else author
    return emails.get(number, f"account {number}") if isinstance(number, int) else "nobody"


def _chosen(result: Any, control: str) -> str | None:
    """Return the stored value of a control as text, choices joined by commas; None if unset."""
    chosen: list[str] = []
    for part in result if isinstance(result, list) else []:
        if isinstance(part, dict) and part.get("from_name") == control:
            value = part.get("value")
            stored = value.get("choices", value.get("number")) if isinstance(value, dict) else value
            chosen += [str(v) for v in (stored if isinstance(stored, list) else [stored])]
    return ",".join(chosen) if chosen else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
