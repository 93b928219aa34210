"""`caer-data inspect`."""

from __future__ import annotations

from pathlib import Path

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter


@click.command("inspect")
@common.dataset_or_argument
@click.option("--table", "table_name", metavar="NAME", help="Explain one table's columns instead.")
@common.as_json
def command(dataset: Path, table_name: str | None, as_json: bool) -> None:
    """Show the funnel, the reasons for drops, the tables, the people, and where the time went."""
    from caer_data.engine.dataset import Dataset
    from caer_data.report import inspect

    own = Dataset(dataset)
    own.require()
    if table_name is not None:
        values = inspect.table_facts(own, table_name)
        show = inspect.show_table
    else:
        values = inspect.facts(own)
        show = inspect.show
    if as_json:
        Reporter("json").result(values)
    else:
        from rich.console import Console

        show(Console(markup=False, highlight=False, emoji=False), values)
