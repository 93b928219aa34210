"""Reading untrusted YAML: bounded in size, depth and repetition, with one sentence per mistake.

Recipes may come from untrusted sources. The text is therefore first checked as a stream of events,
which is cheap for any text, and only then turned into values.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from caer_data.engine.errors import CaerError
from caer_data.engine.progress import printable

MAX_CHARACTERS: Final = 262_144
MAX_DEPTH: Final = 20
MAX_VALUES: Final = 20_000
"""Maximum number of values after expanding all aliases (against "billion laughs" attacks)."""


def read(text: str, where: str) -> tuple[dict[str, Any], yaml.Node]:
    """Read a mapping from YAML text; return its values and the node tree with line numbers.

    Args:
        text: the YAML document.
        where: name of the file, for errors.

    Raises:
        CaerError: the text is empty, not a YAML mapping, or exceeds a limit; the message names the
            file and line.
    """
    if len(text) > MAX_CHARACTERS:
        raise CaerError(f"{where}: is longer than the maximum of {MAX_CHARACTERS} characters")
    try:
        _check_limits(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise CaerError(_explain(error, text, where)) from error
    if values is None or root is None:
        raise CaerError(f"{where}:1: is empty; write '{{}}' for all defaults, or restore the file")
    if not isinstance(values, dict):
        raise CaerError(f"{where}:1: expected 'section: fields', found {type(values).__name__}")
    return values, root


def line_of(node: yaml.Node | None, path: list[str]) -> int:
    """Return the line, from 1, of the deepest part of a field's path that exists in the file."""
    line = 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == part]
            if not found:
                break
            key, node = found[0]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _explain(error: yaml.YAMLError, text: str, where: str) -> str:
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, yaml.reader.ReaderError):
        number = text.count("\n", 0, error.position) + 1
        return f"{where}:{number}: the character {error.character!r} is not allowed in YAML"
    line = f":{mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or "not YAML"
    return printable(f"{where}{line}: {problem}")


def _check_limits(text: str) -> None:
    """Check depth and number of expanded values over the events of a text.

    Raises:
        yaml.YAMLError: a limit is exceeded, an alias refers to a value that contains it, or the
            text is not YAML.
    """
    sizes: dict[str, int] = {}  # number of values of each finished anchor
    path: list[tuple[str | None, int]] = []  # anchor and size so far of the open values
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            path.append((event.anchor, 1))
            if len(path) > MAX_DEPTH:
                raise _Mistake(f"nested more than {MAX_DEPTH} levels deep", event.start_mark)
            continue
        anchor, size = None, 0
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = path.pop()
        elif isinstance(event, yaml.AliasEvent):
            if any(event.anchor == name for name, _ in path):
                raise _Mistake(f"the alias '*{event.anchor}' contains itself", event.start_mark)
            size = sizes.get(
                str(event.anchor), 1
            )  # an unknown alias is reported when the nodes are composed
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        if anchor is not None:
            sizes[anchor] = size
        if path:
            path[-1] = (path[-1][0], path[-1][1] + size)
            if path[-1][1] > MAX_VALUES:
                raise _Mistake(f"holds more than {MAX_VALUES} values", event.start_mark)


class _Mistake(yaml.MarkedYAMLError):
    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(None, None, problem, mark)


class _Loader(yaml.SafeLoader):
    """Safe loader that requires unique text keys and reports the line of every mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Mistake("the name of a field must be one word", key.start_mark)
            if key.tag == "tag:yaml.org,2002:merge":
                raise _Mistake("merging with '<<' is not supported", key.start_mark)
            if key.value in seen:
                raise _Mistake(f"the key '{key.value}' is given twice", key.start_mark)
            seen.add(key.value)
        values: dict[Any, Any] = super().construct_mapping(node, deep)
        return {str(key): value for key, value in values.items()}

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()  # an escape can denote a lone surrogate, which no file can contain
            return value
        except yaml.YAMLError:
            raise
        except Exception as error:  # int, float and date raise various exceptions
            kind = node.tag.rpartition(":")[2]
            raise _Mistake(f"not a valid {kind} ({_brief(error)})", node.start_mark) from error


def _brief(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= 100 else text[:99] + "…"
