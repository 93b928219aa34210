"""Self-contained HTML pages: single files that need no network, in light or dark mode.

A Content-Security-Policy in the page restricts the browser to the styles and pictures inside it.
Titles and cells are escaped. HTML made here (`table`, `picture`, `plot`) has the type `Markup`, so
that table cells can contain pictures and links.
"""

from __future__ import annotations

import base64
import io
import math
import numbers
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import jinja2
from markupsafe import Markup, escape

from caer_data.engine.files import slug
from caer_data.engine.hashing import digest

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from caer_data.faces.models.interface import Picture

COLOURS: Final = ("#3a7abd", "#d9822b", "#3f9b6c", "#c0504d", "#8064a2", "#8c6d46", "#5a9aa8")
"""Colours of a plot's series, distinguishable on light and dark backgrounds."""

# Matplotlib omits the default black, so the page's text colour takes its place.
_INK: Final = "black"


@dataclass(frozen=True)
class Section:
    """A section of a page, listed in its table of contents.

    Attributes:
        title: heading, escaped by the page.
        html: body, not escaped; build it from `table`, `picture`, `plot` and `Markup`.
        anchor: name for links (`page.html#anchor`); made from the title by default.
    """

    title: str
    html: str
    anchor: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "anchor", slug(self.anchor or self.title))


def page(title: str, sections: Sequence[Section], subtitle: str = "") -> str:
    """Return an HTML document made from sections; equal input gives equal text."""
    template = environment("caer_data.report").get_template("page.html")
    return template.render(title=title, sections=sections, subtitle=subtitle)


@cache
def environment(package: str) -> jinja2.Environment:
    """Return an environment for a package's templates; values are escaped unless `Markup`."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def table(frame: pd.DataFrame, caption: str = "") -> Markup:
    """Return a frame as an HTML table without its index: numbers on the right, text escaped.

    Whole numbers get thousands separators, other numbers three significant digits; use a column of
    text to avoid this. Empty cells are shown as dashes. A cell of type `Markup` is kept as HTML if
    the column has dtype object (pandas converts it to plain text in a column of strings).
    """
    classes = [
        Markup(' class="number"') if _is_number_column(frame.iloc[:, i]) else ""
        for i in range(frame.shape[1])
    ]
    head, body = Markup("<th{}>{}</th>"), Markup("<td{}>{}</td>")

    def row(cell_html: Markup, cells: Sequence[Any]) -> Markup:
        return Markup("<tr>{}</tr>\n").format(
            Markup("").join(
                cell_html.format(css_class, value_text(cell))
                for css_class, cell in zip(classes, cells, strict=True)
            )
        )

    return Markup(
        '<div class="scroll" tabindex="0"><table>{}<thead>{}</thead>\n'
        "<tbody>{}</tbody></table></div>"
    ).format(
        Markup("<caption>{}</caption>").format(caption) if caption else "",
        row(head, list(frame.columns)),
        Markup("").join(row(body, list(values)) for values in frame.itertuples(index=False)),
    )


def value_text(value: Any) -> str:
    """Return a cell in readable form: thousands separators, three digits, yes, no, or a dash."""
    import pandas as pd

    if isinstance(value, Markup):
        return value
    if value is None or value is pd.NA or value is pd.NaT:
        return "–"
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    if isinstance(value, numbers.Real):
        return _real_text(float(value))
    return str(value)


def _real_text(value: float) -> str:
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{min(max(digits, 0), 6)}f}"


def _is_number_column(column: pd.Series[Any]) -> bool:
    filled = column.dropna()
    return len(filled) > 0 and all(
        isinstance(value, numbers.Real) and not isinstance(value, bool) for value in filled
    )


def picture(image: Picture, alt: str = "", quality: int = 80) -> Markup:
    """Return a picture as a JPEG embedded in the page.

    Args:
        image: BGR, uint8, shape (height, width, 3).
        alt: alternative text.
        quality: quality of the JPEG, 0 to 100.
    """
    import cv2

    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError(f"not a picture: shape {image.shape}, type {image.dtype}")
    height, width = image.shape[:2]
    return jpeg(data.tobytes(), width, height, alt)


def jpeg(data: bytes, width: int, height: int, alt: str = "") -> Markup:
    """Return an encoded JPEG embedded in the page; width and height are in pixels."""
    return Markup(
        '<img src="data:image/jpeg;base64,{}" width="{}" height="{}" alt="{}" loading="lazy">'
    ).format(base64.b64encode(data).decode(), width, height, alt)


def preload() -> None:
    """Import what plots need, which takes half a second; a failure is left to the first plot."""
    with suppress(ImportError):
        import matplotlib.backends.backend_svg
        import matplotlib.figure  # noqa: F401


@contextmanager
def figure(width: float = 6.4, height: float = 3.2) -> Iterator[tuple[Figure, Any]]:
    """Yield a matplotlib figure and its axes in the style of the pages; sizes are in inches.

    It uses no display and no global state, so it works in any process.
    """
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.figure import Figure

    style = {
        "axes.edgecolor": _INK,
        "axes.facecolor": "none",
        "axes.prop_cycle": cycler(color=COLOURS),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.facecolor": "none",
        "font.size": 10,
        "legend.frameon": False,
        "savefig.facecolor": "none",
        "text.color": _INK,
    }
    with mpl.rc_context(style):
        drawn = Figure(figsize=(width, height), layout="constrained")
        yield drawn, drawn.subplots()


def plot(drawn: Figure, alt: str = "") -> Markup:
    """Return a matplotlib figure as SVG embedded in the page; black becomes the text colour.

    Equal figures give identical text: it contains no times and no random names. Names inside the
    SVG are made unique by its content, so that a page can have several plots.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "caer-data", "svg.fonttype": "path"}):
        # `savefig` draws twice, the first time only to lay out
        FigureCanvasSVG(drawn).print_svg(buffer, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r"(?<=: )#000000\b", "currentColor", svg)
    prefix = f"p{digest(svg, 10)}-"
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}", svg)
    label = Markup(' role="img" aria-label="{}"').format(alt) if alt else ' aria-hidden="true"'
    # Only matplotlib wrote this SVG, and it escapes the text it is given.
    return Markup(svg.replace("<svg", f'<svg class="plot"{label}', 1))  # noqa: S704


def code(text: str) -> Markup:
    """Return a block of plain text, such as a recipe or a command."""
    return Markup('<pre tabindex="0"><code>{}</code></pre>').format(text)


def paragraph(text: str, css_class: str = "") -> Markup:
    """Return a paragraph; the class `note` makes it small and faint."""
    attribute = Markup(' class="{}"').format(css_class) if css_class else ""
    return Markup("<p{}>{}</p>").format(attribute, escape(text))
