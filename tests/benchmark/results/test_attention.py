"""Attention maps over frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lightning_fabric import Fabric
from made_up import tiny_recipe, tiny_store

from caer_data.benchmark.networks import create
from caer_data.benchmark.recipe import ModelRecipe, vary
from caer_data.benchmark.results import attention
from caer_data.benchmark.selftest import synthetic
from caer_data.benchmark.training import checkpoint
from caer_data.engine.emotions import EMOTIONS


def weights_of(recipe: ModelRecipe, folder: Path) -> Path:
    path = folder / "w.safetensors"
    checkpoint.save_weights(path, create(recipe), recipe, EMOTIONS)
    return path


@pytest.mark.parametrize("model", ["caer-net-s", "caer-net"])
def test_examples_show_frames_with_the_face_hidden_and_not(
    tmp_path: Path, fabric: Fabric, model: str
) -> None:
    recipe = synthetic.recipe(model)
    made = synthetic.make(2, 2, 8, frames=recipe.input.frames)
    store = synthetic.store(made, recipe.input.face)
    found = attention.examples(weights_of(recipe, tmp_path), recipe, store, fabric)
    larger = -(-112 // min(recipe.input.crop))  # 112 pixels or more
    height, width = (larger * side for side in recipe.input.crop)
    assert 1 <= len(found) <= 6
    for example in found:
        columns = 4 if model == "caer-net" else 1
        assert example.hidden.shape == (2 * height, columns * width, 3)
        assert example.shown.shape == example.hidden.shape
        assert example.sample.split == "test"
        assert example.peak >= 1
        frames = (example.hidden[:height], example.shown[:height])
        changed = (frames[0] != frames[1]).any(2)
        assert 0 < changed.mean() < 0.25  # only the face differs
        assert (frames[0][changed] <= 1).all()  # it is black


def test_models_without_context_attention_have_none(tmp_path: Path, fabric: Fabric) -> None:
    recipe = tiny_recipe()
    path = weights_of(recipe, tmp_path)
    assert attention.examples(path, recipe, tiny_store(), fabric) == []
    plain = vary(synthetic.recipe(), {"streams": {"context_attention": False}})
    assert attention.examples(path, plain, tiny_store(), fabric) == []


def test_an_even_map_is_drawn_evenly_green() -> None:
    picture = np.full((40, 40, 3), 128, np.uint8)
    for shares in (np.full((3, 4), 1 / 12), np.full((3, 4), 1 / 12) + 1e-4):
        drawn = attention.overlay(picture, shares)
        assert np.ptp(drawn.reshape(-1, 3), axis=0).max() == 0
        assert drawn[0, 0].argmax() == 1


def test_red_is_most() -> None:
    picture = np.full((40, 40, 3), 128, np.uint8)
    drawn = attention.overlay(picture, np.array([[0.0, 0.2], [0.3, 0.5]]))
    blue, red = drawn[2, 2].astype(int), drawn[37, 37].astype(int)
    assert red[2] > red[0] and blue[0] > blue[2]
