"""Wide convolutions: the weights of a product equal those in their order, one after the other."""

from __future__ import annotations

import pytest
import torch

from caer_data.benchmark.networks import wide_convolution


@pytest.mark.parametrize(
    ("order", "shape"),
    [
        (wide_convolution._in_blocks, (5, 3, 3, 3, 3)),
        (wide_convolution._in_blocks, (5, 3, 3, 3)),
        (wide_convolution._in_pairs, (5, 4, 3, 3, 3)),
    ],
    ids=["clips", "pictures", "pairs of frames"],
)
def test_weights_are_copied_exactly(order, shape):
    weight = torch.randn(shape)
    assert torch.equal(wide_convolution._widened(weight, order), order(weight))


def test_weights_first_used_in_inference_can_be_trained():
    weight = torch.randn(2, 8, 3, 3, 3, requires_grad=True)
    with torch.inference_mode():
        wide_convolution._widened(weight, wide_convolution._in_pairs)
    wide_convolution._widened(weight, wide_convolution._in_pairs).sum().backward()
    assert (weight.grad == 2).all()
