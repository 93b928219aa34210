"""`caer-data demo`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter, options


@click.command("demo")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for the shows, their ground truth and the credits.",
)
@common.built_dataset("Dataset folder that is built from them.")
@click.option("--recipe", default="caer", show_default=True, help="Recipe to build with.")
@common.workers
@click.option(
    "--ratings", is_flag=True, help="Also write ratings.csv with made-up ratings of six raters."
)
@click.option("--no-build", is_flag=True, help="Make the shows only.")
@options
def command(
    *,
    folder: Path,
    output: Path,
    recipe: str,
    workers: int | None,
    ratings: bool,
    no_build: bool,
    reporter: Reporter,
) -> None:
    """Make three small shows of public-domain and freely licensed pictures, and build them.

    The pictures come with installed packages; nothing is downloaded. Cuts, faces and people of
    every shot are written beside the shows, in truth.json.
    """
    from caer_data.demo import shows

    if ratings and no_build:
        raise click.UsageError("--ratings needs the dataset: leave out --no-build.")
    if not no_build:
        shows.check_output(folder, output)
    raw = shows.make_shows(folder, reporter)
    result: dict[str, Any] = {"shows": str(raw)}
    steps = []
    if no_build:
        steps.append(shlex.join(["caer-data", "build", "--shows", str(raw), "-o", str(output)]))
    else:
        from caer_data.api import build

        outcome = build(shows=raw, output=output, recipe=recipe, workers=workers, reporter=reporter)
        reporter.say(outcome.summary())
        outcome.raise_if_failed()
        result |= outcome.as_dict()
        elsewhere = [] if output == Path("dataset") else ["-d", str(output)]
        steps.append(shlex.join(["caer-data", "inspect", *elsewhere]))
        if ratings:
            from caer_data.demo.ratings import write_ratings

            result["ratings"] = str(write_ratings(output, folder))
            steps.append(
                shlex.join(["caer-data", "annotate", "import", result["ratings"], *elsewhere])
            )
        else:
            steps.append("caer-data annotate --help")
    reporter.say("Next:\n" + "\n".join(f"  {step}" for step in steps))
    reporter.result(result)
