"""The secret of a dataset: what presentations and pseudonyms are keyed with; never released."""

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
    """The secret of a dataset's folder, created if missing; only the owner can read the file.

    Raises:
        CaerError: the file holds something else.
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
    """Write a new secret, unless there is one: whole or not at all, and never over another."""
    if path.exists():
        return
    temporary = path.with_name(f"{NAME}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(_BYTES) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):  # another process was first; its secret counts
            os.link(temporary, path)
    finally:
        temporary.unlink()
