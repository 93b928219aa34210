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
@common.built_dataset("Folder of the dataset to build.")
@common.worked_on("output", artifacts=True)
@click.option("--recipe", default="caer", show_default=True, help="Recipe to build with.")
@common.workers
@click.option(
    "--ratings", is_flag=True, help="Also write ratings.csv with made-up ratings of six raters."
)
@click.option("--no-build", is_flag=True, help="Only create the shows.")
@click.option(
    "--whole",
    is_flag=True,
    help="Run all steps: also made-up ratings, export, two minutes of training, and a report.",
)
@options
def command(
    *,
    folder: Path,
    output: Path,
    recipe: str,
    workers: int | None,
    ratings: bool,
    no_build: bool,
    whole: bool,
    reporter: Reporter,
) -> None:
    """Create three small shows from public-domain and freely licensed pictures, and build them.

    The pictures are part of installed packages; nothing is downloaded. Cuts, faces and people of
    every shot are written to truth.json, next to the shows.
    """
    from caer_data.demo import shows

    if (ratings or whole) and no_build:
        flag = "--whole" if whole else "--ratings"
        raise click.UsageError(f"{flag} needs the dataset; omit --no-build.")
    if not no_build:
        shows.check_output(folder, output)
    raw = shows.make_shows(folder, reporter)
    result: dict[str, Any] = {"shows": str(raw)}
    elsewhere = [] if output == Path("dataset") else ["-d", str(output)]
    steps = [["inspect", *elsewhere]]
    if no_build:
        steps = [["build", "--shows", str(raw), "-o", str(output)]]
    else:
        result |= _build(raw, output, recipe, workers, reporter)
    if ratings or whole:
        from caer_data.demo.ratings import write_ratings

        result["ratings"] = str(write_ratings(output, folder))
        steps.append(["annotate", "import", result["ratings"], *elsewhere])
    if whole:
        _walk([steps.pop(), *_rest(elsewhere, reporter)], reporter)
        result["report"] = str(output / "report.html")
    elif not no_build and not ratings:
        steps.append(["demo", "--whole", *elsewhere])
    if not no_build:
        steps.append(["view", *elsewhere])
    lines = [shlex.join(["caer-data", *step]) for step in steps]
    reporter.say("Next:\n" + "\n".join(f"  {line}" for line in lines))
    reporter.result(result)


def _build(
    raw: Path, output: Path, recipe: str, workers: int | None, reporter: Reporter
) -> dict[str, Any]:
    from caer_data.api import build

    outcome = build(shows=raw, output=output, recipe=recipe, workers=workers, reporter=reporter)
    reporter.say(outcome.summary())
    outcome.raise_if_failed()
    return outcome.as_dict()


def _rest(elsewhere: list[str], reporter: Reporter) -> list[list[str]]:
    """Return the commands after the import that can run with the installed packages."""
    from caer_data.engine import extras

    steps = [["export", *elsewhere, "--split", "60/20/20", "--overwrite"]]
    if extras.missing("benchmark"):
        reporter.warn(f"Skipping the benchmark; to run it, {extras.install_command('benchmark')}")
    else:
        steps.append(["benchmark", "--model", "caer-net-s", "--epochs", "3"])
    return [*steps, ["report", *elsewhere]]


def _walk(steps: list[list[str]], reporter: Reporter) -> None:
    """Run other commands as if they had been typed, printing each before it runs."""
    from caer_data.cli import cli

    manner = {"bars": [], "quiet": ["--quiet"], "json": ["--json"]}[reporter.mode]
    for step in steps:
        reporter.say(f"\n$ {shlex.join(['caer-data', *step])}")
        code = cli.main([*step, *manner], prog_name="caer-data", standalone_mode=False)
        if code:
            raise click.exceptions.Exit(code)
