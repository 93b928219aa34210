"""When a GPU has too little memory: which batch size would fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch

PROBES: Final = (2, 4)
"""Batch sizes that are tried; batch normalisation needs two samples."""

MARGIN: Final = 0.9
"""Share of the memory that is counted on: the allocator loses some between its blocks, and cuDNN
wants larger workspaces for larger batches."""

_SIGNS: Final = ("out of memory", "can't allocate memory", "ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short; cuDNN, cuBLAS and CPUs have their own words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def batch_that_fits(peak_of: Callable[[int], int], available: int) -> int | None:
    """Largest power of two whose peak memory fits, from the peaks of two small batches.

    Memory grows linearly with the batch: weights and their optimiser, plus activations a sample.

    Args:
        peak_of: runs a training step of that batch size and returns its peak memory in bytes.
        available: bytes the process may use.

    Returns:
        None if not even a small batch fits.
    """
    try:
        low, high = (peak_of(size) for size in PROBES)
    except RuntimeError as error:
        if is_out_of_memory(error):
            return None
        raise
    each = max((high - low) / (PROBES[1] - PROBES[0]), 1.0)
    most = int((available * MARGIN - (low - each * PROBES[0])) / each)
    return 1 << (most.bit_length() - 1) if most >= PROBES[0] else None


def peak_memory(step: Callable[[int], None], device: torch.device) -> Callable[[int], int]:
    """Measure the peak memory of a training step on a CUDA device."""

    def peak(size: int) -> int:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        step(size)
        return torch.cuda.max_memory_allocated(device)

    return peak


def available_memory(device: torch.device, *, empty: bool = False) -> int:
    """Bytes that this process has or can still get on a CUDA device.

    Args:
        device: the GPU.
        empty: leave out what tensors hold now. What torch's allocator merely keeps counts as free.
    """
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    return free - torch.cuda.memory_allocated(device) if empty else free
