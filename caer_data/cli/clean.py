"""`caer-data clean`."""

from __future__ import annotations

from pathlib import Path

import click

from caer_data.engine.progress import Reporter, options


@click.command("clean")
@click.option(
    "-d",
    "--dataset",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("dataset"),
    show_default=True,
    help="Dataset folder.",
)
@click.option("--yes", is_flag=True, help="Remove without asking.")
@options
def command(folder: Path, yes: bool, reporter: Reporter) -> None:
    """Remove finished work that no table uses any more.

    They are left by earlier recipes and edited videos. Tables, clips, ratings and labels stay.
    """
    from caer_data.curate import clean
    from caer_data.engine.dataset import Dataset

    dataset = Dataset(folder)
    dataset.require()
    with dataset.lock():
        found = clean.unused(dataset)
        size = f"{found.bytes / 1e6:,.1f} MB"
        if not found.paths:
            reporter.say(f"{folder}: every piece of work is in use.")
        elif yes or click.confirm(
            f"{len(found.paths):,} pieces of work are not in use ({size}). Remove them?", err=True
        ):
            clean.remove(found)
            reporter.say(f"{folder}: removed {len(found.paths):,} pieces of work, {size}.")
        else:
            found = clean.Unused((), 0)
            reporter.say("Nothing was removed.")
    reporter.result({"removed": len(found.paths), "bytes": found.bytes})
