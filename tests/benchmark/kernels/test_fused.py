"""Normalisation, ReLU and pooling by GPU kernels equal PyTorch's.

They need a GPU, or Triton's interpreter: `make kernels`.
"""

from __future__ import annotations

import pytest
import torch
from kernel_references import HERE, needs_triton, normalised

pytestmark = needs_triton
SHAPES = [
    ((2, 4, 4, 6, 6), (1, 2, 2)),
    ((2, 8, 5, 7, 6), (2, 2, 2)),
    ((3, 16, 2, 3, 3), (1, 1, 1)),
    ((3, 4, 5, 6, 4), (1, 1, 4)),
    ((2, 64, 9, 8), (2, 2)),
    ((1, 128, 30, 31), (2, 2)),
]


@pytest.mark.parametrize(("shape", "pool"), SHAPES, ids=str)
def test_the_kernels_equal_pytorch(shape, pool):
    from caer_data.benchmark.kernels import fused

    y, gamma, beta = inputs(shape)
    assert (gamma < 0).any()
    expected, mean, variance = normalised(y, gamma, beta, 1e-5, pool)
    grad = torch.randn_like(expected)
    expected_grads = torch.autograd.grad(expected, (y, gamma, beta), grad)
    single = [t.detach().float().requires_grad_() for t in (y, gamma, beta)]
    for way in (fused.norm_relu_pool, operator(fused)):
        out, found_mean, found_variance = way(*single, 1e-5, pool)
        torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found_mean.double(), mean, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found_variance.double(), variance, rtol=1e-5, atol=1e-5)
        grads = torch.autograd.grad(out, single, grad.float())
        for found, wanted in zip(grads, expected_grads, strict=True):
            torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-5)
    scale = single[1].detach() * torch.rsqrt(found_variance + 1e-5)
    shift = single[2].detach() - found_mean * scale
    out = fused.scale_relu_pool(single[0].detach(), scale, shift, pool)
    torch.testing.assert_close(out.double(), expected.detach(), rtol=1e-5, atol=1e-5)


def inputs(shape):
    torch.manual_seed(1)
    layout = torch.channels_last_3d if len(shape) == 5 else torch.channels_last
    double = {"dtype": torch.float64, "device": HERE}
    y = torch.randn(shape, **double).contiguous(memory_format=layout).requires_grad_()
    return y, *(torch.randn(shape[1], **double).requires_grad_() for _ in range(2))


def operator(kernels):
    """The operator that compiled graphs contain."""

    def call(y, gamma, beta, eps, pool):
        out, found, *_ = kernels._norm_relu_pool(y, gamma, beta, eps, list(pool))
        return out, found[0], found[1]

    return call


def test_a_maximum_with_nan_is_nan_and_ties_have_one_gradient():
    from caer_data.benchmark.kernels.fused import norm_relu_pool, scale_relu_pool

    one = torch.ones(4, device=HERE)
    y = torch.zeros(1, 4, 2, 2, device=HERE).contiguous(memory_format=torch.channels_last)
    tied = y.clone().requires_grad_()
    out, _, _ = norm_relu_pool(tied, one, one, 1e-5, (2, 2))
    assert torch.equal(out, torch.ones_like(out))
    out.sum().backward()
    found = tied.grad - tied.grad.min()  # without the part that all values have through the mean
    assert (found > 0).sum() == 4
    y[0, 1, 0, 1] = float("nan")
    assert scale_relu_pool(y, one, one, (2, 2)).isnan().flatten().tolist() == [0, 1, 0, 0]
