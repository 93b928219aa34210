"""Find the batch size that fits into a GPU's memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch

PROBES: Final = (2, 4)
"""Batch sizes to measure; batch normalisation needs at least two samples."""

MARGIN: Final = 0.9
"""Usable share of the memory, because the allocator loses some to fragmentation and cuDNN needs
larger workspaces for larger batches."""

_SIGNS: Final = ("out of memory", "can't allocate memory", "ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means out of memory, in the words of CUDA, cuDNN, cuBLAS or a CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def batch_that_fits(peak_of: Callable[[int], int], available: int) -> int | None:
    """Return the largest power of two whose peak memory fits, from the peaks of small batches.

    Memory grows linearly with the batch size: weights and optimiser, plus activations per sample.

    Args:
        peak_of: runs a training step with a batch size and returns its peak memory in bytes.
        available: memory for the process in bytes.

    Returns:
        The batch size, or None if not even a small batch fits.
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
    """Return a function that measures the peak memory of a training step on a CUDA device."""

    def peak(size: int) -> int:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        step(size)
        return torch.cuda.max_memory_allocated(device)

    return peak


def available_memory(device: torch.device, *, empty: bool = False) -> int:
    """Return the memory in bytes that this process can use on a CUDA device.

    Args:
        device: the GPU.
        empty: whether to exclude memory used by tensors. Memory that torch's allocator merely
            caches counts as free.
    """
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    return free - torch.cuda.memory_allocated(device) if empty else free
