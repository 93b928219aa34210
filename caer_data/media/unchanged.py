"""Checks that a file has not changed since it was hashed."""

from __future__ import annotations

from pathlib import Path

from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error

Stamp = tuple[int, int, int]
"""Size, modification time (ns), inode."""


def stamp_of(path: Path) -> Stamp:
    """Return attributes that change when a file is written to or replaced.

    Raises:
        CaerError: the file no longer exists.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    return status.st_size, status.st_mtime_ns, status.st_ino


def check_unchanged(path: Path, stamp: Stamp | None) -> None:
    """Check that a file was not written to or replaced; do nothing if `stamp` is None.

    Raises:
        CaerError: it has changed or no longer exists.
    """
    if stamp is not None and stamp_of(path) != stamp:
        raise CaerError(f"{path.name}: changed while it was being read; run the command again")
