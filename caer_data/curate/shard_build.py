"""The build of one shard: artifacts of its videos, and its clips as soon as all videos are done."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from caer_data.curate import videos as video_stage
from caer_data.curate.cutting import cut_alone
from caer_data.curate.intake import Probed, analyse_videos, probe_files
from caer_data.curate.result import ShardResult
from caer_data.curate.run import RecipeLike, decide, prepare
from caer_data.curate.setup import Setup
from caer_data.curate.shards import Inputs, Shard
from caer_data.engine import copies, logs
from caer_data.engine import recipe as recipes
from caer_data.engine.engines import Engine, LocalEngine
from caer_data.engine.errors import CaerError
from caer_data.engine.files import create_text, explain_os_error
from caer_data.engine.ownership import claim_dataset
from caer_data.engine.pool import Limits
from caer_data.engine.progress import Reporter


def build_shard(
    shows: Path,
    output: Path,
    recipe: RecipeLike | None = None,
    *,
    shard: Shard,
    workers: int | None = None,
    limit: int | None = None,
    pyannote: Path | None = None,
    reporter: Reporter | None = None,
    limits: Limits | None = None,
    engine: Engine | None = None,
) -> ShardResult:
    """Create the artifacts of one shard's videos, and its clips if all videos are done.

    For arguments see `run.build`. The folder is not locked, so that shards can run in parallel with
    each other and with a build.

    Raises:
        CaerError: as in `run.build`.
    """
    started = time.perf_counter()
    prepared = prepare(shows, output, recipe, limit, pyannote, reporter)
    engine, limits = engine or LocalEngine(workers), limits or Limits()
    work = prepared.dataset.work_folder
    inputs = Inputs(tuple(prepared.found), recipes.dump(prepared.recipe))
    try:
        prepared.check_engine(engine)
        claim_dataset(output)
        with logs.to_file(shard.log_folder(work)):
            create_text(prepared.dataset.recipe_path, inputs.recipe)
            setup = prepared.setup(engine, limits)
            own = [item for item in prepared.found if shard.holds(item.relative)]
            probed = probe_files(setup, own)
            videos, failed = analyse_videos(setup, probed), probed.failed()
            without = _without_results(own, probed)
            shard.note(work, inputs, len(videos), failed, without)
            clips, problems, uncut = _cut(setup, inputs, shard)
            if problems:
                failed |= problems
                shard.note(work, inputs, len(videos), failed, without)
            seconds = round(time.perf_counter() - started, 1)
            return ShardResult(output, len(videos), failed, seconds, str(shard), clips, uncut)
    except OSError as error:
        raise CaerError(explain_os_error(error, output)) from error


def _without_results(found: list[video_stage.Found], probed: Probed) -> list[str]:
    """Return the paths of the files that failed or are forgotten."""
    held = {row["path"] for row in probed.rows.values() if row["status"] != "failed"}
    return [item.relative for item in found if item.relative not in held]


def _cut(setup: Setup, inputs: Inputs, shard: Shard) -> tuple[int, dict[str, str], str]:
    """Cut the shard's clips if every other video is done.

    Returns:
        How many were cut, why others could not be cut, and why none may be cut.
    """
    if (copy := copies.at(setup.dataset.folder)) is not None:
        copy.exchange()
    silent = replace(setup, reporter=Reporter("quiet"))  # the build will say the same
    probed, waiting = _all_done(silent, inputs, shard)
    if waiting:
        videos = "1 video" if waiting == 1 else f"{waiting:,} videos"
        return 0, {}, f"{videos} of other shards must be analysed first"
    videos_done = analyse_videos(silent, probed)
    decided = decide(silent, probed, videos_done)
    if decided.fates["changed"] + decided.fates["gone"]:
        return 0, {}, "rated clips would change, so the build must be asked first"
    own = [video for video in videos_done if shard.holds(video.row["path"])]
    count, problems = cut_alone(setup, own, decided.repeated.clips)
    return count, problems, ""


def _all_done(setup: Setup, inputs: Inputs, shard: Shard) -> tuple[Probed, int]:
    """Return the analysed videos of all shards, and how many videos must still be analysed.

    Those that their shard notes as having no results have failed, or are forgotten. Others without
    results were never analysed, or with another version of the package or other decisions by hand.
    """
    recipe, work = setup.recipe, setup.work
    shards = [Shard(number, shard.of) for number in range(1, shard.of + 1)]
    without = frozenset[str]().union(*(part.without_results(work, inputs) for part in shards))
    known: list[video_stage.Found] = []
    missing: list[str] = []
    for item in inputs.found:
        if video_stage.remembered(item, recipe.videos, recipe.media.audio, work):
            known.append(item)
        else:
            missing.append(item.relative)
    probed = probe_files(setup, known)
    for video in probed.videos:
        if not video.job.done:
            missing.append(video.row["path"])
            video.row["status"] = "failed"
    probed.videos = [video for video in probed.videos if video.job.done]
    return probed, sum(path not in without for path in missing)
