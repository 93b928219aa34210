"""Pages are whole, inert and escaped, whatever the names in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from caer_data.report import pages

HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
VOID = {"meta", "img", "br", "use", "path"}


class _Tags(HTMLParser):
    """Collects elements and checks that they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(html)
    assert parser.open == []
    return parser.found


def a_plot(values: list[float], label: str = "seconds") -> Markup:
    with pages.figure() as (figure, axes):
        axes.hist(values)
        axes.set_xlabel(label)
    return pages.plot(figure, alt=label)


def a_page() -> str:
    frame = pd.DataFrame({"show": [HOSTILE, "b"], "clips": [1, 2000]})
    return pages.page(
        HOSTILE,
        [
            pages.Section(HOSTILE, pages.table(frame, HOSTILE)),
            pages.Section("Lengths", a_plot([1, 2, 2]) + a_plot([5, 6, 7], HOSTILE)),
            pages.Section("Picture", pages.picture(np.zeros((9, 16, 3), np.uint8), HOSTILE)),
            pages.Section("Code", pages.code(HOSTILE) + pages.paragraph(HOSTILE, "note")),
        ],
        subtitle=HOSTILE,
    )


def test_hostile_names_stay_text() -> None:
    found = tags(a_page())
    names = {tag for tag, _ in found}
    assert "script" not in names
    assert not [a for _, attributes in found for a in attributes if a.startswith("on")]


def test_page_asks_for_nothing_from_outside() -> None:
    html = a_page()
    policy = next(a for t, a in tags(html) if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in str(policy["content"])
    loads = [a[k] for _, a in tags(html) for k in ("src", "href", "xlink:href") if k in a]
    assert loads
    assert all(str(load).startswith(("data:image/", "#")) for load in loads)
    assert not re.search(r"url\((?!#)|@import|\w+://", html)


def test_same_input_gives_the_same_page() -> None:
    assert a_page() == a_page()


def test_contents_lead_to_sections_and_names_are_unique() -> None:
    found = tags(a_page())
    names = [a["id"] for _, a in found if "id" in a]
    assert len(names) == len(set(names))
    contents = [str(a["href"])[1:] for t, a in found if t == "a"]
    assert contents == [a["id"] for t, a in found if t == "section"]


def test_plot_takes_the_ink_of_the_page() -> None:
    svg = a_plot([1, 2, 3])
    assert "currentColor" in svg
    assert "#000000" not in svg
    assert pages.COLOURS[0] in svg


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(1234567, "1,234,567", id="whole"),
        pytest.param(0.123456, "0.123", id="small"),
        pytest.param(12.3456, "12.3", id="tens"),
        pytest.param(98765.4, "98,765", id="thousands"),
        pytest.param(0.0, "0", id="zero"),
        pytest.param(0.00001234, "0.000012", id="tiny"),
        pytest.param(float("nan"), "–", id="not-a-number"),
        pytest.param(float("inf"), "∞", id="infinite"),
        pytest.param(None, "–", id="none"),
        pytest.param(pd.NA, "–", id="empty"),
        pytest.param(True, "yes", id="yes"),
        pytest.param(np.bool_(False), "no", id="no"),
        pytest.param(np.float32(0.5), "0.500", id="float32"),
        pytest.param("<b>", "<b>", id="text"),
    ],
)
def test_value_text(value: object, text: str) -> None:
    assert pages.value_text(value) == text


def test_table_aligns_numbers_and_keeps_markup() -> None:
    frame = pd.DataFrame(
        {
            "name": pd.Series([Markup("<b>bold</b>"), "<b>not</b>"], dtype=object),
            "n": pd.array([1, None], dtype="Int64"),
            "flag": [True, False],
        }
    )
    html = pages.table(frame)
    assert "<td><b>bold</b></td>" in html
    assert "<td>&lt;b&gt;not&lt;/b&gt;</td>" in html
    assert '<th class="number">n</th>' in html
    assert '<td class="number">–</td>' in html
    assert "<th>flag</th>" in html


def test_picture_keeps_its_colours() -> None:
    import base64

    import cv2

    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 2] = 255
    html = pages.picture(red)
    data = re.search(r"base64,([^\"]*)", html)
    assert data
    back = cv2.imdecode(np.frombuffer(base64.b64decode(data[1]), np.uint8), cv2.IMREAD_COLOR)
    assert back[4, 4, 2] > 240
    assert back[4, 4, 0] < 15
