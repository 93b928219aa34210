"""`caer-data annotate import`, and the report of every command that decided labels again."""

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
    help="The file's column for one of ours, such as rater=WorkerId; may be repeated.",
)
@click.option(
    "--confidence-scale",
    "scale",
    default="0..1",
    show_default=True,
    help="Scale of the confidence, from a guess to certain, such as 1..5 or 0..100.",
)
@click.option("--synonyms", is_flag=True, help="Take joy as happy, angry as anger and the like.")
@click.option("--encoding", help="The file's encoding. Default: detected from its content.")
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
    """Take ratings from a CSV: clip_id, rater, emotion, confidence."""
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
    """Print the outcome and bring the dataset's report up to date."""
    from caer_data.labels.agreement_text import agreement_text
    from caer_data.report.dataset import write_report

    reporter.say(summary)
    if reporter.mode == "bars":
        click.echo(agreement_text(agreement))
    write_report(dataset)
    reporter.say(f"The report is in {dataset.report_path}.")
    reporter.result({"alpha": agreement.alpha, "report": str(dataset.report_path)})
