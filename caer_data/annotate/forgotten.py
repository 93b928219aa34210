"""Remove forgotten clips and raters from the rating server."""

from __future__ import annotations

from dataclasses import dataclass, field

from caer_data.annotate import training
from caer_data.annotate.studio import accounts, projects, removal
from caer_data.annotate.studio.client import Server
from caer_data.engine import identity
from caer_data.engine.dataset import Dataset
from caer_data.engine.forgotten import Forgotten
from caer_data.engine.secret import secret_of

_SHOWINGS = 8
"""Maximum number of times that a clip is shown to one rater."""


@dataclass(frozen=True)
class Withdrawal:
    """Counts of what was removed from a server.

    Attributes:
        tasks: removed tasks of other raters, with answers and drafts.
        projects: removed projects of forgotten raters, with everything in them.
        files: removed media files.
        accounts: removed accounts of forgotten raters.
        staying: forgotten raters whose account was kept, with the reason.
    """

    tasks: int = 0
    projects: int = 0
    files: int = 0
    accounts: int = 0
    staying: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.tasks or self.projects or self.files or self.accounts)

    def text(self) -> str:
        """Return the counts as part of a sentence."""
        kept = "".join(f"; the account of {rater} was kept: {why}" for rater, why in self._said())
        return (
            f"{self.tasks:,} tasks with their answers, {self.projects:,} projects of raters, "
            f"{self.files:,} media files and {self.accounts:,} accounts{kept}"
        )

    def _said(self) -> list[tuple[str, str]]:
        return sorted(self.staying.items())


def withdraw(dataset: Dataset, server: Server, name: str) -> Withdrawal:
    """Remove forgotten clips and raters from a server; return what was removed.

    Args:
        dataset: its tombstones say what to remove.
        server: the rating server.
        name: the dataset's name on servers (`presentations.dataset_id`).

    Raises:
        CaerError: the server refuses or cannot be reached; running the same command again
            completes the removal.
    """
    forgotten, secret = Forgotten.of(dataset.folder), secret_of(dataset.folder)
    if not (forgotten.clips or forgotten.raters):
        return Withdrawal()
    tasks = gone = files = 0
    for project in projects.every(server, name, projects.VOTES, projects.TRAINING):
        if forgotten.hides(dataset.folder, project.rater):
            files += removal.remove(server, project)
            training.unpublish(server, project)
            gone += 1
            continue
        shown = {
            identity.presentation(secret, key, project.rater, showing)
            for key in forgotten.clips
            for showing in range(_SHOWINGS)
        }
        lost, media = removal.remove_tasks(server, project, shown)
        training.unpublish(server, project, shown)
        tasks += lost
        files += media
    closed, staying = _close(dataset, server, forgotten)
    return Withdrawal(tasks, gone, files, closed, staying)


def _close(dataset: Dataset, server: Server, forgotten: Forgotten) -> tuple[int, dict[str, str]]:
    """Remove the accounts of forgotten raters that nothing else depends on.

    Returns the number of removed accounts, and the raters whose account was kept with the reason.
    """
    known = accounts.users(server) if forgotten.raters else {}
    leaving = {n: rater for n, rater in known.items() if forgotten.hides(dataset.folder, rater)}
    busy = projects.raters(server) if leaving else set()
    closed, staying = 0, {}
    for number, rater in leaving.items():
        accounts.forget_password(server, rater)
        if rater in busy:
            staying[rater] = "clips of other datasets were assigned to it"
        elif server.files is None:
            staying[rater] = "you do not run this server; ask its administrator to remove it"
        else:
            server.api.write("users.delete", number)
            closed += 1
    return closed, staying
