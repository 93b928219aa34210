"""Blocks compute the same with GPU kernels, which are used where they pay."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from kernel_references import stand_ins
from torch import nn

from caer_data.benchmark import kernels
from caer_data.benchmark.networks import pooled_norm
from caer_data.benchmark.networks.caer_net import Block
from caer_data.benchmark.recipe import Compute


@pytest.fixture
def used(monkeypatch):
    """The names of called kernels, which PyTorch computes wherever a GPU would."""
    used = []
    fused, rearranged = stand_ins(used)
    monkeypatch.setattr(kernels, "FUSED", fused)
    monkeypatch.setattr(kernels, "REARRANGED", rearranged)
    monkeypatch.setattr(pooled_norm, "_has_kernels", lambda conv, x: True)
    return used


BLOCKS, PAIRS = ["blocks_of_pixels"], ["pairs_of_frames"]


@pytest.mark.parametrize(
    ("channels", "pool", "sizes", "first"),
    [
        (3, (1, 2, 2), (4, 6, 8), BLOCKS),
        (3, (2, 2), (6, 8), BLOCKS),
        (3, (2, 2), (7, 8), []),  # an odd height
        (3, (2, 2, 2), (5, 6, 8), []),
        (3, (1, 1, 1), (4, 6, 8), []),
        (4, (2, 2, 2), (6, 5, 8), PAIRS),
        (4, (2, 1, 1), (2, 3, 3), PAIRS),
        (4, (2, 2, 2), (5, 6, 8), []),  # an odd number of frames
        (5, (2, 2, 2), (4, 6, 8), []),  # not a power of two
        (64, (2, 2, 2), (2, 4, 4), []),  # not few channels
        (4, (1, 2, 2), (4, 6, 8), []),
        (4, (2, 2), (6, 8), []),
    ],
    ids=str,
)
def test_a_block_computes_the_same_with_kernels(used, channels, pool, sizes, first):
    torch.manual_seed(0)
    plain = Block(channels, 8, pool, Compute(fused_kernels=False)).double()
    nn.init.normal_(plain.norm.weight)
    fused = Block(channels, 8, pool, Compute()).double()
    fused.load_state_dict(plain.state_dict())
    x = torch.randn(2, channels, *sizes, dtype=torch.float64)
    answers = []
    for block in (plain, fused):
        given = x.clone().requires_grad_(channels != 3)
        out = block(given)
        out.square().sum().backward()
        block.eval()
        with torch.no_grad():
            tested = block(x)
        buffers = dict(block.named_buffers())
        grads = [p.grad for p in block.parameters()]
        grads += [given.grad] * (channels != 3)
        answers.append([out, tested, *grads, *buffers.values()])
    for one, other in zip(*answers, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
    assert used == [*first, "norm_relu_pool", *first, "scale_relu_pool"]


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
def test_another_way_that_was_asked_for_is_taken(used, compute):
    Block(3, 8, (2, 2), compute)(torch.randn(2, 3, 6, 8))
    assert not used


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
    monkeypatch.setattr(kernels, "FUSED", object())
    monkeypatch.setattr(kernels, "run_on", lambda device: True)
    conv = nn.Conv2d(3, channels, 3, padding=1, dtype=kind, device="meta")
    x = on_gpu(4, 3, side, side)
    assert pooled_norm._has_kernels(conv, x) is taken
    with pooled_norm.as_if_larger(1 / 4096):
        assert not pooled_norm._has_kernels(conv, x)
    x.is_cuda = False
    assert not pooled_norm._has_kernels(conv, x)


def on_gpu(*shape):
    device = torch.device("cuda", 0)
    return SimpleNamespace(is_cuda=True, device=device, shape=shape, numel=lambda: math.prod(shape))
