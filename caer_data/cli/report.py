"""`caer-data report`."""

from __future__ import annotations

from pathlib import Path

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter, options


@click.command("report")
@common.dataset_or_argument
@common.release_and_results
@click.option("--open", "in_browser", is_flag=True, help="Also open the page in the browser.")
@options
def command(
    dataset: Path, release: Path, results: Path, in_browser: bool, reporter: Reporter
) -> None:
    """Write one page with everything known about a dataset: DATASET/report.html.

    It covers build, ratings, release and benchmark as far as they exist. All pictures are
    embedded, and the page makes no network requests.
    """
    from caer_data.engine.dataset import Dataset
    from caer_data.report.dataset import write_report

    own = Dataset(dataset)
    own.require()
    path = write_report(own, release, results)
    reporter.say(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    reporter.result({"report": str(path), "bytes": path.stat().st_size})
    if in_browser:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
