"""What the GPU kernels compute, in PyTorch, and where they can run."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

HERE = "cuda" if torch.cuda.is_available() else "cpu"
needs_triton = pytest.mark.skipif(
    HERE == "cpu" and not os.environ.get("TRITON_INTERPRET"),
    reason="needs a GPU, or TRITON_INTERPRET=1 and Triton: run 'make kernels'",
)


def normalised(y, gamma, beta, eps, pool):
    """Output, mean and variance of normalisation, ReLU and max-pooling."""
    others = [d for d in range(y.dim()) if d != 1]
    variance, mean = torch.var_mean(y, others, correction=0)
    normal = (y - wide(mean, y)) * wide(torch.rsqrt(variance + eps), y)
    out = pooled(normal * wide(gamma, y) + wide(beta, y), pool)
    return out, mean.detach(), variance.detach()


def scaled(y, scale, shift, pool):
    return pooled(y * wide(scale, y) + wide(shift, y), pool)


def pooled(y, pool):
    return (functional.max_pool3d if len(pool) == 3 else functional.max_pool2d)(torch.relu(y), pool)


def wide(v, y):
    return v.view(1, -1, *(1,) * (y.dim() - 2))


def blocks_of_pixels(x, frames, channels):
    """Blocks of 2 x 2 pixels with the neighbouring frames' colours, block by block."""
    count, _, time, height, width = x.shape
    shape = (count * time, 4, channels, height // 2 + 1, width // 2 + 1)
    out = torch.zeros(shape, dtype=x.dtype, device=x.device)
    padded = functional.pad(x, (1, 1, 1, 1))
    for clip in range(count):
        for at in range(time):
            near = [at + k - frames // 2 for k in range(frames)]
            seen = [padded[clip, :, t] if 0 <= t < time else padded[clip, :, 0] * 0 for t in near]
            colours = torch.cat(seen)
            for pixel in range(4):
                part = colours[:, pixel // 2 :: 2, pixel % 2 :: 2]
                out[clip * time + at, pixel, : len(colours)] = part
    return out.flatten(1, 2)


def pairs_of_frames(x):
    """Frames 2i - 1 to 2i + 2 for each pair i."""
    padded = functional.pad(x, (0, 0, 0, 0, 1, 1))
    pairs = [padded[:, :, k : k + x.shape[2] : 2].transpose(1, 2) for k in range(4)]
    return torch.cat(pairs, 2).flatten(0, 1)


def stand_ins(used):
    """Modules of kernels that compute in PyTorch, and add to `used` what was called."""

    def noted(function, name):
        def call(*given):
            used.append(name)
            return function(*given)

        return call

    fused = {"norm_relu_pool": normalised, "scale_relu_pool": scaled}
    rearranged = {"blocks_of_pixels": blocks_of_pixels, "pairs_of_frames": pairs_of_frames}
    return [
        SimpleNamespace(**{name: noted(function, name) for name, function in group.items()})
        for group in (fused, rearranged)
    ]
