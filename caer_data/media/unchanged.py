"""Whether a file is still the one that was hashed."""

from __future__ import annotations

from pathlib import Path

from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error

Stamp = tuple[int, int, int]
"""Size, time of change in nanoseconds, inode."""


def stamp_of(path: Path) -> Stamp:
    """Attributes that change when a file is written to or replaced.

    Raises:
        CaerError: the file is gone.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    return status.st_size, status.st_mtime_ns, status.st_ino


def check_unchanged(path: Path, stamp: Stamp | None) -> None:
    """Refuse a file that has been written to or replaced; None: nothing is known of before.

    Raises:
        CaerError: it has changed, or is gone.
    """
    if stamp is not None and stamp_of(path) != stamp:
        raise CaerError(f"{path.name}: changed while it was being read; run again")
