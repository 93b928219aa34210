"""`caer-data annotate`: serve, push, status, pull, pay, backup, restore, import."""

from __future__ import annotations

import signal
from datetime import datetime
from pathlib import Path
from types import FrameType

import click

from caer_data.cli import annotate_import, annotate_push
from caer_data.cli import options as common
from caer_data.cli.annotate_import import show_labels
from caer_data.engine.progress import Reporter, options

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group()
def command() -> None:
    """Have the clips rated by blind raters in Label Studio."""


@command.command()
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 for raters on other machines.",
)
@click.option(
    "--public-url",
    help="Address at which an HTTPS proxy serves it to raters, such as https://rate.lab.org.",
)
@options
def serve(port: int, host: str, public_url: str | None, reporter: Reporter) -> None:
    """Run Label Studio on this machine until Ctrl-C.

    On the first run, it is installed in an environment of its own, and its database is set up. One
    server serves all your datasets.
    """
    from caer_data.annotate.studio import server
    from caer_data.annotate.studio.folders import server_folder

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    server.serve(server_folder(), host, port, reporter, public_url)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, as handler of all signals that stop the server."""
    raise KeyboardInterrupt


@command.command()
@common.dataset_tables
@common.url
@options
def status(dataset: Path, url: str | None, reporter: Reporter) -> None:
    """Show each rater's progress and pace, and agreement so far."""
    from caer_data.annotate import status as progress
    from caer_data.annotate.studio.client import connect
    from caer_data.engine.dataset import Dataset

    own = Dataset(dataset)
    own.require()
    found = progress.status(own, connect(url), reporter)
    reporter.result(found.as_dict())
    if reporter.mode != "json":
        click.echo(found.text())


@command.command()
@common.dataset_clips
@common.url
@options
def pull(dataset: Path, url: str | None, reporter: Reporter) -> None:
    """Fetch the answers, decide the labels, and measure agreement."""
    from caer_data.annotate import pull as pulling
    from caer_data.annotate.studio.client import connect
    from caer_data.engine.dataset import Dataset

    own = Dataset(dataset)
    own.require()
    found = pulling.pull(own, connect(url), reporter)
    show_labels(own, found.summary(), found.agreement, reporter)


@command.command()
@common.dataset_tables
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV file to write.  [default: print to the terminal]",
)
@click.option("--since", type=_DAY, help="First day to count, UTC, such as 2026-03-01.")
@click.option("--until", type=_DAY, help="Last day to count, UTC.")
@options
def pay(
    dataset: Path,
    output: Path | None,
    since: datetime | None,
    until: datetime | None,
    reporter: Reporter,
) -> None:
    """Count each rater's clips and hours in the pulled answers, as CSV."""
    from caer_data.annotate.pay import pay as count
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.files import write_text

    own = Dataset(dataset)
    own.require()
    first, last = (day.date().isoformat() if day else None for day in (since, until))
    table = count(own, first, last)
    text = table.to_csv(index=False, lineterminator="\n")
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
        reporter.say(f"{len(table)} raters, {table['hours'].sum():.1f} hours: {output}")


@command.command()
@click.argument("archive", type=click.Path(dir_okay=False, path_type=Path))
@options
def backup(archive: Path, reporter: Reporter) -> None:
    """Save the rating server of this machine in one file.

    The server may be running. The file contains answers, clips and passwords: protect it like the
    server.
    """
    from caer_data.annotate.studio import archive as archives
    from caer_data.annotate.studio.folders import server_folder

    count = archives.backup(server_folder(), archive, reporter)
    reporter.say(f"Saved {count} files of {server_folder()} in {archive}.")
    reporter.result({"archive": str(archive), "files": count})


@command.command()
@click.argument("archive", type=common.FILE)
@options
def restore(archive: Path, reporter: Reporter) -> None:
    """Restore a rating server from a backup, into an empty $CAER_SERVER."""
    from caer_data.annotate.studio import archive as archives
    from caer_data.annotate.studio.folders import server_folder

    count = archives.restore(archive, server_folder(), reporter)
    reporter.say(
        f"Restored {count} files to {server_folder()}; start it with 'caer-data annotate serve'. "
        "All raters have to log in again."
    )
    reporter.result({"folder": str(server_folder()), "files": count})


command.add_command(annotate_push.command)
command.add_command(annotate_import.command)
