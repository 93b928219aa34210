"""Explain the fields of recipes, and compare recipes."""

from __future__ import annotations

import difflib
import re
import types
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from caer_data.engine import recipe as recipes
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Recipe

_OF_THE_PAPER: Final = "caer"
_FIELD: Final = re.compile(r"^(?P<indent> *)(?P<name>\w+):(?P<rest>.*)$")


def explain(name: str) -> dict[str, Any]:
    """Return facts about a field of a recipe.

    Args:
        name: `filter.min_face_height`, or a section such as `filter`.

    Returns:
        `field`, `meaning` (the comments of the shipped recipe `caer`), `type`, `limits`, `default`,
        `shipped` (its value in every shipped recipe that differs from the default); for a section
        `fields` instead of the last four.

    Raises:
        CaerError: there is no such field.
    """
    known = fields()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"sections are {', '.join(sections())}"
        raise CaerError(f"{name}: recipes have no such field; {hint}")
    meaning = comments().get(name, "")
    of = known[name]
    if of is None:
        inside = [field for field in known if field.startswith(f"{name}.")]
        return {"field": name, "meaning": meaning, "fields": inside}
    default = _value(recipes.load(_OF_THE_PAPER), name)
    values = {word: _value(recipes.load(word), name) for word in recipes.shipped()}
    return {
        "field": name,
        "meaning": meaning,
        "type": _type_text(of.annotation),
        "limits": ", ".join(_limit_text(item) for item in of.metadata if _limit_text(item)),
        "default": default,
        "shipped": {word: value for word, value in values.items() if value != default},
    }


def difference(one: str, other: str) -> list[dict[str, Any]]:
    """Return the fields that differ: `field`, `one`, `other`, in the order of a recipe.

    Raises:
        CaerError: one of them is not a recipe.
    """
    first, second = recipes.load(one), recipes.load(other)
    pairs = (
        (name, _value(first, name), _value(second, name)) for name, of in fields().items() if of
    )
    return [{"field": name, "one": a, "other": b} for name, a, b in pairs if a != b]


def fields() -> dict[str, FieldInfo | None]:
    """Return all fields of a recipe by qualified name; the value of a section is None."""
    found: dict[str, FieldInfo | None] = {}
    for name, of in Recipe.model_fields.items():
        section = of.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            found[name] = None
            found |= {f"{name}.{inner}": field for inner, field in section.model_fields.items()}
        else:
            found[name] = of
    return found


def sections() -> list[str]:
    """Return the names of the sections."""
    return [name for name, of in fields().items() if of is None]


def comments() -> dict[str, str]:
    """Return the comments of the shipped recipe `caer` by field, above and beside it."""
    found: dict[str, list[str]] = {}
    above: list[str] = []
    section = name = ""
    for line in recipes.shipped()[_OF_THE_PAPER].splitlines():
        text = line.strip()
        match = _FIELD.match(line)
        if match:
            section = match["name"] if not match["indent"] else section
            name = match["name"] if not match["indent"] else f"{section}.{match['name']}"
            found[name] = above + _beside(match["rest"])
            above = []
        elif text.startswith("#") and line.startswith(" " * 20) and name:
            found[name] += _beside(line)  # continues the comment beside a field
        elif text.startswith("#"):
            above.append(text.lstrip("# "))
        else:
            above = []
    return {field: " ".join(lines) for field, lines in found.items() if lines}


def _beside(text: str) -> list[str]:
    _, mark, comment = text.partition("#")
    return [comment.strip()] if mark else []


def _value(recipe: Recipe, name: str) -> Any:
    value: Any = recipe.model_dump(mode="json")
    for part in name.split("."):
        value = value[part]
    return value


def _type_text(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(map(str, get_args(annotation)))
    if isinstance(annotation, types.UnionType):
        parts = (_type_text(part) for part in get_args(annotation) if part is not type(None))
        return " or ".join([*parts, "null"])
    if get_origin(annotation) is tuple:
        return f"list of {_type_text(get_args(annotation)[0])}"
    words = {"float": "number", "int": "whole number", "str": "text", "bool": "true or false"}
    name = getattr(annotation, "__name__", str(annotation))
    return words.get(name, name)


def _limit_text(item: Any) -> str:
    for attribute, words in (
        ("gt", "above"),
        ("ge", "at least"),
        ("lt", "below"),
        ("le", "at most"),
    ):
        value = getattr(item, attribute, None)
        if value is not None:
            return f"{words} {value}"
    return ""
