"""Byte order marks."""

from __future__ import annotations

import codecs
import doctest

import pytest

from caer_data.engine import encodings


@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("marks", ["LE", "BE"])
def test_what_a_mark_names_decodes_the_text(name: str, marks: str) -> None:
    if name == "utf-8-sig":
        data = codecs.BOM_UTF8 + "né".encode()
    else:
        mark = getattr(codecs, f"BOM_{name.upper().replace('-', '')}_{marks}")
        data = mark + "né".encode(f"{name}-{marks.lower()}")
    assert encodings.marked_encoding(data) == name
    assert data.decode(name) == "né"


def test_text_without_a_mark_has_no_encoding_of_its_own() -> None:
    assert encodings.marked_encoding("né".encode()) is None
    assert encodings.marked_encoding(b"") is None


def test_the_example_holds() -> None:
    result = doctest.testmod(encodings)
    assert result.attempted == 1 and result.failed == 0
