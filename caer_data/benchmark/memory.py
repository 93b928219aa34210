"""When a GPU has too little memory: which batch size would fit."""

from __future__ import annotations

from collections.abc import Callable

import torch

PROBES = (2, 4)  # batch normalisation needs two samples


def batch_that_fits(peak_of: Callable[[int], int], available: int) -> int | None:
    """Largest power of two whose peak memory fits, from the peaks of two small batches.

    Memory grows linearly with the batch: weights and their optimiser, plus activations a sample.

    Args:
        peak_of: runs a training step of that batch size and returns its peak memory in bytes.
        available: bytes the process may use.

    Returns:
        None where not even a small batch fits.
    """
    try:
        low, high = (peak_of(size) for size in PROBES)
    except torch.OutOfMemoryError:
        return None
    each = max((high - low) / (PROBES[1] - PROBES[0]), 1.0)
    most = int((available - (low - each * PROBES[0])) / each)
    return 1 << (most.bit_length() - 1) if most >= PROBES[0] else None


def peak_memory(step: Callable[[int], None], device: torch.device) -> Callable[[int], int]:
    """Measure the peak memory of a training step on a CUDA device."""

    def peak(size: int) -> int:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        step(size)
        return torch.cuda.max_memory_allocated(device)

    return peak


def available_memory(device: torch.device) -> int:
    """Bytes this process has or can still get on a CUDA device."""
    return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
