"""The secret of a dataset: the key of presentations and pseudonyms, which is never released."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from caer_data.engine.errors import CaerError

NAME: Final = ".secret"
_BYTES: Final = 32


def secret_of(folder: Path) -> bytes:
    """Return the secret of a dataset folder, created if missing and readable only by its owner.

    Raises:
        CaerError: the file contains something else.
    """
    path = folder / NAME
    _create(path)
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError as error:
        raise CaerError(f"{path}: damaged; restore it from a backup") from error
    if len(secret) != _BYTES:
        raise CaerError(f"{path}: damaged; restore it from a backup")
    return secret


def _create(path: Path) -> None:
    """Write a new secret unless one exists: completely or not at all, and without overwriting."""
    if path.exists():
        return
    temporary = path.with_name(f"{NAME}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(_BYTES) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):  # another process was first; its secret is used
            os.link(temporary, path)
    finally:
        temporary.unlink()
