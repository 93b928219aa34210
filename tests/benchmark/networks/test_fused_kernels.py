"""Normalisation, ReLU and pooling by GPU kernels equal PyTorch's, and are used where they pay.

The kernels themselves need a GPU, or Triton's interpreter: `make kernels`.
"""

from __future__ import annotations

import math
import os
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from caer_data.benchmark.networks import pooled_norm
from caer_data.benchmark.networks.caer_net import Block
from caer_data.benchmark.recipe import Compute

HERE = "cuda" if torch.cuda.is_available() else "cpu"
needs_triton = pytest.mark.skipif(
    HERE == "cpu" and not os.environ.get("TRITON_INTERPRET"),
    reason="needs a GPU, or TRITON_INTERPRET=1 and Triton: run 'make kernels'",
)
SHAPES = [
    ((2, 4, 4, 6, 6), (1, 2, 2)),
    ((2, 8, 5, 7, 6), (2, 2, 2)),
    ((3, 16, 2, 3, 3), (1, 1, 1)),
    ((2, 64, 9, 8), (2, 2)),
    ((1, 128, 30, 31), (2, 2)),
]


def layer(y, gamma, beta, pool, eps=1e-5):
    """The same in PyTorch: output, mean, variance."""
    others = [d for d in range(y.dim()) if d != 1]
    variance, mean = torch.var_mean(y, others, correction=0)
    normal = (y - wide(mean, y)) * wide(torch.rsqrt(variance + eps), y)
    return pooled(normal * wide(gamma, y) + wide(beta, y), pool), mean, variance


def wide(v, y):
    return v.view(1, -1, *(1,) * (y.dim() - 2))


def pooled(y, pool):
    return (functional.max_pool3d if len(pool) == 3 else functional.max_pool2d)(torch.relu(y), pool)


def stacks(x, channels):
    padded = functional.pad(x, (0, 0, 0, 0, 1, 1))
    frames = torch.cat([padded[:, :, k : k + x.shape[2]] for k in range(3)], 1)
    flat = frames.transpose(1, 2).flatten(0, 1)
    return functional.pad(flat, (0, 0, 0, 0, 0, channels - flat.shape[1]))


@needs_triton
@pytest.mark.parametrize(("shape", "pool"), SHAPES, ids=str)
def test_the_kernels_equal_pytorch(shape, pool):
    from caer_data.benchmark.networks import fused_kernels

    y, gamma, beta = inputs(shape)
    assert (gamma < 0).any()
    expected, mean, variance = layer(y, gamma, beta, pool)
    grad = torch.randn_like(expected)
    expected_grads = torch.autograd.grad(expected, (y, gamma, beta), grad)
    single = [t.detach().float().requires_grad_() for t in (y, gamma, beta)]
    for way in (fused_kernels.norm_relu_pool, operator(fused_kernels)):
        out, found_mean, found_variance = way(*single, 1e-5, pool)
        torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found_mean.double(), mean, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found_variance.double(), variance, rtol=1e-5, atol=1e-5)
        grads = torch.autograd.grad(out, single, grad.float())
        for found, wanted in zip(grads, expected_grads, strict=True):
            torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-5)
    scale = single[1].detach() * torch.rsqrt(found_variance + 1e-5)
    shift = single[2].detach() - found_mean * scale
    out = fused_kernels.scale_relu_pool(single[0].detach(), scale, shift, pool)
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


@needs_triton
def test_what_keeps_the_kernels_from_running_is_returned(monkeypatch):
    from caer_data.benchmark.networks import fused_kernels

    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    here = torch.device(HERE)
    assert fused_kernels.why_not(here) is None

    def fail(*_):
        raise RuntimeError("Failed to find C compiler.\nMore")

    fused_kernels.why_not.cache_clear()
    monkeypatch.setattr(fused_kernels, "scale_relu_pool", fail)
    assert fused_kernels.why_not(here) == "RuntimeError: Failed to find C compiler."
    fused_kernels.why_not.cache_clear()


@needs_triton
def test_a_maximum_with_nan_is_nan_and_ties_have_one_gradient():
    from caer_data.benchmark.networks.fused_kernels import norm_relu_pool, scale_relu_pool

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


@needs_triton
@pytest.mark.parametrize("channels_last", [False, True])
def test_frames_are_stacked(channels_last):
    from caer_data.benchmark.networks.fused_kernels import stacked_frames

    x = torch.randn(2, 3, 4, 5, 6, device=HERE)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(stacked_frames(x, 16), stacks(x, 16))


@pytest.fixture
def kernels(monkeypatch):
    """The kernels' functions, in PyTorch, used wherever a GPU would use the kernels."""
    used = []

    def norm_relu_pool(y, gamma, beta, eps, pool):
        used.append("norm_relu_pool")
        out, mean, variance = layer(y, gamma, beta, pool, eps)
        return out, mean.detach(), variance.detach()

    def scale_relu_pool(y, scale, shift, pool):
        used.append("scale_relu_pool")
        return pooled(y * wide(scale, y) + wide(shift, y), pool)

    def stacked_frames(x, channels):
        used.append("stacked_frames")
        return stacks(x, channels)

    functions = (norm_relu_pool, scale_relu_pool, stacked_frames)
    monkeypatch.setattr(
        pooled_norm, "KERNELS", SimpleNamespace(**{f.__name__: f for f in functions})
    )
    monkeypatch.setattr(pooled_norm, "_has_kernels", lambda conv, x: True)
    return used


@pytest.mark.parametrize("channels", [3, 5])
@pytest.mark.parametrize("pool", [(1, 2, 2), (2, 2, 2), (1, 1, 1), (2, 2)], ids=str)
def test_a_block_computes_the_same_with_kernels(kernels, pool, channels):
    torch.manual_seed(0)
    plain = Block(channels, 8, pool, Compute(fused_kernels=False)).double()
    nn.init.normal_(plain.norm.weight)
    fused = Block(channels, 8, pool, Compute()).double()
    fused.load_state_dict(plain.state_dict())
    x = torch.randn(2, channels, *(4, 6, 8)[-len(pool) :], dtype=torch.float64)
    answers = []
    for block in (plain, fused):
        out = block(x)
        out.square().sum().backward()
        block.eval()
        with torch.no_grad():
            tested = block(x)
        buffers = dict(block.named_buffers())
        answers.append([out, tested, *(p.grad for p in block.parameters()), *buffers.values()])
    for one, other in zip(*answers, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
    pictures = ["stacked_frames"] * (channels == 3 and len(pool) == 3)
    assert kernels == [*pictures, "norm_relu_pool", *pictures, "scale_relu_pool"]


@pytest.mark.parametrize(
    "compute",
    [
        Compute(fused_kernels=False),
        Compute(channels_last=False),
        Compute(pool_first=True),
        Compute(pool_as_maximum=True),
    ],
    ids=["off", "other layout", "pool first", "maximum"],
)
def test_another_way_that_was_asked_for_is_taken(kernels, compute):
    Block(3, 8, (2, 2), compute)(torch.randn(2, 3, 6, 8))
    assert not kernels


@pytest.mark.parametrize(
    ("kind", "channels", "side", "taken"),
    [
        (torch.float32, 32, 4096, True),
        (torch.float32, 32, 64, False),  # too few values
        (torch.float32, 48, 4096, False),  # not a power of two
        (torch.float64, 32, 4096, False),
    ],
)
def test_kernels_are_used_where_they_pay(monkeypatch, kind, channels, side, taken):
    monkeypatch.setattr(pooled_norm, "KERNELS", SimpleNamespace(why_not=lambda device: None))
    pooled_norm._kernels_run.cache_clear()
    conv = nn.Conv2d(3, channels, 3, padding=1, dtype=kind, device="meta")
    x = on_gpu(4, 3, side, side)
    assert pooled_norm._has_kernels(conv, x) is taken
    x.is_cuda = False
    assert not pooled_norm._has_kernels(conv, x)


def on_gpu(*shape):
    device = torch.device("cuda", 0)
    return SimpleNamespace(is_cuda=True, device=device, shape=shape, numel=lambda: math.prod(shape))


def test_kernels_that_do_not_run_are_said_once_and_not_used(monkeypatch, caplog):
    problem = "RuntimeError: Failed to find C compiler"
    monkeypatch.setattr(pooled_norm, "KERNELS", SimpleNamespace(why_not=lambda device: problem))
    pooled_norm._kernels_run.cache_clear()
    conv = nn.Conv2d(3, 32, 3, padding=1, device="meta")
    for _ in range(3):
        assert not pooled_norm._has_kernels(conv, on_gpu(4, 3, 4096, 4096))
    pooled_norm._kernels_run.cache_clear()
    assert len(caplog.records) == 1
    assert problem in caplog.text and "C compiler, such as gcc" in caplog.text
