"""CAER-Net and CAER-Net-S from a store to figures: they learn, repeat and go on alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from lightning_fabric import Fabric
from made_up import noise_store
from small_releases import small

from caer_data.benchmark.data.store import Store
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.benchmark.training.run import Context, run
from caer_data.engine.progress import Bar, Reporter

SPEED = ("samples_per_s",)


@pytest.fixture(params=["caer-net", "caer-net-s"])
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def recipe_of(model: str, **train: object) -> ModelRecipe:
    return small(
        model,
        train={"epochs": 2, "batch_size": 8, "learning_rate": 0.02, "lr_step_epochs": 40, **train},
        layers={"dropout": 0.0, "attention_bn_relu": False},
    )


def do(recipe: ModelRecipe, store: Store, folder: Path, fabric: Fabric) -> dict:
    result = run(recipe, store, 0, Context(folder, fabric, Reporter("quiet")))
    return {name: value for name, value in result.items() if name not in SPEED}


def weights_in(folder: Path) -> bytes:
    return next(folder.rglob("weights.safetensors")).read_bytes()


@pytest.mark.slow
def test_32_samples_are_learned_by_heart(tmp_path: Path, fabric: Fabric, model: str) -> None:
    recipe = recipe_of(model, epochs=20)
    still = {"flip": 0.0, "contrast": 0.0, "color": 0.0, "random_crop": False}
    recipe = recipe.model_copy(update={"augment": recipe.augment.model_copy(update=still)})
    store = noise_store(32, frames=recipe.input.frames)
    assert do(recipe, store, tmp_path, fabric)["war"] == 1.0


def test_the_same_seed_gives_the_same_figures_and_weights(
    tmp_path: Path, fabric: Fabric, model: str
) -> None:
    recipe = recipe_of(model)
    store = noise_store(16, frames=recipe.input.frames + 3)
    first, again = (do(recipe, store, tmp_path / name, fabric) for name in "ab")
    assert first == again
    assert weights_in(tmp_path / "a") == weights_in(tmp_path / "b")


def test_a_run_stopped_after_an_epoch_goes_on_to_the_same_weights(
    tmp_path: Path, fabric: Fabric, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(model)
    store = noise_store(16, frames=recipe.input.frames + 3)
    whole = do(recipe, store, tmp_path / "whole", fabric)
    advance = Bar.advance

    def stopping(self: Bar, amount: float = 1.0, note: str | None = None) -> None:
        advance(self, amount, note)
        if note == "epoch 2 of 2":
            raise KeyboardInterrupt

    monkeypatch.setattr(Bar, "advance", stopping)
    with pytest.raises(KeyboardInterrupt):
        do(recipe, store, tmp_path / "stopped", fabric)
    assert not list((tmp_path / "stopped").rglob("result.json"))
    monkeypatch.setattr(Bar, "advance", advance)
    assert do(recipe, store, tmp_path / "stopped", fabric) == whole
    assert weights_in(tmp_path / "stopped") == weights_in(tmp_path / "whole")
