"""`caer-data inspect`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter

if TYPE_CHECKING:
    from rich.console import Console


class _Group(click.Group):
    """A group whose subcommand may be omitted; the default is `dataset`."""

    @property
    def default(self) -> click.Command:
        """The default command."""
        return self.commands["dataset"]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first not in self.commands and first not in ctx.help_option_names:
            args = ["dataset", *args]
        return super().parse_args(ctx, args)


@click.group("inspect", cls=_Group, subcommand_metavar="[COMMAND] [DATASET] [OPTIONS]")
def command() -> None:
    """Show the content of a dataset, one clip, or the effects of other thresholds.

    The default command is 'dataset': 'caer-data inspect --try filter.min_face_height=0.08' means
    'caer-data inspect dataset --try filter.min_face_height=0.08'. If a dataset's folder has the
    name of a command, write ./NAME. 'caer-data inspect dataset --help' shows the options.
    """


@command.command("dataset")
@common.tables_or_argument
@click.option("--table", "table_name", metavar="NAME", help="Explain the columns of a table.")
@click.option(
    "--try",
    "tried",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Show what another threshold would change, without changing it; may be repeated.",
)
@common.as_json
def _dataset(dataset: Path, table_name: str | None, tried: tuple[str, ...], as_json: bool) -> None:
    """Show the funnel, reasons for drops, tables, people, and time spent by stage."""
    from caer_data.engine.dataset import Dataset
    from caer_data.report import inspect, whatif

    if table_name is not None and tried:
        raise click.UsageError("--table and --try: give only one of them")
    own = Dataset(dataset)
    own.require()
    if table_name is not None:
        _show(inspect.table_facts(own, table_name), inspect.show_table, as_json)
    elif tried:
        _show(whatif.effects(own, whatif.parse(tried)), inspect.show_effects, as_json)
    else:
        _show(inspect.facts(own), inspect.show, as_json)


@command.command("clip")
@click.argument("clip", metavar="ID")
@common.dataset_tables
@click.option(
    "--release", type=common.FOLDER, help="Release of the dataset, to show the clip's split."
)
@common.as_json
def _clip(clip: str, dataset: Path, release: Path | None, as_json: bool) -> None:
    """Show everything about one clip: why it was kept or dropped, its scores, votes and label.

    ID is a clip_id or a clip_key.
    """
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.errors import CaerError
    from caer_data.report import inspect
    from caer_data.view import timeline
    from caer_data.view.catalogue import Catalogue, UnknownNameError
    from caer_data.view.splits import splits_of

    own = Dataset(dataset)
    own.require()
    catalogue = Catalogue(own, splits_of(release) if release else {})
    try:
        values = timeline.clip(catalogue, clip)
    except UnknownNameError as error:
        raise CaerError(f"{dataset}: {error}; 'caer-data view' lists all clips") from error
    for name in ("place", "tracks"):
        values.pop(name)
    _show(values, inspect.show_clip, as_json)


def _show(
    values: dict[str, Any], show: Callable[[Console, dict[str, Any]], None], as_json: bool
) -> None:
    if as_json:
        Reporter("json").result(values)
        return
    from rich.console import Console

    show(Console(markup=False, highlight=False, emoji=False), values)
