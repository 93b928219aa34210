"""What a machine allows: measured peaks, arithmetic and memory traffic of a training step."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from caer_data.benchmark.data.augment import inputs
from caer_data.benchmark.data.batches import Batch
from caer_data.benchmark.networks import architecture
from caer_data.benchmark.recipe import ModelRecipe, vary
from caer_data.benchmark.results.describe import Description
from caer_data.benchmark.training.runtime import input_type

clock = time.perf_counter
"""What all times are read from; `train.py --cpu-time` puts processor time here."""


@dataclass(frozen=True)
class Peaks:
    """Measured on this machine: floating-point operations and bytes per second."""

    flops: float
    bytes: float


def measure_peaks(device: torch.device, precision: str) -> Peaks:
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    size = 8192 if device.type == "cuda" else 1536
    a, b = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    # as cuDNN's convolutions, which shorten fp32 to TF32 by default
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    seconds = best_of(lambda: a @ b, device)
    torch.backends.cuda.matmul.allow_tf32 = False
    many = torch.empty((1 << 30) if device.type == "cuda" else (1 << 27), dtype=torch.uint8)
    source, target = many.to(device), torch.empty_like(many, device=device)
    copied = best_of(lambda: target.copy_(source), device)
    return Peaks(2 * size**3 / seconds, 2 * many.numel() / copied)


def limits_of(
    recipe: ModelRecipe, found: Description, peaks: Peaks, precision: str
) -> dict[str, float]:
    """Samples per second that no form of the step can exceed, by what limits it."""
    arithmetic = training_flops(found) / peaks.flops
    seconds = {
        "as run, plain": moved(recipe, precision, pool_first=False) / peaks.bytes,
        "as run, pool_first": moved(recipe, precision, pool_first=True) / peaks.bytes,
        "fused": fused_traffic(found) * (2 if precision == "bf16" else 4) / peaks.bytes,
    }
    limits = {"arithmetic": 1 / arithmetic}
    for name, memory in seconds.items():
        limits[f"memory {name}"] = 1 / memory
        limits[f"both, one after the other, {name}"] = 1 / (arithmetic + memory)
    return limits


def training_flops(found: Description) -> float:
    """Forward, gradients of weights, gradients of inputs; the first layers' inputs need none."""
    first = sum(x.multiply_adds for x in found.layers if x.shape_in[0] == 3)
    return 2.0 * (3 * found.multiply_adds - first)


def fused_traffic(found: Description) -> float:
    """Values read or written by a training step of one sample where only convolutions stand alone.

    Per convolution with A values out and I in. Convolution: writes A and reads I forward, reads A
    twice and I once and writes I backward (A, I: not for pictures). Between convolutions all is
    fused: statistics 1, normalise, ReLU and pool 1; backward sums 2, the rest 2: 6 A.
    """
    total = 0.0
    for layer in found.layers:
        if layer.kind.startswith("Conv"):
            out, into = (float(np.prod(s)) for s in (layer.shape_out, layer.shape_in))
            total += (3 + 6) * out + (2 if layer.shape_in[0] == 3 else 3) * into
    return total


# ---- bytes of the operations as they run -----------------------------------------------------


def moved(recipe: ModelRecipe, precision: str, pool_first: bool, batch: int = 32) -> float:
    """Bytes that the operations of an uncompiled training step read and write, a sample.

    Counted with shapes alone, operation by operation as PyTorch runs them on a GPU, augmentation
    included, as if nothing stayed in a cache; the optimiser is left out.
    """
    recipe = vary(recipe, {"compute": {"channels_last": True, "pool_first": pool_first}})
    model = architecture(recipe).to("meta")
    frames, size = recipe.input.frames, recipe.input

    def empty(*shape: int, kind: torch.dtype = torch.uint8) -> torch.Tensor:
        return torch.empty(batch, *shape, dtype=kind, device="meta")

    labels = empty(kind=torch.int64)
    given = Batch(
        empty(frames, *size.face, 3),
        empty(frames, *size.frame, 3),
        empty(frames, 8, 4, kind=torch.float32),
        labels,
        labels,
    )
    with _Traffic() as traffic, _Bf16Products(precision == "bf16"):
        dtype = input_type(recipe, precision == "bf16")
        logits = model(*inputs(given, recipe, training=True, dtype=dtype)).logits
        functional.cross_entropy(logits.float(), labels).backward()
    return traffic.bytes / batch


class _Bf16Products(TorchFunctionMode):
    """Convolutions and linear layers in bf16, as torch.autocast has them on GPUs."""

    def __init__(self, on: bool) -> None:
        super().__init__()
        self.products = {torch.conv2d, torch.conv3d, functional.linear} if on else set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def short(x: Any) -> Any:
            return x.bfloat16() if isinstance(x, torch.Tensor) and x.is_floating_point() else x

        if func in self.products:
            return func(*map(short, args), **{k: short(v) for k, v in (kwargs or {}).items()})
        return func(*args, **(kwargs or {}))


_STILL = {"view", "_unsafe_view", "t", "transpose", "permute", "expand", "slice", "select"}
_STILL |= {"unsqueeze", "squeeze", "as_strided", "detach", "alias", "split", "unbind"}
_STILL |= {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}


class _Traffic(TorchDispatchMode):
    """Adds up what every operation reads and writes; views and empty tensors move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name not in _STILL:
            sizes = [
                x.numel() * x.element_size()
                for x in tree_leaves((args, kwargs, out))
                if isinstance(x, torch.Tensor)
            ]
            self.bytes += sum(sizes)
            if "batch_norm" in name:  # statistics first: forward the input, backward both again
                self.bytes += max(sizes) * (2 if "backward" in name else 1)
            if name == "convolution" and args[2] is not None:  # cuDNN adds no bias: read and write
                self.bytes += 2 * out.numel() * out.element_size()
            if name == "convolution_backward" and args[10][2]:  # and its gradient is one more sum
                self.bytes += args[0].numel() * args[0].element_size()
        return out


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
