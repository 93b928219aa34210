"""`caer-data demo`: something to try everything on, for people with no footage at hand."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from caer_data.errors import CaerError
from caer_data.progress import Reporter, options


@click.command("demo")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where the shows, their known truth and the credits go.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("dataset"),
    show_default=True,
    help="Dataset folder that is built from them.",
)
@click.option("--recipe", default="caer", show_default=True, help="Recipe to build with.")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes. Default: one for each core."
)
@click.option("--ratings", is_flag=True, help="Also make up ratings.csv, as six raters might.")
@click.option("--no-build", is_flag=True, help="Make the shows and stop there.")
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
    if ratings and no_build:
        raise click.UsageError("--ratings needs the dataset: leave out --no-build.")
    if not no_build:
        check_output(folder, output)
    shows = make_shows(folder, reporter)
    result: dict[str, Any] = {"shows": str(shows)}
    steps = []
    if no_build:
        steps.append(shlex.join(["caer-data", "build", "--shows", str(shows), "-o", str(output)]))
    else:
        from caer_data.build.run import build

        outcome = build(
            shows=shows, output=output, recipe=recipe, workers=workers, reporter=reporter
        )
        reporter.say(outcome.summary())
        outcome.raise_if_failed()
        result |= outcome.as_dict()
        elsewhere = [] if output == Path("dataset") else [str(output)]
        steps.append(shlex.join(["caer-data", "inspect", *elsewhere]))
        if ratings:
            from caer_data.build.demo_ratings import write_ratings

            result["ratings"] = str(write_ratings(output, folder))
            option = ["-d", *elsewhere] if elsewhere else []
            steps.append(
                shlex.join(["caer-data", "annotate", "import", result["ratings"], *option])
            )
        else:
            steps.append("caer-data annotate --help")
    reporter.say("Next:\n" + "\n".join(f"  {step}" for step in steps))
    reporter.result(result)


def make_shows(folder: Path, reporter: Reporter) -> Path:
    """Film the demo's episodes that are not yet in `folder/raw`, and return that folder.

    Also writes `truth.json` (see `demo_show.truth`) and `CREDITS.md`.

    Raises:
        CaerError: a picture is not installed, or the folder cannot be written.
    """
    import json
    from concurrent.futures import ThreadPoolExecutor

    from caer_data.build import demo_film, demo_show
    from caer_data.files import remove_leftovers, write_text

    shows = folder / "raw"
    truth = demo_show.truth()
    names: list[str] = list(truth["videos"])
    text = json.dumps(truth, indent=1) + "\n"
    known = folder / "truth.json"
    if not (known.is_file() and known.read_text(encoding="utf-8") == text):
        write_text(folder / "CREDITS.md", demo_show.credits_text())
        for name in names:  # filmed from another storyboard
            (shows / name).unlink(missing_ok=True)
        write_text(known, text)
    missing = [number for number, name in enumerate(names) if not (shows / name).is_file()]

    def film(number: int) -> str:
        show, episode = names[number].removesuffix(".mp4").split("/")
        demo_film.film(demo_show.storyboard(show, episode), shows / names[number], number)
        return names[number]

    if missing:
        remove_leftovers(shows)
        with (
            reporter.stage("demo", len(missing), "episodes") as bar,
            ThreadPoolExecutor(2) as pool,  # codec and OpenCV work outside of Python's lock
        ):
            for name in pool.map(film, missing):
                bar.advance(1, name)
    return shows


def check_output(folder: Path, output: Path) -> None:
    """See that the demo does not take the place of somebody's own dataset.

    Raises:
        CaerError: the output holds a dataset of other shows.
    """
    from caer_data import tables
    from caer_data.build.demo_show import SHOWS
    from caer_data.dataset import Dataset

    dataset = Dataset(output)
    if not dataset.recipe_path.is_file():
        return
    if dataset.has(tables.VIDEOS):
        own = set(dataset.videos["show"]) <= set(SHOWS)
    else:
        own = (folder / "truth.json").is_file()  # a demo that was stopped before its tables
    if not own:
        raise CaerError(
            f"{output}: holds a dataset of other shows; give the demo's dataset another folder "
            "with -o"
        )
