"""`caer-data status`."""

from __future__ import annotations

from pathlib import Path

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter, printable


@click.command("status")
@common.tables_or_argument
@common.release_and_results
@common.as_json
def command(dataset: Path, release: Path, results: Path, as_json: bool) -> None:
    """Show what is done, what comes next, and the command for it."""
    from caer_data.engine.dataset import Dataset
    from caer_data.report import status

    own = Dataset(dataset)
    found = status.steps(own, release, results)
    if as_json:
        Reporter("json").result(status.as_dict(own, found))
        return
    for step in found:
        click.echo(printable(f"{'done' if step.done else 'open':<6}{step.name:<11}{step.text}"))
    coming = status.next_step(found)
    click.echo(f"\nNext:\n  {printable(coming.next)}" if coming else "\nNothing is left to do.")
