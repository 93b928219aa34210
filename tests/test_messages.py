"""Every command, option and file that a page or a message names exists."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from caer_data.benchmark.recipe import ModelRecipe
from caer_data.cli import _VERBS, cli
from caer_data.engine.recipe import Recipe
from caer_data.engine.schema import TABLES

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(p for d in ("docs", "pipelines", "models", "annotation")
                           for p in (ROOT / d).rglob("*.md"))]
)  # fmt: skip
MODULES = sorted((ROOT / "caer_data").rglob("*.py"))
RECIPES = sorted([*(ROOT / "pipelines").glob("*.yaml"), *(ROOT / "models").glob("*.yaml")])

_CODE = re.compile(r"^(?: {4}|\t)\s*caer-data (.+)$", re.M)
_FENCED = re.compile(r"^```.*?\n(.*?)^```", re.M | re.S)
_LINE = re.compile(r"^[^#\n]*?caer-data (.+)$", re.M)
_QUOTED = re.compile(r"(['`])caer-data\s+([^'`]+)\1")
_BARE = re.compile(
    rf"(?<=['`])((?:{'|'.join(_VERBS)}) +[a-z-][^'`\n]*)(?=['`])"
)  # `annotate serve`
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(
    r"(?<![\w/.-])((?:docs|tests|performance|pipelines|models|annotation|caer_data|\.ci)"
    r"/[\w./-]+\.(?:py|md|yaml|xml|jpg))\b"
)


def _in_page(text: str) -> Iterator[str]:
    text = re.sub(r"\\\n\s*", " ", text)  # a command that goes on in the next line
    for block in _FENCED.findall(text):
        yield from _LINE.findall(block)
    yield from _CODE.findall(text)
    yield from (command for _, command in _QUOTED.findall(text))
    yield from _BARE.findall(text)


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _strings(path: Path) -> tuple[str, ...]:
    """The string literals of a module, f-strings as a whole with X for what they fill in."""
    return tuple(_literals(_tree(path)))


def _literals(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _in_module(path: Path) -> Iterator[str]:
    for text in _strings(path):
        yield from (command for _, command in _QUOTED.findall(text))
        yield from _CODE.findall(inspect.cleandoc(text))
        yield from _BARE.findall(text)


def _options(command: click.Command) -> set[str]:
    """Its options; hidden ones are taken from yesterday's scripts, but not to be recommended."""
    shown = (p for p in command.params if not getattr(p, "hidden", False))
    named = {name for p in shown for name in (*p.opts, *p.secondary_opts)}
    return named | {"-h", "--help"}


def _complaint(text: str) -> str | None:
    """What is wrong with the command line after `caer-data`, None if nothing is."""
    text = re.split(r"\s#|  +", text.strip())[0]
    command: click.Command = cli
    known = _options(cli)
    alternatives = False  # after `serve |` the next word stands beside `serve`, not below it
    group = cli
    for word in shlex.split(text.replace("...", " ")):
        if word == "|":
            command, alternatives = group, True
        elif word.startswith("-") and not word.lstrip("-").isdigit():
            option = word.partition("=")[0]
            if option not in known and (default := getattr(command, "default", None)):
                command, known = default, known | _options(default)
            if option not in known:
                return f"caer-data {text}: no option {option}"
        elif isinstance(command, click.Group):
            group = command
            found = group.get_command(click.Context(group), word)
            if found is None and (default := getattr(group, "default", None)):
                found = default
            if found is None:
                takes_words = any(isinstance(p, click.Argument) for p in group.params)
                if group is not cli and (takes_words or group.invoke_without_command):
                    command = click.Command("words")
                    continue
                return f"caer-data {text}: no command '{word}'"
            command = found
            known = (known if alternatives else known - _options(cli)) | _options(command)
    return None


@pytest.mark.parametrize(
    "page", [*PAGES, *RECIPES], ids=lambda p: p.relative_to(ROOT).as_posix()
)  # fmt: skip
def test_commands_of_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [wrong for line in _in_page(text) if (wrong := _complaint(line))] == []


def test_commands_of_messages_help_and_docstrings_exist() -> None:
    wrong = [
        f"{module.relative_to(ROOT)}: {complaint}"
        for module in MODULES
        for line in _in_module(module)
        if (complaint := _complaint(line))
    ]
    assert wrong == []


def test_enough_is_found_to_be_worth_checking() -> None:
    pages = sum(len(list(_in_page(p.read_text(encoding="utf-8")))) for p in PAGES)
    assert pages > 50
    assert sum(len(list(_in_module(m))) for m in MODULES) > 30


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("annotate up", "no command 'up'"),
        ("bild --shows raw/", "no command 'bild'"),
        ("build --show raw/", "no option --show"),
        ("annotate pull --raters x", "no option --raters"),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, complaint: str) -> None:
    assert complaint in str(_complaint(line))


@pytest.mark.parametrize(
    "line",
    ["annotate serve | push | pull", "export --split 80/10/10", "build --shows X  # makes it"],
)
def test_a_command_that_exists_is_accepted(line: str) -> None:
    assert _complaint(line) is None


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if ":" in path:
            continue
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize(
    "source", [*PAGES, *RECIPES], ids=lambda p: p.relative_to(ROOT).as_posix()
)  # fmt: skip
def test_files_that_a_page_names_exist(source: Path) -> None:
    named = _PATH.findall(source.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_files_that_messages_and_docstrings_name_exist() -> None:
    missing = [
        f"{module.relative_to(ROOT)}: {path}"
        for module in MODULES
        for text in _strings(module)
        for path in _PATH.findall(text)
        if not (ROOT / path).exists()
    ]
    assert missing == []


@pytest.mark.parametrize(
    "text", ["run `caer-data annotate up`", "the one of 'annotate up'", "    caer-data annotate up"]
)
def test_commands_are_found_in_quotes_and_in_code(text: str) -> None:
    assert [_complaint(line) for line in _in_page(text)] != []
    assert all(_complaint(line) for line in _in_page(text))


# Sections of recipes and tables share names: `labels.rule` is a field, `labels.made_up` a column.
_DOTTED = re.compile(r"(?<![\w./-])([a-z_]+)\.([a-z][a-z_0-9]*)\b(?![\w./(-])")
_ENDINGS = frozenset(
    [
        "csv",
        "html",
        "json",
        "jsonl",
        "md",
        "mp4",
        "npy",
        "parquet",
        "py",
        "txt",
        "xml",
        "yaml",
        "zip",
    ]
)


@functools.cache
def _fields() -> dict[str, set[str]]:
    """What may follow a section of a recipe, the name of a table, or that of a module."""
    found: dict[str, set[str]] = {name: set(table.names) for name, table in TABLES.items()}
    for recipe in (Recipe, ModelRecipe):
        for name, field in recipe.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                found.setdefault(name, set()).update(field.annotation.model_fields)
    return found


@functools.cache
def _functions() -> set[tuple[str, str]]:
    """Pairs of a module's name, or that of its folder, and a function in it or a module there."""
    found = set()
    for path in MODULES:
        found.add((path.parent.name, path.stem))
        for node in _tree(path).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add((path.stem, node.name))
    return found


def _unknown_fields(text: str) -> list[str]:
    """What looks like a field or column and is none."""
    fields, functions = _fields(), _functions()
    return [
        f"{section}.{field}"
        for section, field in _DOTTED.findall(text)
        if section in fields
        and field not in fields[section] | _ENDINGS
        and (section, field) not in functions
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_fields_and_columns_of_a_page_exist(page: Path) -> None:
    code = re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))
    assert _unknown_fields(" ".join(code)) == []


def test_fields_and_columns_of_messages_and_recipe_comments_exist() -> None:
    texts = [text for module in MODULES for text in _strings(module) if " " in text]
    texts += [line for recipe in RECIPES for line in re.findall("#.*", recipe.read_text())]
    assert _unknown_fields("\n".join(texts)) == []


def test_a_field_that_does_not_exist_is_found() -> None:
    assert _unknown_fields("set annotate.trainings in the recipe, see labels.md") == [
        "annotate.trainings"
    ]
    assert _unknown_fields("`labels.rule`, `labels.made_up` and `filter.max_people`") == []


def test_modules_that_the_architecture_names_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    missing = []
    for folder, holds in re.findall(r"^\| `(caer_data/\w+/)` \|(.*)\|$", text, re.M):
        below = {path.stem for path in (ROOT / folder).rglob("*")}
        known = below | set(_VERBS)
        missing += [f"{folder}: {n}" for n in re.findall(r"`([a-z_]+)`", holds) if n not in known]
    assert missing == []
