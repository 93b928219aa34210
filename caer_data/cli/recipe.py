"""`caer-data recipe`."""

from __future__ import annotations

import json

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter, printable


@click.group("recipe")
def command() -> None:
    """Explain the fields of a recipe, and show how two recipes differ."""


@command.command()
@click.argument("field")
@common.as_json
def explain(field: str, as_json: bool) -> None:
    """Explain FIELD: its meaning, limits and default.

    FIELD includes its section, such as filter.min_face_height. For a section alone, its fields are
    listed.
    """
    from caer_data.report import recipe_text

    values = recipe_text.explain(field)
    if as_json:
        Reporter("json").result(values)
        return
    click.echo(values["field"])
    if values["meaning"]:
        click.echo(click.wrap_text(values["meaning"], 78, "  ", "  "))
    for name in values.get("fields", []):
        click.echo(f"  {name}")
    for name in ("type", "limits", "default"):
        if values.get(name) not in (None, "") or (name == "default" and "default" in values):
            value = values[name] if name != "default" else _text(values[name])
            click.echo(f"  {name}: {value}")
    for word, value in values.get("shipped", {}).items():
        click.echo(f"  in {word}: {_text(value)}")


@command.command()
@click.argument("one")
@click.argument("other", default="caer")
@common.as_json
def diff(one: str, other: str, as_json: bool) -> None:
    """Show the fields in which recipe ONE differs from OTHER (by default, caer).

    Each is the name of a shipped recipe or a YAML file, such as dataset/recipe.yaml.
    """
    from caer_data.report import recipe_text

    rows = recipe_text.difference(one, other)
    if as_json:
        Reporter("json").result({"one": one, "other": other, "differences": rows})
        return
    if not rows:
        click.echo("The recipes are equal.")
    for row in rows:
        line = f"{row['field']}: {_text(row['one'])} (in {other}: {_text(row['other'])})"
        click.echo(printable(line))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
