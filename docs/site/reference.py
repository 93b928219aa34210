"""Pages made from the code: commands, tables, recipes, messages, functions, examples."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

ROOT: Final = Path(__file__).parents[2]
GROUPS: Final = {
    "engine": "Folders, tables, recipes, processes",
    "media": "Videos",
    "shots": "Shots",
    "faces": "Faces",
    "curate": "Build",
    "labels": "Ratings and labels",
    "annotate": "Label Studio",
    "export": "Export, verify, rebuild",
    "auditing": "Audit",
    "benchmark": "Benchmark",
    "forget": "Forget",
    "report": "Report, status, inspect",
    "view": "View",
    "api": "Python",
    "demo": "Demo",
    "cli": "Command line",
}
"""Folders of the package, and what they are called on the page of messages."""


def commands() -> str:
    """Every command with its arguments and options, as `--help` has them."""
    from caer_data.cli import cli

    lines = ["# Commands", "", _paragraphs(cli.help), ""]
    lines += [
        "The commands show these texts with `--help`. Exit codes are listed on the "
        "[first page](../index.md).",
        "",
    ]
    context = click.Context(cli, info_name="caer-data")
    for name in cli.list_commands(context):
        lines += _command(cli.get_command(context, name), context, name, 2)
    return "\n".join(lines)


def _command(command: Any, above: click.Context, name: str, level: int) -> list[str]:
    context = click.Context(command, info_name=name, parent=above)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"{'#' * level} {context.command_path}", "", _paragraphs(command.help), ""]
    lines += ["```text", usage, "```", ""]
    rows = [p.get_help_record(context) for p in command.params if isinstance(p, click.Option)]
    rows = [row for row in rows if row]
    if rows:
        lines += ["| option | |", "|---|---|"]
        lines += [f"| `{_cell(option)}` | {_cell(_escaped(text))} |" for option, text in rows]
        lines.append("")
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None and not found.hidden:
                lines += _command(found, context, inner, level + 1)
    return lines


def _paragraphs(text: str | None) -> str:
    """Help as Markdown: `\b` marks a paragraph whose lines stay as they are."""
    found = []
    for part in inspect.cleandoc(text or "").split("\n\n"):
        kept = part.startswith("\b")
        body = part.removeprefix("\b\n")
        found.append(f"```text\n{body}\n```" if kept else _escaped(body))
    return "\n\n".join(found)


def tables() -> str:
    """Every table and column, as `engine/schema.py` declares them."""
    from caer_data.engine import schema

    lines = [
        "# Tables",
        "",
        textwrap.dedent(str(schema.__doc__)).partition("\n\n")[2],
        "",
        "`caer-data inspect --table NAME` prints one of these. *May be empty* are cells that hold "
        "nothing where something was not measured or does not apply.",
        "",
    ]
    for table in schema.TABLES.values():
        lines += [f"## {table.name}", "", f"One row is {table.row}.", ""]
        lines += ["| column | type | unit | meaning | may be empty |", "|---|---|---|---|---|"]
        for column in table.columns:
            name = f"**`{column.name}`**" if column.name in table.key else f"`{column.name}`"
            kind = str(column.type).replace("string", "text").replace("double", "number")
            cells = [name, kind, column.unit, column.meaning, "yes" if column.nullable else ""]
            lines.append("| " + " | ".join(_cell(_escaped(c)) for c in cells) + " |")
        lines += ["", f"A row is identified by {_listed(table.key)}.", ""]
    return "\n".join(lines)


def recipe() -> str:
    """Every field of a dataset recipe, and the commented recipe itself."""
    from caer_data.report import recipe_text

    lines = [
        "# Fields of dataset recipes",
        "",
        "`caer-data recipe explain FIELD` prints one of these; `caer-data recipe diff ONE OTHER` "
        "compares two recipes. The comments of the shipped recipes are the one source of both.",
        "",
    ]
    for section in ["", *recipe_text.sections()]:
        inside = [n for n, of in recipe_text.fields().items() if of and _section(n) == section]
        if not inside:
            continue
        lines += [f"## {section or 'At the top'}", ""]
        lines += ["| field | meaning | type | limits | default |", "|---|---|---|---|---|"]
        for name in inside:
            found = recipe_text.explain(name)
            default = found["default"]
            shown = "" if isinstance(default, list) and len(default) > 6 else f"`{default}`"
            cells = [
                f"`{name}`",
                _escaped(found["meaning"]),
                _escaped(found["type"]),
                found["limits"],
                shown,
            ]
            lines.append("| " + " | ".join(_cell(c) for c in cells) + " |")
        lines.append("")
    return "\n".join([*lines, *_files(["caer", "caer-insightface", "quick"], "pipelines")])


def model_recipe() -> str:
    """The commented model recipes."""
    names = ["caer-net", *sorted(p.stem for p in (ROOT / "models").glob("*.yaml"))]
    lines = [
        "# Fields of model recipes",
        "",
        "`caer-net.yaml` explains every field; the others say what differs.",
        "",
    ]
    return "\n".join([*lines, *_files(list(dict.fromkeys(names)), "models")])


def _files(names: list[str], folder: str) -> list[str]:
    lines = []
    for name in names:
        text = (ROOT / folder / f"{name}.yaml").read_text(encoding="utf-8").rstrip()
        lines += [f"## {name}.yaml", "", "```yaml", text, "```", ""]
    return lines


def python() -> str:
    """The public names, by their docstrings."""
    import caer_data

    lines = [
        "# Python",
        "",
        "How they fit together: [caer-data as a library](../library.md).",
        "",
    ]
    for name in caer_data.__all__:
        if not name.startswith("__"):
            lines += [f"::: {_home(getattr(caer_data, name))}", ""]
    return "\n".join(lines)


def _home(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def examples() -> str:
    """The scripts of examples/."""
    lines = ["# Examples", "", "Short scripts that use caer-data as a library; tests run them.", ""]
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = path.read_text(encoding="utf-8").rstrip()
        lines += [f"## {path.name}", "", "```python", text, "```", ""]
    return "\n".join(lines)


def messages() -> str:
    """Every message of a `CaerError`, by the part of the program that raises it."""
    lines = [
        "# Messages",
        "",
        "Every sentence with which a command stops because of its input, by the part of caer-data "
        "that says it. `…` stands for what a message fills in: a file, a name, a number. Search "
        "for a few of its words. What is behind the frequent ones: "
        "[troubleshooting](../troubleshooting.md).",
        "",
    ]
    for folder, title in GROUPS.items():
        found = sorted(
            {text for path in _modules(folder) for text in texts(path)}, key=str.casefold
        )
        if found:
            lines += [f"## {title}", "", *(f"- {_escaped(text)}" for text in found), ""]
    return "\n".join(lines)


def _modules(folder: str) -> list[Path]:
    return sorted((ROOT / "caer_data" / folder).rglob("*.py"))


def texts(path: Path) -> Iterator[str]:
    """Messages of the `CaerError`s that a module raises, `…` for what they fill in."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and _name(node.func) == "CaerError" and node.args):
            continue
        text = _text(node.args[0])
        if len(re.sub(r"[…\W]", "", text)) >= 12:  # else nothing of it is fixed
            yield text


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return re.sub(r"…+", "…", "".join(_text(part) for part in node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return "…"


def _section(name: str) -> str:
    return name.partition(".")[0] if "." in name else ""


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _escaped(text: str) -> str:
    """Words that Markdown would take for markup, as they are; code in backticks stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<>\[\]#])", r"\\\1", part) for part in parts
    )


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
