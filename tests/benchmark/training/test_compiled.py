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

from caer_data.benchmark.networks import create
from caer_data.benchmark.recipe import ModelRecipe, vary
from caer_data.benchmark.training import compiled
from caer_data.benchmark.training.run import Context, run
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

    def counting(graph: Any, inputs: list[torch.Tensor]) -> Any:
        sizes.extend({len(x) for x in inputs if x.dim() == 4 and x.shape[1:] == (3, 16, 16)})
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
    for name in ("confusion", "history", "war"):
        assert plain[name] == fast[name]


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
        pytest.param("cpu", 1, "needs --device cuda", id="no GPU"),
        pytest.param("cuda", 2, "works on one device", id="several GPUs"),
    ],
)
def test_cuda_graphs_where_they_cannot_be(device: str, devices: int, sentence: str) -> None:
    recipe = vary(tiny_recipe(), {"compute": {"cuda_graphs": True}})
    with pytest.raises(CaerError, match=sentence):
        compiled.faster(create(recipe), recipe.compute, torch.device(device), devices)
