"""`caer-data build`."""

from __future__ import annotations

from pathlib import Path

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter, options


@click.command("build")
@click.option(
    "--shows",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of shows: SHOW/any/depth/EPISODE.mp4, or videos straight in it.",
)
@common.built_dataset("Dataset folder; created if missing, otherwise resumed.")
@click.option(
    "--recipe",
    help="A shipped recipe (caer, caer-insightface, quick) or a YAML file. "
    "Default: the dataset's own, else caer.",
)
@common.workers
@click.option(
    "--limit",
    type=click.IntRange(1),
    help="Process at most this many videos; clips of others stay, as those of absent videos do.",
)
@click.option(
    "--pyannote",
    type=click.Path(path_type=Path),
    help="Folder of pyannote.video's results (SHOW/EPISODE.shots.json, .track.txt) to take in "
    "place of finding shots and faces.",
)
@click.option(
    "--drop-rated",
    is_flag=True,
    help="Go on where rated clips would change or go because of the recipe or an edited video; "
    "without it the build stops and says how many.",
)
@options
def command(
    shows: Path,
    output: Path,
    recipe: str | None,
    workers: int | None,
    limit: int | None,
    pyannote: Path | None,
    drop_rated: bool,
    reporter: Reporter,
) -> None:
    """From a folder of raw shows to clips ready to be rated.

    Running the same command again does only what is missing.
    """
    from caer_data.curate import PRELOAD
    from caer_data.engine.pool import warm_up

    warm_up(PRELOAD)
    from caer_data.api import build

    outcome = build(
        shows,
        output,
        recipe,
        workers=workers,
        limit=limit,
        pyannote=pyannote,
        drop_rated=drop_rated,
        reporter=reporter,
    )
    reporter.say(outcome.summary())
    reporter.result(outcome.as_dict())
    outcome.raise_if_failed()
