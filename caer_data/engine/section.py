"""The basis of all recipes: sections with typed fields, read from and written to YAML.

A recipe is a commented YAML file, shipped with the package or written by the user. Each section is
a `Section`. Unknown fields, values of the wrong type, infinities and NaN are mistakes; the error
names the file, line and field.
"""

from __future__ import annotations

import difflib
import importlib.resources
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from caer_data.engine import safe_yaml
from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error
from caer_data.engine.progress import printable

SectionT = TypeVar("SectionT", bound="Section")


class Section(BaseModel):
    """A section of a recipe: immutable, with strictly typed fields.

    Python's own types are accepted: a list for a tuple, a `Path` for a file name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        return _plain(values)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def shipped(package: str) -> dict[str, str]:
    """Return the texts of a package's YAML files by name without suffix, sorted."""
    folder = importlib.resources.files(package)
    names = sorted(i.name.removesuffix(".yaml") for i in folder.iterdir() if i.name[-5:] == ".yaml")
    return {name: (folder / f"{name}.yaml").read_text(encoding="utf-8") for name in names}


def find(name_or_path: str | os.PathLike[str], package: str, noun: str) -> tuple[str, str]:
    """Return the text of a recipe, shipped or from a file, and its name for error messages.

    Args:
        name_or_path: name of a shipped recipe, or path of a file.
        package: package of the shipped recipes.
        noun: the word for it in messages, such as "recipe" or "model".

    Raises:
        CaerError: there is no such recipe, or it is not a text file.
    """
    name = os.fspath(name_or_path)
    known = shipped(package)
    if name in known:
        return known[name], f"{name}.yaml"
    path = Path(name)
    try:
        if not path.is_file():
            raise CaerError(
                f"{printable(name)}: no such {noun}; give a YAML file or one of {', '.join(known)}"
            )
        with path.open("rb") as stream:
            # a character has up to four bytes; longer files are refused without reading them
            return stream.read(4 * safe_yaml.MAX_CHARACTERS + 1).decode("utf-8"), name
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    except UnicodeDecodeError as error:
        raise CaerError(f"{name}: cannot be read as a text file ({error})") from error


def parse(model: type[SectionT], text: str, where: str) -> SectionT:
    """Read a section from YAML text; `where` names the file in errors.

    Raises:
        CaerError: the text has a mistake; the message names the file, line and field.
    """
    values, root = safe_yaml.read(text, where)
    return validate(model, values, where, root)


def validate(
    model: type[SectionT], values: Mapping[str, Any], where: str, root: yaml.Node | None = None
) -> SectionT:
    """Create a section from values.

    Args:
        model: the section's class.
        values: values as read from YAML or given in Python.
        where: name of the file or of the values, for error messages.
        root: the YAML node that the values come from, for line numbers.

    Raises:
        CaerError: a value is invalid; the message names the field, and the line if `root` is given.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problem = error.errors()[0]
        path = [str(part) for part in problem["loc"]]
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = _unknown_field(model, path)
        elif "input" in problem and not isinstance(problem["input"], Mapping):
            message = f"{message} (found {_shown(problem['input'])})"
        line = f":{safe_yaml.line_of(root, path)}" if root is not None else ""
        field = ".".join(part[:60] for part in path) or "recipe"
        raise CaerError(printable(f"{where}{line}: {field}: {message}")) from error


def dump(section: BaseModel) -> str:
    """Return a section as YAML text with every default explicit."""
    return str(yaml.safe_dump(section.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def _unknown_field(model: type[BaseModel], path: list[str]) -> str:
    for part in path[:-1]:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return "unknown field"
        model = annotation
    known = list(model.model_fields)
    close = difflib.get_close_matches(path[-1][:60], known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}"
    return f"unknown field; {hint}"


def _shown(value: Any, longest: int = 60) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print an integer of thousands of digits
        return f"a very long {type(value).__name__}"
    return text if len(text) <= longest else text[: longest - 1] + "…"
