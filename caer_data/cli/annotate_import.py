"""`caer-data annotate import`, and the output of all commands that decide labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter, options

if TYPE_CHECKING:
    from caer_data.engine.dataset import Dataset
    from caer_data.labels.agreement import Agreement


@click.command("import")
@common.dataset_clips
@click.argument("ratings", type=common.FILE)
@click.option(
    "--map",
    "mapped",
    multiple=True,
    metavar="NAME=COLUMN",
    help="Maps a required column to the file's, such as rater=WorkerId; may be repeated.",
)
@click.option(
    "--confidence-scale",
    "scale",
    default="0..1",
    show_default=True,
    help="Scale of the confidence, from guess to certain, such as 1..5 or 0..100.",
)
@click.option(
    "--synonyms", is_flag=True, help="Accept synonyms, such as joy for happy or angry for anger."
)
@click.option("--encoding", help="Encoding of the file. Default: detected from its content.")
@options
def command(
    dataset: Path,
    ratings: Path,
    mapped: tuple[str, ...],
    scale: str,
    synonyms: bool,
    encoding: str | None,
    reporter: Reporter,
) -> None:
    """Import ratings from a CSV file.

    It needs the columns clip_id, rater, emotion and confidence.
    """
    from caer_data.annotate.pull import Pulled, agreement_of
    from caer_data.engine.dataset import Dataset
    from caer_data.labels import csv_import
    from caer_data.labels import decide as labels
    from caer_data.labels.cells import Scale

    own = Dataset(dataset)
    own.require()
    pairs = [(ours, theirs) for ours, _, theirs in (pair.partition("=") for pair in mapped)]
    wanted = csv_import.ImportOptions(pairs, Scale.parse(scale), synonyms, encoding)
    with own.lock():
        fresh = csv_import.read(ratings, own, wanted, reporter.say)
        answers, decided = labels.update(own, fresh, snapshot=False)
        found = Pulled(answers, decided, agreement_of(own, answers, decided))
    show_labels(own, found.summary(), found.agreement, reporter)


def show_labels(dataset: Dataset, summary: str, agreement: Agreement, reporter: Reporter) -> None:
    """Print the result and update the dataset's report."""
    from caer_data.labels.agreement_text import agreement_text
    from caer_data.report.dataset import write_report

    reporter.say(summary)
    if reporter.mode == "bars":
        click.echo(agreement_text(agreement))
    write_report(dataset)
    reporter.say(f"The report is in {dataset.report_path}.")
    reporter.result({"alpha": agreement.alpha, "report": str(dataset.report_path)})
