"""Recipes in words."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from caer_data.cli.recipe import command
from caer_data.engine.errors import CaerError
from caer_data.report import recipe_text


def test_every_field_is_explained_by_the_shipped_recipe() -> None:
    comments = recipe_text.comments()
    without = []
    for name, of in recipe_text.fields().items():
        told = recipe_text.explain(name)
        assert told["field"] == name
        assert of is None or "default" in told
        without += [name] if of and name not in comments else []
    assert without == ["name", "videos.extensions"]  # their names say it


def test_a_fields_comments_above_and_beside_it() -> None:
    told = recipe_text.explain("shots.width")
    assert told["meaning"].startswith("px; longer side of the pictures")
    assert told["meaning"].endswith("256)")  # the comment goes on in the next line
    assert (told["type"], told["limits"], told["default"]) == (
        "whole number", "at least 64, at most 1920", 256,
    )  # fmt: skip
    assert recipe_text.explain("labels.confidence_of")["type"] == "all | agreeing"


def test_what_other_shipped_recipes_choose_is_told() -> None:
    assert recipe_text.explain("shots.detector")["meaning"].startswith("adaptive | content")
    assert any(recipe_text.explain(name).get("shipped") for name in recipe_text.fields())


def test_a_section_lists_its_fields() -> None:
    assert "filter.min_coverage" in recipe_text.explain("filter")["fields"]


def test_an_unknown_field_names_the_nearest() -> None:
    with pytest.raises(CaerError, match=r"did you mean 'filter\.min_face_height'"):
        recipe_text.explain("filter.min_face_hight")


def test_two_recipes_differ_in_the_fields_that_were_changed(tmp_path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("name: caer\nfilter: {max_people: 3}\n")
    rows = recipe_text.difference(str(own), "caer")
    assert rows == [{"field": "filter.max_people", "one": 3, "other": 2}]
    assert recipe_text.difference("caer", "caer") == []


def test_by_the_command_line(tmp_path) -> None:
    def run(*words: str) -> str:
        return CliRunner().invoke(command, list(words), catch_exceptions=False).output

    assert "default: 0.1" in run("explain", "filter.min_face_height")
    assert json.loads(run("explain", "filter.max_people", "--json"))["default"] == 2
    assert "quick" in run("diff", "quick")
    assert "The recipes are equal." in run("diff", "caer", "caer")
