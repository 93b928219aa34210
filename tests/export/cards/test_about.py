from __future__ import annotations

import pytest
import yaml

from caer_data.engine.errors import CaerError
from caer_data.export.cards import about
from caer_data.export.cards.about import About, Creator


def test_the_empty_form_has_every_field_and_reads_as_nothing_stated(tmp_path):
    path = about.init(tmp_path)
    assert set(yaml.safe_load(path.read_text())) == set(About.model_fields)
    assert about.read(tmp_path) == About() == about.read(tmp_path / "elsewhere")


def test_a_form_that_is_there_is_not_written_over(tmp_path):
    path = about.init(tmp_path)
    path.write_text("contact: me@example.org")
    with pytest.raises(CaerError, match=r"already exists"):
        about.init(tmp_path)
    assert path.read_text() == "contact: me@example.org"


def test_what_is_stated(tmp_path):
    (tmp_path / "release.yaml").write_text(
        "creators: [{name: Ada Lovelace, affiliation: Home}]\ndate_published: 2026-11-25\n"
        "license: CC-BY-4.0\nversion: 1.2.0\n"
    )
    found = about.read(tmp_path)
    assert found.creators == (Creator(name="Ada Lovelace", affiliation="Home"),)
    assert found.date_published == "2026-11-25"
    assert found.license_url == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert "creators" not in found.missing(imported=False)
    assert "contact" in found.missing(imported=False)


def test_only_imported_ratings_need_to_be_explained():
    assert "rating_platform" in About().missing(imported=True)
    assert "rating_platform" not in About().missing(imported=False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("contact: [1, 2]", r"release.yaml:1: contact: "),
        ("licence: MIT", r"did you mean 'license'"),
        ("version: v2", r"three numbers such as 1.0.0"),
        ("date_published: tomorrow", r"a date such as 2026-11-25"),
        ("url: javascript:alert(1)", r"an address such as https"),
        ("license: my own terms, see below", r"SPDX identifier"),
        ("creators: [Ada]", r"creators.0"),
        ("a: &a [*a]", r"release.yaml"),
        ("x: " + "[" * 5000, r"release.yaml"),
        ("\x00", r"release.yaml"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(tmp_path, text, says):
    (tmp_path / "release.yaml").write_text(text)
    with pytest.raises(CaerError, match=says):
        about.read(tmp_path)


def test_a_form_that_is_no_text(tmp_path):
    (tmp_path / "release.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CaerError, match=r"UTF-8"):
        about.read(tmp_path)
