"""`caer-data clean`."""

from __future__ import annotations

from pathlib import Path

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter, options


@click.command("clean")
@common.dataset_and_prune
@click.option("--yes", is_flag=True, help="Remove without asking.")
@options
def command(dataset: Path, yes: bool, reporter: Reporter) -> None:
    """Remove intermediate results that are no longer used.

    They remain from earlier recipes and edited videos. Tables, clips, ratings and labels are kept.
    """
    from caer_data.curate import clean
    from caer_data.engine.dataset import Dataset

    own = Dataset(dataset)
    own.require()
    with own.lock():
        found = clean.unused(own)
        size = f"{found.bytes / 1e6:,.1f} MB"
        if not found.paths:
            reporter.say(f"{dataset}: every intermediate result is in use.")
        elif yes or click.confirm(
            f"{len(found.paths):,} intermediate results are not in use ({size}). Remove them?",
            err=True,
        ):
            clean.remove(found)
            reporter.say(f"{dataset}: removed {len(found.paths):,} intermediate results, {size}.")
        else:
            found = clean.Unused((), 0)
            reporter.say("Nothing was removed.")
    reporter.result({"removed": len(found.paths), "bytes": found.bytes})
