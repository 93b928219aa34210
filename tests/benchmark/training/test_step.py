"""One training step: it waits for nothing, and says what would fit when memory is short."""

from __future__ import annotations

import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from made_up import tiny_recipe, tiny_store
from small_releases import small
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from caer_data.benchmark.data.augment import inputs
from caer_data.benchmark.data.batches import Batch, open_frames
from caer_data.benchmark.data.windows import random_windows
from caer_data.benchmark.networks import create
from caer_data.benchmark.recipe import ModelRecipe, load, vary
from caer_data.benchmark.training import step as training_step
from caer_data.benchmark.training.step import TrainingStep
from caer_data.engine.errors import CaerError


def made_up_batch(recipe: ModelRecipe, count: int, device: str = "cpu") -> Batch:
    shape = (count, recipe.input.frames)

    def pixels(size: tuple[int, int]) -> torch.Tensor:
        return torch.zeros((*shape, *size, 3), dtype=torch.uint8, device=device)

    labels = torch.zeros(count, dtype=torch.int64, device=device)
    boxes = torch.zeros((*shape, 8, 4), device=device)
    return Batch(pixels(recipe.input.face), pixels(recipe.input.frame), boxes, labels, labels)


def tiny_batch(fabric: Fabric, count: int = 8) -> Batch:
    store = tiny_store()
    pick = random_windows(store, store.of_split("train"), 1, 0, 0)
    return next(open_frames(store, fabric.device, True, False).batches(pick.batches(count)))


class StaysOnDevice(TorchDispatchMode):
    """Fails where an operation takes or gives a tensor of ordinary memory."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, torch.Tensor)]
        assert {x.device.type for x in tensors} <= {"meta"}, f"{func} leaves the device"
        return out


class MakesNothing(TorchFunctionMode):
    """Fails where a tensor is made from Python's or NumPy's numbers: the copy waits for a GPU."""

    MAKERS = (torch.tensor, torch.as_tensor, torch.from_numpy, torch.Tensor.new_tensor)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func not in self.MAKERS, f"{func} in a step"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("pool_first", [False, True])
@pytest.mark.parametrize("model", ["caer-net", "caer-net-s"])
def test_a_step_neither_copies_to_the_device_nor_reads_back(model: str, pool_first: bool) -> None:
    """On the meta device a value that is read raises, and copies from ordinary memory show."""
    recipe = vary(small(model), {"compute": {"pool_first": pool_first}})
    network = create(recipe).to("meta")
    batch = made_up_batch(recipe, 4, "meta")
    inputs(batch, recipe, training=True)  # constants are put on the device once
    with StaysOnDevice(), MakesNothing():
        logits = network(*inputs(batch, recipe, training=True)).logits
        torch.nn.functional.cross_entropy(logits, batch.labels).backward()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("model", ["caer-net", "caer-net-s"])
def test_pictures_weights_and_gradients_have_one_layout(
    fabric: Fabric, model: str, channels_last: bool
) -> None:
    """Where layouts differ, cuDNN converts in every layer and the fused optimiser refuses."""
    recipe = vary(small(model), {"compute": {"channels_last": channels_last}})
    learning = TrainingStep(create(recipe), recipe, fabric)
    batch = made_up_batch(recipe, 4)
    layout = torch.channels_last_3d if recipe.clips else torch.channels_last
    given = inputs(batch, recipe, training=True)
    for pictures in given:
        assert pictures is not None
        wanted = layout if channels_last else torch.contiguous_format
        assert pictures.is_contiguous(memory_format=wanted)
    learning.loss(learning.network, given, batch.labels).backward()
    for name, parameter in learning.model.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.stride() == parameter.stride(), name


@pytest.mark.parametrize("preset", ["paper", "tuned"])
@pytest.mark.parametrize("model", ["caer-net", "caer-net-s"])
def test_shipped_recipes_use_nothing_that_was_not_measured(model: str, preset: str) -> None:
    compute = load(model, preset).compute
    assert not (compute.compile or compute.cuda_graphs)
    assert compute.pool_first == "auto"


def test_a_step_leaves_no_gradients_behind(fabric: Fabric) -> None:
    recipe = tiny_recipe()
    learning = TrainingStep(create(recipe), recipe, fabric)
    learning.learn(tiny_batch(fabric), 0.1, seed=0)
    assert all(p.grad is None for p in learning.model.parameters())


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        pytest.param(torch.OutOfMemoryError(), "cpu has too little memory", id="torch"),
        pytest.param(RuntimeError("CUDA error: out of memory"), "too little memory", id="driver"),
        pytest.param(RuntimeError("CUDNN_STATUS_ALLOC_FAILED"), "too little memory", id="cuDNN"),
    ],
)
def test_too_little_memory_is_one_sentence(
    fabric: Fabric, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def full(*_: object) -> None:
        raise error

    recipe = tiny_recipe()
    learning = TrainingStep(create(recipe), recipe, fabric)
    monkeypatch.setattr(learning, "loss", full)
    with pytest.raises(
        CaerError, match=f"{sentence}.* for batches of 8: .*--batch-size, such as 4"
    ):
        learning.learn(tiny_batch(fabric), 0.1, seed=0)


def test_other_errors_are_not_hidden(fabric: Fabric, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny_recipe()
    learning = TrainingStep(create(recipe), recipe, fabric)
    monkeypatch.setattr(learning, "loss", lambda *_: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="size"):
        learning.learn(tiny_batch(fabric), 0.1, seed=0)


@pytest.mark.parametrize(
    ("available", "devices", "advice"),
    [
        pytest.param(160 / 0.9, 1, "--batch-size 4 would fit", id="smaller fits"),
        pytest.param(10_000, 1, "--batch-size 4 would fit", id="never more than half"),
        pytest.param(160 / 0.9, 2, "--batch-size 8 would fit", id="two devices share it"),
        pytest.param(100, 1, "and for the smallest", id="nothing fits"),
    ],
)
def test_the_batch_that_fits_is_measured_after_the_failed_step_is_gone(
    fabric: Fabric,
    monkeypatch: pytest.MonkeyPatch,
    available: int,
    devices: int,
    advice: str,
) -> None:
    activations = []

    def full(*_: object) -> None:
        large = torch.zeros(3)
        activations.append(weakref.ref(large))
        raise torch.OutOfMemoryError

    def peak_memory(step: object, device: object) -> Any:
        assert activations[0]() is None, "the failed step's tensors still take memory"
        return lambda size: 100 + 10 * size

    recipe = tiny_recipe()
    learning = TrainingStep(create(recipe), recipe, fabric)
    batch = tiny_batch(fabric)
    learning.fabric = SimpleNamespace(device=torch.device("cuda", 0), world_size=devices)
    monkeypatch.setattr(learning, "loss", full)
    monkeypatch.setattr(training_step, "peak_memory", peak_memory)
    monkeypatch.setattr(training_step, "available_memory", lambda device: available)
    with pytest.raises(CaerError, match=f"cuda:0 has too little memory.*{advice}"):
        learning.learn(batch, 0.1, seed=0)
