"""Keeping the memory of a process small.

In a long-running worker, a few small results remain allocated between the large arrays of a
network's layers. glibc's allocator can then neither reuse nor return the memory of the arrays, and
a worker would grow by about 2 MB with every second of video.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Final

import psutil

_GROWTH: Final = 150 * 1024**2  # returning memory costs time: it has to be requested again


def return_unused() -> None:
    """Return memory to the system that Arrow and glibc keep after large tables have been freed."""
    import pyarrow as pa  # the workers that watch their heap do not need it

    pa.default_memory_pool().release_unused()
    trim = _trim()
    if trim:
        trim(ctypes.c_size_t(0))


def _trim() -> Callable[[ctypes.c_size_t], int] | None:
    """Return glibc's `malloc_trim`; None with another allocator."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(library, "malloc_trim", None)


class Heap:
    """Watches this process's memory; call `tidy` after large arrays have been freed."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._trim = _trim()
        self._low = self._process.memory_info().rss

    def tidy(self) -> None:
        """Return free memory to the system if the process has grown by more than 150 MB."""
        if self._trim and self._process.memory_info().rss > self._low + _GROWTH:
            self._trim(ctypes.c_size_t(0))
            self._low = self._process.memory_info().rss
