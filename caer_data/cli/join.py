"""`caer-data join`: joins releases of several datasets of one lab."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from caer_data.engine import progress
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import GROUPS

if TYPE_CHECKING:
    from caer_data.export.join import Joined


@click.command()
@click.argument(
    "releases", nargs=-1, required=True, metavar="RELEASE...", type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the joined release.",
)
@click.option(
    "--split", metavar="70/10/20", help="Draw a new split; by default every clip keeps its split."
)
@click.option(
    "--by",
    multiple=True,
    type=click.Choice([word for word in GROUPS if word != "scene"]),
    help="With --split: what to keep together; may be repeated. Default: the first release's.",
)
@click.option("--overwrite", is_flag=True, help="Replace an older release.")
@progress.options
def command(
    *,
    releases: tuple[Path, ...],
    output: Path,
    split: str | None,
    by: tuple[str, ...],
    overwrite: bool,
    reporter: Reporter,
) -> None:
    """Join releases of several datasets of one lab into one release of the same layouts.

    Each is verified first. If clips, videos, shots or persons have the same name, the name of their
    dataset is added as a prefix. Files are renumbered, and a clip that is in several releases is
    kept once. The originals are not changed.
    """
    from caer_data.export.join import join
    from caer_data.export.splits import parse_shares

    if by and split is None:
        raise click.UsageError("--by needs --split; add --split 70/10/20")
    shares = None if split is None else parse_shares(split)
    words = "+".join(dict.fromkeys(by)) or None
    _say(join(list(releases), output, shares, words, overwrite, reporter), reporter)


def _say(joined: Joined, reporter: Reporter) -> None:
    from caer_data.engine.progress import printable

    if not joined.new:
        reporter.say(f"{joined.folder} already contains this release; nothing was changed.")
    total = sum(joined.clips.values())
    counts = ", ".join(f"{count:,} of {name}" for name, count in joined.clips.items())
    reporter.say(printable(f"{joined.folder}: {total:,} clips ({counts})."))
    if joined.twice:
        reporter.say(f"{joined.twice:,} of them are in several releases; each is kept once.")
    for part, lines in joined.verdicts.items():
        reporter.say(f"Audit of {'the split' if part == 'release' else part}:")
        for line in lines:
            reporter.say(printable(f"  {line}"))
    if joined.shows:
        reporter.warn(
            printable(
                f"{', '.join(joined.shows)}: in several releases, each with its own numbering of "
                "persons, so one actor may have several identifiers."
            )
        )
    if joined.media and joined.rights is None:
        reporter.say(
            "It contains footage for your own use and must not be passed on, because the releases "
            "do not state the same right to share it."
        )
    reporter.result(
        {
            "release": str(joined.folder),
            "clips": joined.clips,
            "twice": joined.twice,
            "shows_of_several": joined.shows,
            "missing": list(joined.missing),
            "findings": [str(v) for f in joined.verdicts.values() for v in f
                         if v.verdict == "finding"],
        }
    )  # fmt: skip
