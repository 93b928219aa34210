"""Take off the rating server what a dataset must not hold any more."""

from __future__ import annotations

from dataclasses import dataclass

from caer_data.annotate.studio import accounts, projects
from caer_data.annotate.studio.client import Server
from caer_data.engine import identity
from caer_data.engine.dataset import Dataset
from caer_data.engine.forgotten import Forgotten
from caer_data.engine.secret import secret_of

_SHOWINGS = 8
"""How often one clip may have been shown to one rater."""


@dataclass(frozen=True)
class Withdrawal:
    """What was removed from a server: tasks with their answers, projects of raters, files."""

    tasks: int = 0
    projects: int = 0
    files: int = 0

    def __bool__(self) -> bool:
        return bool(self.tasks or self.projects or self.files)

    def text(self) -> str:
        """For people."""
        return (
            f"{self.tasks:,} tasks with their answers, {self.projects:,} projects of raters and "
            f"{self.files:,} media files"
        )


def withdraw(dataset: Dataset, server: Server, name: str) -> Withdrawal:
    """Remove forgotten clips and raters from a server; nothing where it holds none.

    Args:
        dataset: its tombstones say what must go.
        server: where its raters work.
        name: the dataset's name on servers (`push.dataset_id`).

    Raises:
        CaerError: the server refuses or is gone; the same command goes on.
    """
    forgotten, secret = Forgotten.of(dataset.folder), secret_of(dataset.folder)
    if not (forgotten.clips or forgotten.raters):
        return Withdrawal()
    tasks = gone = files = 0
    for rater, project in projects.find(server, name).items():
        if forgotten.hides(dataset.folder, rater):
            files += projects.remove(server, project)
            accounts.forget_password(server, rater)
            gone += 1
            continue
        shown = {
            identity.presentation(secret, key, rater, showing)
            for key in forgotten.clips
            for showing in range(_SHOWINGS)
        }
        lost, media = projects.remove_tasks(server, project, shown)
        tasks += lost
        files += media
    return Withdrawal(tasks, gone, files)
