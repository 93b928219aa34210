"""Checkpoints: what is loaded is what was saved, and nothing else is accepted."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
import torch
from made_up import tiny_recipe
from safetensors.torch import save_file
from small_releases import small

from caer_data.benchmark.networks import create
from caer_data.benchmark.recipe import vary
from caer_data.benchmark.selftest import synthetic
from caer_data.benchmark.training import checkpoint
from caer_data.benchmark.training.checkpoint import Progress
from caer_data.benchmark.training.step import optimizer_of
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError

RECIPE = tiny_recipe()


def saved(folder: Path) -> Path:
    path = folder / "weights.safetensors"
    checkpoint.save_weights(path, create(RECIPE), RECIPE, EMOTIONS, seed=3)
    return path


def test_weights_come_back_with_their_header(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first, second = create(RECIPE), create(RECIPE)
    checkpoint.save_weights(tmp_path / "w", first, RECIPE, EMOTIONS, seed=3)
    header = checkpoint.load_weights(tmp_path / "w", second, RECIPE, EMOTIONS)
    assert header["seed"] == 3
    assert header["recipe"]["input"]["mean"] == list(RECIPE.input.mean)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])


def test_equal_weights_are_equal_bytes(tmp_path: Path) -> None:
    model = create(RECIPE)
    for name in "abcdef":
        checkpoint.save_weights(tmp_path / name, model, RECIPE, EMOTIONS, seed=3)
    assert len({(tmp_path / name).read_bytes() for name in "abcdef"}) == 1


@pytest.mark.parametrize(
    ("changes", "classes", "sentence"),
    [
        pytest.param({}, EMOTIONS[::-1], "the same classes in the same order", id="class order"),
        pytest.param(
            {"input": {"face": (32, 32)}}, EMOTIONS, "was trained with input.face [16, 16]",
            id="other sizes",
        ),
        pytest.param(
            {"streams": {"face": False, "context": True}}, EMOTIONS,
            "was trained with streams.context False, the recipe has True", id="other streams",
        ),
    ],
)  # fmt: skip
def test_another_model_is_one_clear_sentence(
    tmp_path: Path, changes: dict, classes: tuple[str, ...], sentence: str
) -> None:
    recipe = vary(RECIPE, changes)
    with pytest.raises(CaerError, match=re.escape(sentence)):
        checkpoint.load_weights(saved(tmp_path), create(recipe), recipe, classes)


def test_rates_that_single_pictures_do_not_have_are_not_compared(tmp_path: Path) -> None:
    """Recipes for single pictures could once state them; now they are refused there."""
    old = vary(RECIPE, {"input": {"frames": 1, "fps": 5.0, "stride": 3}})
    now = vary(RECIPE, {"input": {"frames": 1}})
    path = tmp_path / "weights.safetensors"
    checkpoint.save_weights(path, create(old), old, EMOTIONS, seed=3)
    checkpoint.load_weights(path, create(now), now, EMOTIONS)


def test_layers_of_another_model_are_named(tmp_path: Path) -> None:
    other = create(synthetic.recipe())
    with pytest.raises(CaerError, match="holds another model: layer"):
        checkpoint.load_weights(saved(tmp_path), other, RECIPE, EMOTIONS)


class Evil:
    def __reduce__(self):
        return (Path("/tmp/unpickled").touch, ())


@pytest.mark.parametrize("kind", ["pickle", "truncated", "stranger's", "absent"])
def test_nothing_else_is_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "w"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Evil()))
    elif kind == "truncated":
        path.write_bytes(saved(tmp_path).read_bytes()[:1000])
    elif kind == "stranger's":
        save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CaerError, match=r"damaged|not written by|no such checkpoint"):
        checkpoint.load_weights(path, create(RECIPE), RECIPE, EMOTIONS)
    assert not Path("/tmp/unpickled").exists()


def test_progress_comes_back_with_momentum_and_only_to_its_run(tmp_path: Path) -> None:
    model = create(RECIPE)
    optimizer = optimizer_of(model, RECIPE)
    model(torch.rand(2, 3, 16, 16), None).logits.sum().backward()
    optimizer.step()
    progress = Progress(epoch=2, step=5, loss_sum=1.5, history=[{"epoch": 1, "war": 0.5}])
    checkpoint.save_progress(tmp_path / "c", model, optimizer, progress, "this run")
    again = create(RECIPE)
    restored = optimizer_of(again, RECIPE)
    assert checkpoint.load_progress(tmp_path / "c", again, restored, "this run") == progress
    for old, new in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(old, new)
        buffers = (optimizer.state[old], restored.state[new])
        assert torch.equal(*(b["momentum_buffer"] for b in buffers))
    with pytest.raises(CaerError, match="belongs to a run with another recipe, data or seed"):
        checkpoint.load_progress(tmp_path / "c", again, restored, "another run")


def test_momentum_comes_back_in_the_layout_of_its_weights(tmp_path: Path) -> None:
    """Fused optimisers go through memory in its order, whatever the strides."""

    def made() -> tuple[torch.nn.Module, torch.optim.SGD]:
        torch.manual_seed(0)
        model = create(RECIPE).to(memory_format=torch.channels_last)
        parameters = list(model.parameters())
        return model, torch.optim.SGD(parameters, lr=0.1, momentum=0.9, fused=True)

    def step(model: torch.nn.Module, optimizer: torch.optim.SGD) -> None:
        torch.manual_seed(1)
        optimizer.zero_grad()
        model(torch.rand(2, 3, 16, 16), None).logits.sum().backward()
        optimizer.step()

    model, optimizer = made()
    step(model, optimizer)
    checkpoint.save_progress(tmp_path / "c", model, optimizer, Progress(), "this run")
    again, restored = made()
    checkpoint.load_progress(tmp_path / "c", again, restored, "this run")
    for parameter in again.parameters():
        assert restored.state[parameter]["momentum_buffer"].stride() == parameter.stride()
    step(model, optimizer)
    step(again, restored)
    for old, new in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(old, new)


def test_weights_from_when_convolutions_had_a_bias_answer_as_they_did(tmp_path: Path) -> None:
    recipe = vary(small(), {"layers": {"attention_bn_relu": False}})
    torch.manual_seed(0)
    model = create(recipe).eval()
    for value in model.buffers():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5)
    inputs = torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 24)
    before = model(*inputs).logits
    state = model.state_dict()
    header = {"recipe": recipe.model_dump(mode="json"), "classes": EMOTIONS}
    del header["recipe"]["train"]["optimizer"]  # a field that came since
    old = {name: tensor.clone() for name, tensor in state.items()}
    for name in state:
        if name.endswith("conv.weight"):
            place = name.removesuffix("conv.weight")
            old[f"{place}conv.bias"] = torch.randn(len(state[name]))
            # with the bias, every mean was as much larger
            old[f"{place}norm.running_mean"] += old[f"{place}conv.bias"]
    checkpoint._write(tmp_path / "old.safetensors", old, header)
    again = create(recipe).eval()
    checkpoint.load_weights(tmp_path / "old.safetensors", again, recipe, EMOTIONS)
    assert torch.allclose(again(*inputs).logits, before, atol=1e-5)
