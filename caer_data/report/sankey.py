"""A Sankey diagram as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

WIDTH: Final = 960
HEIGHT: Final = 380
_BOX: Final = 12
_LINE: Final = 17
"""Minimum height of a box, so that the texts beside boxes do not overlap."""


@dataclass(frozen=True)
class Box:
    """A box: its name in flows, the text beside it, its size, and whether it is a loss."""

    name: str
    words: str
    size: float
    lost: bool = False


@dataclass(frozen=True)
class Flow:
    """A flow from a box to one in the next column."""

    source: str
    target: str
    size: float


def sankey(columns: Sequence[Sequence[Box]], flows: Sequence[Flow], alt: str) -> Markup:
    """Return a diagram of columns of boxes from left to right, and the flows between them.

    Args:
        columns: boxes of each column, from top to bottom, with sizes in the same unit.
        flows: flows between neighbouring columns; those of a box are drawn in the given order.
        alt: alternative text.
    """
    columns = [[box for box in column if box.size > 0] for column in columns]
    columns = [column for column in columns if column]
    scale = _scale(columns)
    places = _places(columns, scale)
    left, right = dict.fromkeys(places, 0.0), dict.fromkeys(places, 0.0)
    bands = []
    for flow in flows:
        if flow.size <= 0 or flow.source not in places or flow.target not in places:
            continue
        bands.append(_band(flow, places, left, right, scale))
    boxes = [
        _box(box, *places[box.name], max(1.0, box.size * scale))
        for column in columns
        for box in column
    ]
    return Markup(
        '<svg class="sankey" role="img" aria-label="{}" viewBox="0 0 {} {}">{}{}</svg>'
    ).format(
        alt, WIDTH, _bottom(columns, places, scale), Markup("").join(bands), Markup("").join(boxes)
    )


def _scale(columns: Sequence[Sequence[Box]]) -> float:
    """Return pixels per unit, such that the largest column fits."""
    found = [
        (HEIGHT - 8 - _LINE * len(column)) / max(sum(box.size for box in column), 1e-9)
        for column in columns
    ]
    return min(found, default=1.0)


def _places(columns: Sequence[Sequence[Box]], scale: float) -> dict[str, tuple[float, float]]:
    """Return the left and top of every box, by name."""
    places = {}
    step = (WIDTH - 190) / max(1, len(columns) - 1)
    for number, column in enumerate(columns):
        top = 4.0
        for box in column:
            places[box.name] = (number * step, top)
            top += max(box.size * scale, _LINE) + 4
    return places


def _bottom(
    columns: Sequence[Sequence[Box]], places: dict[str, tuple[float, float]], scale: float
) -> int:
    """Return the height of the diagram."""
    ends = [
        places[box.name][1] + max(box.size * scale, _LINE) for column in columns for box in column
    ]
    return round(max(ends, default=0.0)) + 4


def _band(
    flow: Flow,
    places: dict[str, tuple[float, float]],
    left: dict[str, float],
    right: dict[str, float],
    scale: float,
) -> Markup:
    high = flow.size * scale
    x1, y1 = places[flow.source][0] + _BOX, places[flow.source][1] + right[flow.source]
    x2, y2 = places[flow.target][0], places[flow.target][1] + left[flow.target]
    right[flow.source] += high
    left[flow.target] += high
    middle = (x1 + x2) / 2
    path = (
        f"M{x1:.1f},{y1:.1f}C{middle:.1f},{y1:.1f} {middle:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"
        f"v{high:.1f}C{middle:.1f},{y2 + high:.1f} {middle:.1f},{y1 + high:.1f} "
        f"{x1:.1f},{y1 + high:.1f}z"
    )
    return Markup('<path class="flow" d="{}"/>').format(path)


def _box(box: Box, x: float, y: float, high: float) -> Markup:
    kind = "lost" if box.lost else "left"
    return Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{}" height="{:.1f}"/>'
        '<text x="{:.1f}" y="{:.1f}">{}</text>'
    ).format(kind, x, y, _BOX, high, x + _BOX + 5, y + min(high, _LINE) / 2 + 4.5, box.words)
