"""Results that are computed once per machine and kept in the user's cache folder.

The cache only saves time: if the folder is missing, read-only or damaged, the result is computed
again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path
from caer_data.engine.hashing import digest


def cache_folder() -> Path:
    """Return `$CAER_CACHE`, or by default `caer-data` in the user's cache folder.

    Raises:
        CaerError: the user has no home folder.
    """
    if given := os.environ.get("CAER_CACHE"):
        return Path(given)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "caer-data"
    try:
        return Path.home() / ".cache" / "caer-data"
    except RuntimeError as error:
        raise CaerError(
            "no home folder is known for this user; set CAER_CACHE to a folder for caches"
        ) from error


def store_folder(kind: str, address: str) -> Path:
    """Return this machine's folder for one address in an object store.

    Args:
        kind: one word that says what the folder contains.
        address: an address in the store, such as `s3://bucket/prefix`.
    """
    return cache_folder().absolute() / "s3" / f"{kind}-{digest(address, 16)}"


def cached(name: str, suffix: str, key: str, make: Callable[[], bytes]) -> bytes:
    """Return the bytes that `make` returns, computed once per machine.

    The file's name contains the key and the SHA-256 of the content, which is checked on reading.
    Files and folders that another user could have written are not read.

    Args:
        name: plain word at the start of the file name.
        suffix: end of the file name, with its dot.
        key: hash, in hexadecimal, of everything that the content depends on.
        make: computes the content.
    """
    try:
        folder = cache_folder() / "models"
    except CaerError:
        return make()
    beginning = f"{name}.{key[:16]}."
    known = _read(folder, beginning, suffix)
    if known is not None:
        return known
    data = make()
    with suppress(CaerError, OSError):  # the cache is optional
        _write(folder, f"{beginning}{hashlib.sha256(data).hexdigest()}{suffix}", data)
    return data


def _read(folder: Path, beginning: str, suffix: str) -> bytes | None:
    """Return the content of the first intact file; None if there is none."""
    with suppress(OSError):
        if not _is_ours(folder):
            return None
        for path in sorted(folder.glob(f"{beginning}*{suffix}")):
            with suppress(OSError):
                data = path.read_bytes() if _is_ours(path) else b""
                stated = path.name.removeprefix(beginning).removesuffix(suffix)
                if hashlib.sha256(data).hexdigest() == stated:
                    return data
    return None


def _write(folder: Path, name: str, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with atomic_path(folder / name) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)


def _is_ours(path: Path) -> bool:
    """Whether only this user can have written a file or folder."""
    if not hasattr(os, "geteuid"):  # Windows: the profile's folders are private
        return True
    status = path.stat()
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & 0o022
