"""`caer-data build`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caer_data.cli import options as common
from caer_data.engine.objects import Place
from caer_data.engine.progress import Reporter, options

if TYPE_CHECKING:
    from caer_data.curate.result import BuildResult, ShardResult
    from caer_data.engine.engines import Engine


@click.command("build")
@click.option(
    "--shows",
    type=common.PLACE,
    required=True,
    help="Folder of shows: SHOW/any/depth/EPISODE.mp4, or videos directly in it; or s3://...",
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
    help="Maximum number of videos to process; clips of all others are kept.",
)
@click.option(
    "--pyannote",
    type=click.Path(path_type=Path),
    help="Folder of pyannote.video's results (SHOW/EPISODE.shots.json, .track.txt) to use "
    "instead of detecting shots and faces.",
)
@click.option(
    "--drop-rated",
    is_flag=True,
    help="Continue even if rated clips are changed or dropped because of the recipe or an edited "
    "video; by default the build stops and reports how many.",
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Only compute the intermediate results of a part of the videos, without locking the "
    "folder, and cut its clips if all other parts are done; the same command without --shard "
    "then completes the dataset.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where to process videos: on this machine, or on Ray.",
)
@click.option(
    "--address",
    help="Ray cluster: auto, ray://HOST:PORT or HOST:PORT.  [default: Ray on this machine]",
)
@click.option(
    "--needs",
    multiple=True,
    metavar="STAGE:cpus=N,gpus=N,memory=GB",
    help="Resources per task of a stage (videos, analyse, clips) on Ray; may be repeated.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only estimate time, disk space and hours of rating, by building a few parts of the "
    "videos in a temporary folder.",
)
@options
def command(
    shows: Path | Place,
    output: Path | Place,
    recipe: str | None,
    workers: int | None,
    limit: int | None,
    pyannote: Path | None,
    drop_rated: bool,
    shard: str | None,
    engine: str,
    address: str | None,
    needs: tuple[str, ...],
    dry_run: bool,
    reporter: Reporter,
) -> None:
    """Turn a folder of raw shows into clips ready for rating.

    Running the same command again computes only what is missing.
    """
    from caer_data.curate import PRELOAD
    from caer_data.engine.pool import warm_up

    if shard is not None and drop_rated:
        raise click.UsageError("--shard writes no tables; --drop-rated belongs to the final build")
    if dry_run and (shard is not None or pyannote or engine != "local"):
        raise click.UsageError(
            "--dry-run runs on this machine; it cannot be combined with --shard, --pyannote or "
            "--engine"
        )
    if engine == "local":
        warm_up(PRELOAD)  # it imports much, and meanwhile this process does too
    from caer_data.curate import shards

    part = None if shard is None else shards.parse(shard)
    where = _engine(engine, address, workers, needs)
    stores = isinstance(shows, Place) or isinstance(output, Place)
    with closing(where):
        if stores:
            _check_before_fetching(shows, recipe, where)
        opened = common.working_copy(output, artifacts=True, state=part is None, writes=not dry_run)
        with opened as folder:
            raw = _laid_out(shows, folder, recipe) if isinstance(shows, Place) else shows
            if dry_run:
                _estimate(raw, folder, recipe, workers, limit, reporter)
                return
            common_options: dict[str, Any] = {
                "workers": workers,
                "limit": limit,
                "pyannote": pyannote,
                "engine": where,
                "reporter": reporter,
            }
            outcome: BuildResult | ShardResult
            if part:
                from caer_data.curate.shard_build import build_shard

                outcome = build_shard(raw, folder, recipe, shard=part, **common_options)
            else:
                from caer_data.api import build

                outcome = build(raw, folder, recipe, drop_rated=drop_rated, **common_options)
            reporter.say(outcome.summary())
            reporter.result(outcome.as_dict())
            outcome.raise_if_failed()


def _check_before_fetching(shows: Path | Place, recipe: str | None, engine: Engine) -> None:
    """Check what can be checked before anything is fetched from an object store."""
    from caer_data.curate import prerequisites
    from caer_data.curate import videos as video_stage
    from caer_data.engine import recipe as recipes
    from caer_data.engine.objects import Bucket

    chosen = None if recipe is None else recipes.load(recipe)
    if chosen is not None:
        prerequisites.check(chosen)
    if isinstance(shows, Place):
        Bucket(shows).check()
    elif chosen is not None or not shows.exists():
        video_stage.find(shows, (chosen or recipes.load("caer")).videos)
    engine.check([])


def _laid_out(shows: Place, output: Path, recipe: str | None) -> Path:
    """Return a local mirror of shows in an object store; the recipe says which files are videos."""
    from caer_data.curate.run import chosen_recipe
    from caer_data.engine.sources import mirrored

    return mirrored(shows, chosen_recipe(output, recipe).videos.extensions)


def _engine(name: str, address: str | None, workers: int | None, needs: tuple[str, ...]) -> Engine:
    """Return the engine that the options request, not started yet."""
    from caer_data.engine.engines import LocalEngine, parse_needs

    if name == "local":
        if address or needs:
            raise click.UsageError("--address and --needs require --engine ray")
        return LocalEngine(workers)
    from caer_data.engine.ray_engine import RayEngine

    return RayEngine(address, workers, parse_needs(needs))


def _estimate(
    shows: Path,
    output: Path,
    recipe: str | None,
    workers: int | None,
    limit: int | None,
    reporter: Reporter,
) -> None:
    from caer_data.curate.forecast import forecast

    estimate = forecast(shows, output, recipe, workers=workers, limit=limit, reporter=reporter)
    if reporter.mode == "json":
        reporter.result(estimate.as_dict())
    else:
        click.echo(estimate.summary())
