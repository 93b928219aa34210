"""`caer-data upgrade`."""

from __future__ import annotations

from pathlib import Path

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter, options


@click.command("upgrade")
@common.dataset_or_argument
@options
def command(dataset: Path, reporter: Reporter) -> None:
    """Convert a dataset of an earlier version to the format of this one.

    Ratings, labels and splits keep their clips. Nothing is cut or rated again.
    """
    from caer_data.engine.dataset import Dataset
    from caer_data.export.upgrade import upgrade

    changed = upgrade(Dataset(dataset))
    reporter.say(f"{dataset}: " + ("upgraded" if changed else "is already in the current format"))
    reporter.result({"upgraded": changed})
