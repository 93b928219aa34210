"""`caer-data view`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caer_data.cli import options as common
from caer_data.engine.progress import log_options

if TYPE_CHECKING:
    from caer_data.view.guard import Guard


@click.command("view")
@common.dataset_or_argument
@click.option(
    "--release",
    type=common.FOLDER,
    help="Release of the dataset, to show splits.  [default: release, if it exists]",
)
@click.option(
    "--results",
    type=common.FOLDER,
    default="results",
    show_default=True,
    help="Results of the benchmark, to show errors and attention.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port on this machine.  [default: any free port]",
)
@click.option("--open", "in_browser", is_flag=True, help="Also open the page in the browser.")
@log_options
def command(
    dataset: Path, release: Path | None, results: Path, port: int, in_browser: bool
) -> None:
    """View a dataset in the browser, and correct the filter's decisions by hand.

    The page is served only on 127.0.0.1, at an unguessable address, until Ctrl-C.
    """
    from caer_data.engine import extras

    extras.require("view", "'caer-data view'")
    from caer_data.report.answers import newest_answers
    from caer_data.view.serve import serve
    from caer_data.view.session import Session
    from caer_data.view.splits import splits_of

    if release is None and Path("release/manifest.parquet").is_file():
        release = Path("release")
    splits = splits_of(release) if release else {}
    session = Session(dataset, splits, newest_answers(results, release))
    session.warm()

    def ready(guard: Guard) -> None:
        click.echo(f"{guard.address}\nPress Ctrl-C to stop.")
        if in_browser:
            import webbrowser

            webbrowser.open(guard.address_once())

    with suppress(KeyboardInterrupt):
        serve(session, port, ready)
