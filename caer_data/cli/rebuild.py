"""`caer-data rebuild`: cut the clips of a release without footage from the shows again."""

from __future__ import annotations

from pathlib import Path

import click

from caer_data.cli import options as common
from caer_data.engine import progress
from caer_data.engine.progress import Reporter


@click.command()
@click.argument("release", type=click.Path(path_type=Path), default="release")
@click.option(
    "--shows",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the original shows; files are found by their content, not their names.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of the release with footage.  [default: RELEASE-rebuilt]",
)
@click.option("--overwrite", is_flag=True, help="Replace an older release.")
@common.workers
@progress.options
def command(
    *,
    release: Path,
    shows: Path,
    output: Path | None,
    overwrite: bool,
    workers: int | None,
    reporter: Reporter,
) -> None:
    """Make RELEASE, which has no footage, whole again from the original shows.

    Every clip is cut as its recipe says and its pictures are compared with the recorded hashes.
    """
    from caer_data.engine.cores import cores
    from caer_data.engine.errors import PartialFailure
    from caer_data.export.rebuild import recut

    target = output or release.with_name(f"{release.name}-rebuilt")
    outcome = recut(release, shows, target, overwrite, workers or cores(), reporter)
    if not outcome.new:
        reporter.say(f"{target} holds this very release already; nothing was changed.")
    reporter.say(
        f"{target}: {outcome.identical:,} clips have exactly the recorded pictures"
        + (
            f", {outcome.similar:,} the same pictures from another version of the encoder"
            if outcome.similar
            else ""
        )
        + ". It holds footage for your own use and must not be passed on."
    )
    reporter.result(
        {
            "release": str(target),
            "identical": outcome.identical,
            "similar": outcome.similar,
            "failed": outcome.failed,
            "missing": outcome.missing,
            "clips_missing": outcome.clips_missing,
            "new": outcome.new,
        }
    )
    problems = [f"no file for {name}" for name in outcome.missing]
    problems += [f"{clip_id}: {why}" for clip_id, why in outcome.failed.items()]
    if problems:
        lacking = len(outcome.failed) + outcome.clips_missing
        total = lacking + outcome.identical + outcome.similar
        shown = "\n  ".join(problems[:20])
        raise PartialFailure(
            f"{lacking:,} of {total:,} clips are missing: {len(outcome.failed):,} could not be "
            f"made again, {outcome.clips_missing:,} are of episodes not found below {shows} "
            f"({len(outcome.missing):,}); the rest is in {target}:\n  {shown}"
        )
