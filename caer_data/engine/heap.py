"""Keep a long-running worker small.

Between the large arrays of a network's layers lie a few small results that stay. glibc's allocator
can then neither reuse nor return the room of the arrays, and a worker would grow by some 2 MB with
every second of video.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

import psutil

_GROWTH: Final = 150 * 1024**2  # returning costs time: the room has to be fetched again


class Heap:
    """Watches this process's memory; call `tidy` wherever large arrays were freed."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        library = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._trim = getattr(library, "malloc_trim", None)  # glibc alone has it
        self._low = self._process.memory_info().rss

    def tidy(self) -> None:
        """Return free memory to the system if the process has grown a good deal."""
        if self._trim and self._process.memory_info().rss > self._low + _GROWTH:
            self._trim(ctypes.c_size_t(0))
            self._low = self._process.memory_info().rss
