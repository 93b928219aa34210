"""What a machine allows: measured peaks, arithmetic and memory traffic of a training step."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from caer_data.benchmark.describe import Description

clock = time.perf_counter
"""What all times are read from; `train.py --cpu-time` puts processor time here."""


@dataclass(frozen=True)
class Peaks:
    """Measured on this machine: floating-point operations and bytes a second."""

    flops: float
    bytes: float


def measure_peaks(device: torch.device, precision: str) -> Peaks:
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    size = 8192 if device.type == "cuda" else 1536
    a, b = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    seconds = best_of(lambda: a @ b, device)
    many = torch.empty((1 << 30) if device.type == "cuda" else (1 << 27), dtype=torch.uint8)
    source, target = many.to(device), torch.empty_like(many, device=device)
    copied = best_of(lambda: target.copy_(source), device)
    return Peaks(2 * size**3 / seconds, 2 * many.numel() / copied)


def limits_of(found: Description, peaks: Peaks, precision: str) -> dict[str, float]:
    arithmetic = training_flops(found) / peaks.flops
    plain, first = (
        traffic(found, order) * width_of(precision) / peaks.bytes for order in (False, True)
    )
    return {
        "arithmetic": 1 / arithmetic,
        "memory, plain": 1 / plain,
        "memory, pool_first": 1 / first,
        "one after the other, plain": 1 / (arithmetic + plain),
        "one after the other, pool_first": 1 / (arithmetic + first),
    }


def training_flops(found: Description) -> float:
    """Forward, gradients of weights, gradients of inputs; the first layers' inputs need none."""
    first = sum(x.multiply_adds for x in found.layers if x.shape_in[0] == 3)
    return 2.0 * (3 * found.multiply_adds - first)


def traffic(found: Description, pool_first: bool) -> float:
    """Values read or written by a training step of one sample, where nothing stays in a cache.

    Per convolution with A values out and I in. Convolution: writes A and reads I forward, reads A
    twice and I once and writes I backward (A, I: not for pictures). Plain normalisation, ReLU and
    pooling: statistics 1, normalise 2, ReLU in place 2, pool 1; backward pool 1, ReLU 3, sums 2,
    normalise 3: 15 A. Pooling first: statistics 1, pool 1; backward pool 1, normalise 3: 6 A.
    """
    total = 0.0
    for layer in found.layers:
        if layer.kind.startswith("Conv"):
            out, into = (float(np.prod(s)) for s in (layer.shape_out, layer.shape_in))
            pooled = layer.name.split(".")[1] in ("conv1", "conv2", "conv3", "conv4")
            total += 3 * out + (2 if layer.shape_in[0] == 3 else 3) * into
            total += (6 if pool_first and pooled else 15) * out
    return total


def width_of(precision: str) -> int:
    return 2 if precision == "bf16" else 4


def best_of(function: Any, device: torch.device, repeats: int = 10, choose: Any = min) -> float:
    times = []
    for _ in range(repeats + 1):
        synchronize(device)
        started = clock()
        function()
        synchronize(device)
        times.append(clock() - started)
    return choose(times[1:])


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
