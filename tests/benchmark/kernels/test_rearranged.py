"""Blocks of pixels and pairs of frames by GPU kernels equal PyTorch's.

They need a GPU, or Triton's interpreter: `make kernels`.
"""

from __future__ import annotations

import kernel_references
import pytest
import torch
from kernel_references import HERE, needs_triton

pytestmark = needs_triton


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("frames", "channels"), [(3, 16), (1, 4)])
def test_blocks_of_pixels(frames, channels, channels_last):
    from caer_data.benchmark.kernels import rearranged

    x = torch.randn(2, 3, 4, 6, 8, device=HERE)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last_3d)
    expected = kernel_references.blocks_of_pixels(x, frames, channels)
    for way in (rearranged.blocks_of_pixels, rearranged._blocks_operator):
        found = way(x, frames, channels)
        assert torch.equal(found, expected)
        assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("time", [2, 6])
def test_pairs_of_frames_and_their_gradient(time):
    from caer_data.benchmark.kernels import rearranged

    x = torch.randn(2, 8, time, 3, 5, device=HERE).contiguous(memory_format=torch.channels_last_3d)
    expected = kernel_references.pairs_of_frames(x.requires_grad_())
    grad = torch.randn_like(expected)
    expected_grad = torch.autograd.grad(expected, x, grad)[0]
    for way in (rearranged.pairs_of_frames, rearranged._pairs_operator):
        found = way(x)
        assert torch.equal(found, expected)
        assert found.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(torch.autograd.grad(found, x, grad)[0], expected_grad)
