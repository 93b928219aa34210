"""`caer-data people`: list, show, merge, apart, split, name, undo."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter, options

if TYPE_CHECKING:
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.decisions import Decision


def _signed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every correction."""
    function = click.option("--why", default="", help="The reason, for the record.")(function)
    who = click.option(
        "--who", default=getpass.getuser, show_default="your account", help="Who decides."
    )
    return who(function)


@click.group()
def command() -> None:
    """List persons, and correct them: merge, split and name them.

    Corrections take effect with the next build and survive all later ones.
    """


@command.command("list")
@common.dataset
@options
def list_(dataset: Path, reporter: Reporter) -> None:
    """List persons, most visible first, and the corrections in effect."""
    from caer_data.curate.corrections import KINDS
    from caer_data.engine import tables
    from caer_data.engine.decisions import Decisions

    own = _opened(dataset)
    columns = ["person_id", "name", "show", "tracks", "shots", "seconds", "identity"]
    people = tables.records(own.people[columns])
    rows = Decisions(own.folder).standing(*KINDS)
    for person in people:
        for column in ("name", "identity"):
            person[column] = person[column] if isinstance(person[column], str) else None
        other = person["identity"] if person["identity"] != person["person_id"] else None
        if reporter.mode != "json":
            called = f"  {person['name']}" if person["name"] else ""
            elsewhere = f"  = {other}" if other else ""
            click.echo(
                f"{person['person_id']:<32} {person['seconds']:8.1f} s {person['tracks']:6,} "
                f"tracks{called}{elsewhere}"
            )
    for row in rows:
        reporter.say(f"{row.key}  {row.kind}  {row.when[:10]}  {row.who}  {row.why}".rstrip())
    values = [{"key": row.key, "kind": row.kind, "value": row.content} for row in rows]
    reporter.result({"people": people, "corrections": values})


@command.command()
@common.dataset
@click.argument("persons", nargs=-1)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
    help="Page to write.  [default: people.html in the dataset]",
)  # fmt: skip
@options
def show(dataset: Path, persons: tuple[str, ...], output: Path | None, reporter: Reporter) -> None:
    """Write a contact sheet: a page with the faces of all persons, or of the given ones."""
    from caer_data.curate.corrections import person_of
    from caer_data.report.contact_sheet import NAME, write_sheet

    own = _opened(dataset)
    ids = [person_of(own, person) for person in persons]
    path = write_sheet(own, output or own.folder / NAME, ids)
    reporter.say(f"The faces are in {path}.")
    reporter.result({"page": str(path)})


@command.command()
@common.dataset
@click.argument("persons", nargs=-1, required=True)
@_signed
@options
def merge(dataset: Path, persons: tuple[str, ...], who: str, why: str, reporter: Reporter) -> None:
    """Merge several persons into one; they may be of different shows."""
    from caer_data.curate import corrections

    _tell(corrections.merge(_opened(dataset), persons, who, why), dataset, reporter)


@command.command()
@common.dataset
@click.argument("persons", nargs=-1, required=True)
@_signed
@options
def apart(dataset: Path, persons: tuple[str, ...], who: str, why: str, reporter: Reporter) -> None:
    """Mark persons of several shows who look alike as different."""
    from caer_data.curate import corrections

    _tell(corrections.apart(_opened(dataset), persons, who, why), dataset, reporter)


@command.command()
@common.dataset
@click.argument("tracks", nargs=-1, required=True)
@_signed
@options
def split(dataset: Path, tracks: tuple[str, ...], who: str, why: str, reporter: Reporter) -> None:
    """Split off tracks as another person."""
    from caer_data.curate import corrections

    _tell(corrections.split(_opened(dataset), tracks, who, why), dataset, reporter)


@command.command()
@common.dataset
@click.argument("person")
@click.argument("called")
@_signed
@options
def name(dataset: Path, person: str, called: str, who: str, why: str, reporter: Reporter) -> None:
    """Give a person a name."""
    from caer_data.curate import corrections

    _tell(corrections.name(_opened(dataset), person, called, who, why), dataset, reporter)


@command.command()
@common.dataset
@click.argument("key", required=False)
@_signed
@options
def undo(dataset: Path, key: str | None, who: str, why: str, reporter: Reporter) -> None:
    """Undo a correction: the last one, or the one with this key."""
    from caer_data.curate import corrections

    row = corrections.undo(_opened(dataset), key, who, why)
    reporter.say(f"Undone: {row.kind} {row.key}. The next build no longer applies it.")
    reporter.result({"undone": row.key, "kind": row.kind})


def _opened(folder: Path) -> Dataset:
    from caer_data.engine.dataset import Dataset

    own = Dataset(folder)
    own.require()
    return own


def _tell(row: Decision, dataset: Path, reporter: Reporter) -> None:
    reporter.say(
        f"Recorded as {row.key}. It takes effect with the next 'caer-data build --shows ... -o "
        f"{dataset}', which only rewrites the tables."
    )
    reporter.result({"key": row.key, "kind": row.kind})
