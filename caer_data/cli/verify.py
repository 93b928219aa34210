"""`caer-data verify`."""

from __future__ import annotations

from pathlib import Path

import click

from caer_data.cli import options as common
from caer_data.engine import progress
from caer_data.engine.progress import Reporter

_SHOWN = 20


@click.command()
@click.argument("release", type=common.PLACE, default="release")
@common.worked_on("release", dataset=False, writes=False)
@progress.options
def command(release: Path, reporter: Reporter) -> None:
    """Check every file of RELEASE against its manifest and its list of hashes."""
    from caer_data.export.verify import DamagedError, verify

    found = verify(release, reporter)
    problems, files = found.problems, found.files
    answer = {
        "release": str(release),
        "files": files,
        "problems": problems,
        "edited": found.edited,
        "missing": found.missing,
        "rebuilt": found.rebuilt,
    }
    if problems:
        reporter.result(answer)
        shown = "\n  ".join(problems[:_SHOWN])
        more = f"\n  and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
        raise DamagedError(
            f"{release}: {len(problems):,} problem{'s' * (len(problems) != 1)} in {files:,} files; "
            f"fetch or export the release again:\n  {shown}{more}"
        )
    reporter.say(f"{release}: all {files:,} files match the manifest.")
    if found.rebuilt:
        reporter.say(f"It was rebuilt. {found.rebuilt}")
    if found.edited:
        reporter.say(
            f"Edited since the export: {', '.join(found.edited)}. The next export refuses to "
            "replace what was edited; state it in the dataset's release.yaml instead."
        )
    if found.missing:
        count = len(found.missing)
        where = "to fill in in the dataset's release.yaml"
        if found.rebuilt:
            where = "that those who made the original have not filled in"
        reporter.say(f"{count} field{'s' * (count != 1)} {where}: {', '.join(found.missing)}.")
    reporter.result(answer)
