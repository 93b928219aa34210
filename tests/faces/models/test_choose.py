"""One entry and one module make a face detector."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from caer_data.engine import face_models, recipe
from caer_data.engine.errors import CaerError
from caer_data.faces.models import Detections, choose, create_detector


class Middle:
    """Finds one face in the middle of every picture."""

    name, provider = "middle", "cpu"
    min_score = weak_score = sure_score = close_score = 0.5

    def __init__(self, size: int) -> None:
        self.size = size
        self.warnings: list[str] = []

    def detect(self, pictures, min_score, size=None):
        sides = [picture.shape[1::-1] for picture in pictures]
        boxes = [np.array([[w / 4, h / 4, 3 * w / 4, 3 * h / 4]], np.float32) for w, h in sides]
        return [Detections(box, np.ones(1, np.float32)) for box in boxes]


@pytest.fixture
def a_detector_from_outside(monkeypatch):
    module = ModuleType("caer_data.faces.models.middle")
    module.check = lambda settings: None
    module.create = lambda settings, threads: Middle(settings.detector_size)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    suits = {**face_models.DETECTORS["mmod"].suits, "detector_size": 200, "min_presence": 0.7}
    entry = face_models.DetectorEntry("middle", suits, gives_points=False)
    monkeypatch.setitem(face_models.DETECTORS, "middle", entry)


def test_one_entry_adds_a_detector(a_detector_from_outside):
    chosen = recipe.load({"faces": {"detector": "middle"}})
    assert (chosen.faces.detector_size, chosen.filter.min_presence) == (200, 0.7)
    choose.check(chosen.faces)
    detector = create_detector(chosen.faces, 1)
    found = detector.detect([np.zeros((40, 80, 3), np.uint8)], 0.5)
    assert found[0].boxes.tolist() == [[20, 10, 60, 30]]
    with pytest.raises(CaerError, match="'middle' does not return"):
        choose.check(recipe.load({"faces": {"detector": "middle", "embedder": "arcface"}}).faces)


@pytest.mark.parametrize("word", face_models.DETECTORS | face_models.EMBEDDERS)
def test_an_entry_has_its_module(word):
    entry = face_models.DETECTORS.get(word) or face_models.EMBEDDERS[word]
    module = choose._module(entry.module)
    assert callable(module.check)
    assert callable(module.create)


def test_models_know_nothing_of_recipes():
    settings = SimpleNamespace(
        detector="hog", embedder="dlib", weights=None, weights_sha256=(), provider="cpu",
        detector_size=320,
    )  # fmt: skip
    assert create_detector(settings, 1).detect([np.zeros((64, 64, 3), np.uint8)], 0.0)


def test_an_unknown_detector_is_one_sentence():
    with pytest.raises(CaerError, match="no detector 'magic'; known are centerface, mmod"):
        recipe.load({"faces": {"detector": "magic"}})


def test_models_are_kept_until_others_are_asked_for(a_detector_from_outside, monkeypatch):
    loaded = []
    embedder = SimpleNamespace(create=lambda *given: loaded.append(given) or object())
    middle = choose._module("middle")
    modules = {"middle": middle, "dlib_embedder": embedder}
    monkeypatch.setattr(choose, "_module", modules.__getitem__)
    settings = recipe.load({"faces": {"detector": "middle", "embedder": "dlib"}}).faces
    settings = settings.model_copy(update={"weights": "/m"})
    monkeypatch.setattr(choose, "_check_points", lambda settings: None)
    first = choose.kept_models(settings, 1, ("a",))
    assert choose.kept_models(settings, 1, ("a",)) == first
    smaller = settings.model_copy(update={"min_face": 0.2})  # no matter of the models
    assert choose.kept_models(smaller, 1, ("a",)) == first
    others = [
        choose.kept_models(settings, 1, ("b",)),
        choose.kept_models(settings, 2, ("b",)),
        choose.kept_models(settings.model_copy(update={"detector_size": 320}), 2, ("b",)),
    ]
    assert others[-1][0].size == 320
    assert len({id(pair[1]) for pair in (first, *others)}) == len(loaded) == 4
