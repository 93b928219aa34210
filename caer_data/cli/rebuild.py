"""`caer-data rebuild`: recreates the clips of a release without footage from one's own rips."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caer_data.cli import options as common
from caer_data.engine import progress
from caer_data.engine.progress import Reporter

if TYPE_CHECKING:
    from caer_data.export.rebuild import Outcome

_NO_FINGERPRINTS = (
    "\nThe release has no fingerprints, so only the original files can be found, not other rips."
)


@click.command()
@click.argument("release", type=click.Path(path_type=Path), default="release")
@click.option(
    "--shows",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of shows; files are found by their content, not their names.",
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
    """Recreate the clips of RELEASE, which has no footage, from the original files or other rips.

    Original files are cut according to the recipe, and the pictures of each clip are compared with
    the recorded hashes. In other rips, clips are found by the release's fingerprints, even at
    another size, speed or frame rate, cropped, with a logo, or with adverts. Running the command
    again adds episodes that were missing.
    """
    from caer_data.engine.cores import cores
    from caer_data.export.rebuild import recut

    target = output or release.with_name(f"{release.name}-rebuilt")
    outcome = recut(release, shows, target, overwrite, workers or cores(), reporter)
    if not outcome.new:
        reporter.say(f"{target} already contains all that can be rebuilt; nothing was changed.")
    reporter.say(_counts(target, outcome))
    for episode, name in outcome.rips.items():
        reporter.say(f"  {episode}: found in {name}")
    reporter.result({"release": str(target), **asdict(outcome)})
    _refuse_missing(outcome, target, shows)


def _counts(target: Path, outcome: Outcome) -> str:
    parts = []
    if outcome.identical or not (outcome.similar or outcome.aligned):
        parts.append(f"{outcome.identical:,} clips have exactly the recorded pictures")
    if outcome.similar:
        parts.append(
            f"{outcome.similar:,} clips have the same pictures from another version of the encoder"
        )
    if outcome.aligned:
        parts.append(f"{outcome.aligned:,} clips are from another rip{_errors(outcome)}")
    counts = ", ".join(parts)
    return f"{target}: {counts}. It contains footage for your own use; do not pass it on."


def _errors(outcome: Outcome) -> str:
    """Return how exact the alignment of clips is, by their own pictures."""
    if not outcome.errors:
        return " (they contain no motion, so their offset cannot be measured)"
    exact = sum(error <= 2 for error in outcome.errors)
    return (
        f" (of {len(outcome.errors):,} with enough motion to measure their offset, {exact:,} are "
        "at most 2 frames off)"
    )


def _refuse_missing(outcome: Outcome, target: Path, shows: Path) -> None:
    """Raise an error that lists what is missing, if anything is."""
    from caer_data.engine.errors import PartialFailure

    problems = [f"no file for {name}" for name in outcome.missing]
    problems += [f"{clip_id}: {why}" for clip_id, why in outcome.failed.items()]
    if not problems:
        return
    lacking = len(outcome.failed) + outcome.clips_missing
    total = lacking + outcome.identical + outcome.similar + outcome.aligned
    shown = "\n  ".join(problems[:20])
    if len(problems) > 20:
        shown += f"\n  and {len(problems) - 20:,} more"
    why = []
    if outcome.failed:
        why.append(f"{len(outcome.failed):,} could not be recreated")
    if outcome.missing:
        episodes = f"{len(outcome.missing):,} episode{'s' * (len(outcome.missing) != 1)}"
        are = "is" if outcome.clips_missing == 1 else "are"
        why.append(f"{outcome.clips_missing:,} {are} of {episodes} not found below {shows}")
    raise PartialFailure(
        f"{lacking:,} of {total:,} clips {'is' if lacking == 1 else 'are'} missing: "
        f"{', '.join(why)}; the rest is in {target}:\n  {shown}"
        + ("" if outcome.fingerprints else _NO_FINGERPRINTS)
    )
