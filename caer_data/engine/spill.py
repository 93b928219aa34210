"""Long arrays and tables that are in a file, so that they need memory only while they are used."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class _Room(mmap.mmap):
    """Part of a file as memory."""


class Spill:
    """Keeps arrays and tables in files without a name, which are gone when the last of them is.

    Where the system cannot do that, or the disk has no room, they are in memory.

    Args:
        folder: a folder on the disk to use.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tables: FileIO | None = None

    def array(self, rows: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return an array, shape (rows,), whose content is not defined yet."""
        if not rows or not hasattr(mmap, "MADV_DONTNEED") or not hasattr(os, "posix_fallocate"):
            return np.empty(rows, dtype)
        size = rows * np.dtype(dtype).itemsize
        try:
            with _unnamed(self._folder) as file:
                # without room for it, a process that writes to the array would be killed
                os.posix_fallocate(file.fileno(), 0, size)
                return np.frombuffer(_Room(file.fileno(), size), dtype)
        except OSError:
            return np.empty(rows, dtype)

    def table(self, rows: pa.Table) -> Callable[[], pa.Table]:
        """Put a table away, and return what reads it again."""
        try:
            file = self._tables
            if file is None:
                file = self._tables = _unnamed(self._folder)
            start = file.seek(0, os.SEEK_END)
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, rows.schema) as writer:
                writer.write_table(rows)
            content = memoryview(sink.getvalue())
            size = len(content)
            while content:
                content = content[file.write(content) :]
        except OSError:
            return lambda: rows

        def read() -> pa.Table:
            file.seek(start)
            return pa.ipc.open_stream(file.read(size)).read_all()

        return read


def _unnamed(folder: Path) -> FileIO:
    return tempfile.TemporaryFile(buffering=0, dir=folder)


def set_aside(*arrays: npt.NDArray[Any]) -> None:
    """Return the memory of arrays of a `Spill` to the system, which reads them from the file."""
    for array in arrays:
        base: Any = array
        while isinstance(base, np.ndarray) and base.base is not None:
            base = base.base
        room = base.obj if isinstance(base, memoryview) else base
        if isinstance(room, _Room):
            room.madvise(mmap.MADV_DONTNEED)
