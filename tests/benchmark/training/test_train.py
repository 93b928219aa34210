"""Training: it learns, it repeats, and it goes on exactly where it was stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from lightning_fabric import Fabric
from made_up import noise_store, tiny_recipe, tiny_store
from small_releases import small

from caer_data.benchmark.data.store import Store
from caer_data.benchmark.data.windows import random_windows
from caer_data.benchmark.recipe import vary
from caer_data.benchmark.training import train
from caer_data.benchmark.training.run import Context, folder_of, run
from caer_data.benchmark.training.step import TrainingStep
from caer_data.cli import main
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

QUIET = Reporter("quiet")
SPEED = ("samples_per_s",)


def do(store: Store, folder: Path, fabric: Fabric, seed: int = 0, **changes: object) -> dict:
    return run(tiny_recipe(**changes), store, seed, Context(folder, fabric, QUIET))


def figures(result: dict) -> dict:
    return {name: value for name, value in result.items() if name not in SPEED}


def test_same_seed_gives_the_same_figures_and_another_seed_others(
    tmp_path: Path, fabric: Fabric
) -> None:
    store = tiny_store()
    first = do(store, tmp_path / "a", fabric)
    again = do(store, tmp_path / "b", fabric)
    other = do(store, tmp_path / "c", fabric, seed=1)
    assert figures(first) == figures(again)
    assert first["history"] != other["history"]
    weights = [next((tmp_path / n).rglob("weights.safetensors")) for n in "ab"]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.parametrize("stop_after", [1, 3, 7], ids=["first step", "mid-epoch", "second epoch"])
def test_a_stopped_run_goes_on_to_the_same_numbers(
    tmp_path: Path, fabric: Fabric, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    monkeypatch.setattr(train, "SAVE_EVERY_S", -1.0)  # after every step
    store = tiny_store()
    whole = do(store, tmp_path / "whole", fabric)
    steps = []
    learn = TrainingStep.learn

    def stopping(self: TrainingStep, *given: object) -> torch.Tensor:
        steps.append(1)
        if len(steps) > stop_after:
            raise KeyboardInterrupt
        return learn(self, *given)

    monkeypatch.setattr(TrainingStep, "learn", stopping)
    with pytest.raises(KeyboardInterrupt):
        do(store, tmp_path / "stopped", fabric)
    monkeypatch.setattr(TrainingStep, "learn", learn)
    rest = do(store, tmp_path / "stopped", fabric)
    assert figures(rest) == figures(whole)
    files = [next((tmp_path / n).rglob("weights.safetensors")) for n in ("whole", "stopped")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
def test_a_killed_command_goes_on_to_the_same_numbers(images_tree: Path, tmp_path: Path) -> None:
    recipe = vary(small(), {"train": {"epochs": 4}})
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))

    def command(name: str) -> list[str]:
        return [
            sys.executable, "-m", "caer_data", "benchmark", str(images_tree), "--quiet",
            "--model", str(tmp_path / "small.yaml"), "--device", "cpu",
            "-o", str(tmp_path / name), "--store", str(tmp_path / "store"),
        ]  # fmt: skip

    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    with pytest.raises(SystemExit):
        main(command("whole")[3:])
    running = subprocess.Popen(command("killed"), env=environment)
    while running.poll() is None and not list((tmp_path / "killed").rglob("checkpoint*")):
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL, "it was killed before it could finish"
    assert not list((tmp_path / "killed").rglob("result.json"))
    subprocess.run(command("killed"), check=True, env=environment)
    found = [
        json.loads(next((tmp_path / n).rglob("result.json")).read_text())
        for n in ("whole", "killed")
    ]
    assert figures(found[0]) == figures(found[1])
    assert not list((tmp_path / "killed").rglob(".*.part"))


def test_a_finished_run_is_not_repeated(
    tmp_path: Path, fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tiny_store()
    first = do(store, tmp_path, fabric)
    monkeypatch.setattr(train.Trainer, "fit", None)
    assert do(store, tmp_path, fabric) == first


def test_caer_net_s_overfits_32_clips(tmp_path: Path, fabric: Fabric) -> None:
    store = noise_store(32)
    recipe = small(
        train={"epochs": 40, "batch_size": 8, "learning_rate": 0.05, "lr_step_epochs": 40},
        layers={"dropout": 0.0, "attention_bn_relu": False},
        augment={"flip": 0.0, "contrast": 0.0, "color": 0.0, "random_crop": False},
    )
    result = run(recipe, store, 0, Context(tmp_path, fabric, QUIET))
    assert result["war"] == 1.0


def test_a_loss_that_is_no_number_is_one_sentence_and_keeps_the_checkpoint(
    tmp_path: Path, fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tiny_store()
    loss = TrainingStep.loss
    calls = []

    def spoiled(self: TrainingStep, *inputs: object) -> torch.Tensor:
        calls.append(1)
        return loss(self, *inputs) * (float("nan") if len(calls) > 6 else 1.0)

    monkeypatch.setattr(TrainingStep, "loss", spoiled)
    with pytest.raises(CaerError, match=r"in epoch 2, step 2; lower .* checkpoint is kept"):
        do(store, tmp_path, fabric)
    monkeypatch.setattr(TrainingStep, "loss", loss)
    assert figures(do(store, tmp_path, fabric)) == figures(do(store, tmp_path / "other", fabric))


def test_weights_that_the_last_step_spoiled_are_not_kept(
    tmp_path: Path, fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = TrainingStep.learn

    def spoiling(self: TrainingStep, *given: object) -> torch.Tensor:
        found = learn(self, *given)
        next(self.model.parameters()).data.fill_(float("inf"))
        return found

    monkeypatch.setattr(TrainingStep, "learn", spoiling)
    with pytest.raises(CaerError, match=r"the loss became nan in epoch 1, step 1.*: fp32$"):
        do(tiny_store(train=8), tmp_path, fabric)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_best_epoch_is_the_first_best_on_validation(tmp_path: Path, fabric: Fabric) -> None:
    result = do(tiny_store(), tmp_path, fabric, epochs=4)
    values = [epoch["war"] for epoch in result["history"]]
    assert result["best_epoch"] == 1 + int(np.argmax(values))


@pytest.mark.parametrize(
    ("epoch", "step", "factor"),
    [
        pytest.param(0, 0, 0.05, id="warm-up starts low"),
        pytest.param(0, 9, 0.5, id="warm-up half-way"),
        pytest.param(1, 9, 1.0, id="warm-up done"),
        pytest.param(3, 9, 1.0, id="last epoch before the step"),
        pytest.param(4, 0, 0.1, id="divided by ten"),
        pytest.param(8, 0, 0.01, id="divided again"),
    ],
)
def test_learning_rate_follows_the_schedule(epoch: int, step: int, factor: float) -> None:
    settings = tiny_recipe(
        batch_size=64, learning_rate=0.005, lr_step_epochs=4, warmup_epochs=2.0
    ).train
    rate = train.learning_rate(settings, epoch, step, steps=10)
    assert rate == pytest.approx(0.01 * factor)  # twice the batch of 32, twice the rate


@pytest.mark.parametrize(
    ("samples", "batch_size", "devices"),
    [(40, 8, 1), (41, 8, 1), (42, 8, 1), (43, 8, 2), (35, 8, 2)],
)
def test_the_bar_counts_what_an_epoch_shows(samples: int, batch_size: int, devices: int) -> None:
    pick = random_windows(tiny_store(samples), np.arange(samples), 1, 0, 0)
    ranks = [SimpleNamespace(world_size=devices, global_rank=rank) for rank in range(devices)]
    shown = sum(
        len(batch.samples)
        for rank in ranks
        for batch in train.shared_batches(pick, batch_size, rank)
    )
    assert train.samples_an_epoch(samples, batch_size, devices) == shown


def test_the_folder_depends_on_recipe_and_data(tmp_path: Path) -> None:
    folders = {
        folder_of(tmp_path, recipe, store, 0)
        for recipe in (tiny_recipe(), tiny_recipe(epochs=3))
        for store in (tiny_store(), tiny_store(train=41))
    }
    assert len(folders) == 4


def test_how_a_gpu_computes_it_does_not_make_it_another_run() -> None:
    recipe = tiny_recipe()
    slower = vary(recipe, {"compute": {"fused_kernels": False}})
    assert train.identity_of(slower, "data", 0) == train.identity_of(recipe, "data", 0)
    assert "fused_kernels" not in train.identity_of(recipe, "data", 0)
    assert recipe.compute.pool_first == "auto"
    plain = vary(recipe, {"compute": {"pool_first": False}})  # the default of earlier versions
    assert train.identity_of(plain, "data", 0) == train.identity_of(recipe, "data", 0)
    other = vary(recipe, {"compute": {"channels_last": not recipe.compute.channels_last}})
    assert train.identity_of(other, "data", 0) != train.identity_of(recipe, "data", 0)


def test_a_cosine_falls_to_nothing_and_is_not_scaled_for_adamw() -> None:
    settings = vary(
        tiny_recipe(epochs=4),
        {"train": {"schedule": "cosine", "optimizer": "adamw", "learning_rate": 0.01}},
    ).train
    rates = [train.learning_rate(settings, e, s, steps=10) for e in range(4) for s in range(10)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[20] == pytest.approx(0.005)
    assert 0 < rates[-1] < 0.0001
    assert rates == sorted(rates, reverse=True)


def test_training_stops_when_validation_gets_no_better(
    tmp_path: Path, fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([0.2, 0.5, 0.4, 0.5, 0.9])
    monkeypatch.setattr(
        train.Trainer,
        "_validate",
        lambda self, positions, progress: {
            "epoch": progress.epoch + 1,
            "value": next(values),
            "train_loss": 1.0,
            "validation_loss": 1.0,
        },
    )
    result = do(tiny_store(), tmp_path, fabric, epochs=9, patience=2)
    assert (result["epochs"], result["best_epoch"]) == (4, 2)


def test_adamw_goes_on_to_the_same_numbers(
    tmp_path: Path, fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"optimizer": "adamw", "schedule": "cosine", "learning_rate": 0.001}
    whole = do(tiny_store(), tmp_path / "whole", fabric, **changes)
    learn, steps = TrainingStep.learn, []

    def stopping(self: TrainingStep, *given: object) -> object:
        steps.append(0)
        if len(steps) == 7:  # in the second epoch
            raise KeyboardInterrupt
        return learn(self, *given)

    monkeypatch.setattr(TrainingStep, "learn", stopping)
    with pytest.raises(KeyboardInterrupt):
        do(tiny_store(), tmp_path / "stopped", fabric, **changes)
    monkeypatch.setattr(TrainingStep, "learn", learn)
    assert figures(do(tiny_store(), tmp_path / "stopped", fabric, **changes)) == figures(whole)
