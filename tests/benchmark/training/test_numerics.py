"""The check of bf16 against fp32."""

from __future__ import annotations

import pytest
import torch
from small_releases import small
from torch import nn

from caer_data.benchmark.networks import Output, create
from caer_data.benchmark.training.numerics import check_bf16
from caer_data.engine.errors import CaerError


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(8, 3, 16, 16), torch.randn(8, 3, 16, 24), torch.arange(8) % 7


def test_caer_net_s_passes_and_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    model = create(small())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    face, context, labels = batch()
    state = torch.get_rng_state()
    found = check_bf16(model, face, context, labels)
    assert 0 < found["logits_error"] < 0.1
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


def test_a_model_that_needs_fp32_is_refused() -> None:
    face, context, labels = batch()
    with pytest.raises(CaerError, match=r"bf16 differs too much .* compute.precision: fp32"):
        check_bf16(Fragile(), face, context, labels)
