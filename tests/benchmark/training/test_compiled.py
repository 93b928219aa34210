"""Compiling: full batches only, the same figures, one sentence where it cannot be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from made_up import tiny_recipe, tiny_store
from small_releases import small
from torch._dynamo.backends.common import aot_autograd
from torch._dynamo.exc import TorchDynamoException
from torch._functorch.compilers import nop
from torch.utils._pytree import tree_leaves

from caer_data.benchmark.data.batches import Batch
from caer_data.benchmark.networks import create
from caer_data.benchmark.recipe import ModelRecipe, vary
from caer_data.benchmark.training import compiled
from caer_data.benchmark.training import step as step_module
from caer_data.benchmark.training.run import Context, run
from caer_data.benchmark.training.step import TrainingStep
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter


def with_backend(monkeypatch: pytest.MonkeyPatch, backend: Any) -> None:
    """Compile with a backend that needs no C++ compiler."""
    original = torch.compile

    def compile(model: Any, *, dynamic: bool, **_: Any) -> Any:
        return original(model, backend=backend, dynamic=dynamic)

    monkeypatch.setattr(compiled.torch, "compile", compile)


def compiling(**train: object) -> ModelRecipe:
    return vary(tiny_recipe(**train), {"compute": {"compile": True}})


def test_only_full_batches_are_compiled_and_figures_stay(
    tmp_path: Path, fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    faces = ((1, 16, 16, 3), (3, 16, 16))  # bytes that training augments; what testing is given

    def counting(graph: Any, inputs: list[torch.Tensor]) -> Any:
        sizes.extend({len(x) for x in inputs if x.shape[1:] in faces})
        return graph.forward

    with_backend(monkeypatch, counting)
    store = tiny_store(41, 11, 10)  # last batches of 3 (the 1 of 41 is dropped), and 2

    def do(recipe: ModelRecipe, results: Path) -> dict[str, Any]:
        return run(recipe, store, 0, Context(results, fabric, Reporter("quiet")))

    for _ in range(2):  # a second model finds the compiler as new
        sizes.clear()
        plain = do(tiny_recipe(epochs=3), results=tmp_path / "plain")
        fast = do(compiling(epochs=3), results=tmp_path / f"fast-{len(list(tmp_path.iterdir()))}")
        assert sizes == [8, 8], "one form for training, one for testing"
    for name in ("confusion", "history", "war"):  # sums in another order: other last digits
        assert _flat(fast[name]) == pytest.approx(_flat(plain[name]), abs=1e-5)


def _flat(found: Any) -> list[float]:
    return [float(x) for x in tree_leaves(found)]


def noise(recipe: ModelRecipe, count: int = 4) -> Batch:
    """A full batch with a face in each frame."""

    def pixels(size: tuple[int, int]) -> torch.Tensor:
        shape = (count, recipe.input.frames, *size, 3)
        return torch.randint(0, 256, shape, dtype=torch.uint8)

    boxes = torch.zeros(count, recipe.input.frames, 8, 4)
    boxes[:, :, 0] = torch.tensor([3.0, 3.0, 9.0, 9.0])
    numbers = torch.arange(count)
    return Batch(pixels(recipe.input.face), pixels(recipe.input.frame), boxes, numbers, numbers)


@pytest.mark.parametrize("model", ["caer-net", "caer-net-s"])
def test_augmentation_and_update_are_compiled_and_steps_stay(
    fabric: Fabric, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """With draws of its own and another rate in every step, and each form compiled once."""
    compiled_forms = []

    def counting(graph: Any, inputs: list[torch.Tensor]) -> Any:
        compiled_forms.append({x.dtype for x in inputs})
        return graph.forward

    with_backend(monkeypatch, counting)
    found = []
    for compile in (False, True):
        train = {"batch_size": 4, "optimizer": "sgd"}
        still = {"compute": {"compile": compile}, "train": train, "layers": {"dropout": 0.0}}
        recipe = vary(small(model), still)
        torch.manual_seed(0)
        learning = TrainingStep(create(recipe), recipe, fabric)
        learning.network.train()
        batch = noise(recipe)
        losses = [learning.learn(batch, 0.02 / (1 + i), i) for i in range(4)]
        found.append((torch.stack(losses), *learning.model.state_dict().values()))
    for plain, fast in zip(*found, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-5)
    assert sum(torch.uint8 in types for types in compiled_forms) == 1, "from bytes to logits"
    assert len(compiled_forms) == 3, "the model once, the update without and with its momentum"


def test_what_the_check_of_bf16_finds_decides_the_compiled_form(
    fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_backend(monkeypatch, "eager")
    compute = {"compile": True, "precision": "bf16"}
    recipe = vary(small("caer-net-s"), {"compute": compute, "train": {"batch_size": 4}})
    for trusted, wanted in ((1.0, torch.bfloat16), (0.0, torch.float32)):
        monkeypatch.setattr(step_module, "check_bf16", lambda *_, t=trusted: {"trusted": t})
        learning = TrainingStep(create(recipe), recipe, fabric)
        seen: list[torch.Tensor] = []
        learning.model.register_forward_pre_hook(lambda _, args, to=seen: to.extend(args))
        learning.learn(noise(recipe), 0.01, 0)
        assert {x.dtype for x in seen} == {wanted}


@pytest.mark.parametrize(("model", "pool_first"), [("caer-net", True), ("caer-net-s", False)])
def test_caer_net_is_one_graph(model: str, pool_first: bool) -> None:
    recipe = vary(small(model), {"compute": {"pool_first": pool_first}})
    network = create(recipe)
    torch.compiler.reset()
    whole = torch.compile(network, backend="eager", fullgraph=True, dynamic=False)
    time = (8,) if recipe.clips else ()
    face, context = torch.rand(2, 3, *time, 16, 16), torch.rand(2, 3, *time, 16, 24)
    for training in (True, False):
        whole.train(training)
        torch.manual_seed(0)
        found = whole(face, context).logits
        torch.manual_seed(0)
        assert torch.allclose(found, network(face, context).logits, atol=1e-5)


def missing(graph: Any, inputs: Any) -> Any:
    raise TorchDynamoException("no C++ compiler was found")


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(missing, id="forward"),
        pytest.param(aot_autograd(fw_compiler=nop, bw_compiler=missing), id="backward"),
    ],
)
def test_a_missing_compiler_is_one_sentence(
    fabric: Fabric, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: Any
) -> None:
    with_backend(monkeypatch, backend)
    with pytest.raises(CaerError, match=r"torch.compile failed .* set compute.compile"):
        run(compiling(), tiny_store(), 0, Context(tmp_path, fabric, Reporter("quiet")))  # fmt: skip


@pytest.mark.parametrize(
    ("device", "devices", "sentence"),
    [
        pytest.param("cpu", 1, "needs a CUDA device", id="no GPU"),
        pytest.param("cuda", 2, "works on one device", id="several GPUs"),
    ],
)
def test_cuda_graphs_where_they_cannot_be(device: str, devices: int, sentence: str) -> None:
    recipe = vary(tiny_recipe(), {"compute": {"cuda_graphs": True}})
    with pytest.raises(CaerError, match=sentence):
        compiled.faster(create(recipe), recipe.compute, torch.device(device), devices)
