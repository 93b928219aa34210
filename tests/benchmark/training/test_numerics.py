"""The check of bf16 against fp32, and what follows from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from made_up import tiny_recipe, tiny_store
from small_releases import small
from torch import nn
from torch.nn import functional

from caer_data.benchmark.networks import Output, create
from caer_data.benchmark.recipe import vary
from caer_data.benchmark.training import numerics, step
from caer_data.benchmark.training.checkpoint import Progress
from caer_data.benchmark.training.numerics import check_bf16, is_trusted
from caer_data.benchmark.training.run import Context, run
from caer_data.engine.progress import Reporter


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(8, 3, 16, 16), torch.randn(8, 3, 16, 24), torch.arange(8) % 7


def test_caer_net_s_passes_and_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    model = create(small())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    face, context, labels = batch()
    state = torch.get_rng_state()
    found = check_bf16(model, (face, context), labels)
    assert found["trusted"]
    assert 0 < found["floor_logits_error"] < found["logits_error"] < 0.1
    assert found["gradient_cosine"] > 0.9
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


class Fragile(nn.Module):
    """Subtracts two large, nearly equal numbers, which bf16 cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 7)

    def forward(self, face: torch.Tensor, context: torch.Tensor) -> Output:
        values = self.layer(face.mean((2, 3)))
        return Output((values + 1000) - 1000)


def test_a_model_that_needs_fp32_is_not_trusted_to_bf16() -> None:
    found = check_bf16(Fragile(), batch()[:2], batch()[2])
    assert not found["trusted"]
    assert "computed in fp32 instead" in numerics.sentence(found)


class Dropping(nn.Module):
    """Drops nearly everything, by a module, by a function, and whole branches."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(3, 64), nn.Dropout(0.9), nn.Linear(64, 7))

    def forward(self, face: torch.Tensor, context: torch.Tensor) -> Output:
        values = functional.dropout(face.mean((2, 3)), 0.5, self.training)
        if self.training:  # as stochastic depth does
            values = values * torch.bernoulli(torch.full_like(values[:, :1], 0.5))
        return Output(self.layer(values))


def test_what_is_dropped_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # on a GPU one seed draws other masks in bf16 than in fp32; here no seed is set at all
    monkeypatch.setattr(torch, "manual_seed", lambda seed: None)
    found = check_bf16(Dropping(), batch()[:2], batch()[2])
    assert found["trusted"] and found["logits_error"] < 0.1 and found["gradient_cosine"] > 0.9


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((0.05, 0.95, 0.0, 1.0), True),  # close whatever the floor
        ((0.21, 0.13, 0.10, 0.48), True),  # ResNet-50: far off, but not farther than its own noise
        ((0.21, 0.13, 0.001, 0.999), False),  # the same in a model without noise
        ((0.05, -0.1, 0.1, 0.1), False),  # the other way
        ((float("nan"), 1.0, 0.1, 0.9), False),
    ],
)
def test_the_limit_is_the_models_own_noise(found: tuple[float, ...], expected: bool) -> None:
    assert is_trusted(*found) is expected


def test_a_run_falls_back_to_fp32_says_so_and_goes_on_in_it(
    tmp_path: Path,
    fabric: Fabric,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused = {
        "logits_error": 0.5,
        "gradient_cosine": 0.1,
        "floor_logits_error": 0.0,
        "floor_gradient_cosine": 1.0,
        "trusted": False,
    }
    monkeypatch.setattr(step, "check_bf16", lambda *given: refused)
    recipe = vary(tiny_recipe(epochs=1), {"compute": {"precision": "bf16"}})
    context = Context(tmp_path, fabric, Reporter("quiet"))
    result = run(recipe, tiny_store(), 0, context)
    assert (result["precision"], result["numerics"]) == ("fp32", refused)
    assert any("computed in fp32 instead" in note for note in result["notes"])
    assert "computed in fp32 instead" in capsys.readouterr().err
    plain = vary(recipe, {"compute": {"precision": "fp32"}})
    assert run(plain, tiny_store(), 0, context)["history"] == result["history"]
    json.dumps(result)


def test_a_resumed_run_keeps_the_precision_it_settled_on(fabric: Fabric) -> None:
    recipe = vary(tiny_recipe(), {"compute": {"precision": "bf16"}})
    resumed = step.TrainingStep(create(recipe), recipe, fabric)
    assert resumed.bf16
    resumed.settle_precision(Progress().numerics)
    assert resumed.bf16 and resumed.numerics is None
    resumed.settle_precision({"trusted": False})
    assert not resumed.bf16
