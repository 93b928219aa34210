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
_LARGEST: Final = 32 * 1024**2  # glibc's own maximum
_KEPT: Final = 64 * 1024**2
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def reuse_pictures() -> None:
    """Let this process reuse the memory of freed pictures, up to 64 MB per arena of the allocator.

    By default glibc returns such memory to the system almost at once. The system clears it before
    the next picture gets it, which costs up to a tenth of the time of a decoding pass.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    mallopt = getattr(library, "mallopt", None)  # only glibc has it
    if mallopt:
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, _KEPT)


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
