"""Files that are whole or absent: atomic writes, hashes, safe names."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from caer_data.engine.errors import CaerError

_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10)}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, renamed onto it only if the block succeeds.

    A file or a folder may be written there. The temporary name begins with a dot and ends with
    `.part`; one that a kill left behind is removed by `remove_leftovers`.

    Raises:
        CaerError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name[:80]}.{uuid.uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    finally:
        if temporary.is_dir() and not temporary.is_symlink():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            # Whatever hinders this hindered the block already, and that error is the one to tell.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def remove_leftovers(folder: Path) -> None:
    """Remove what an interrupted `atomic_path` left directly in a folder and below it."""
    for leftover in folder.rglob(".*.part"):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def explain_os_error(error: OSError, path: Path) -> str:
    """Say an operating system's error as one sentence with what to do."""
    hints = {
        28: "no space left on the device; free some and run the same command again",
        122: "the disk quota is used up; free some and run the same command again",
        13: "permission denied; choose a folder you may write to",
        30: "the file system is read-only; choose a folder you may write to",
        36: "the file name is too long; shorten it",
        17: "a part of the path is a file, not a folder",
        20: "a part of the path is a file, not a folder",
    }
    return f"{path}: {hints.get(error.errno or 0, error.strerror or str(error))}"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def slug(name: str, longest: int = 60) -> str:
    """Turn any name into a safe, lower-case, ASCII part of an identifier or file name.

    Letters and digits stay, everything else becomes single hyphens. Where this would lose letters
    (other scripts) or cut a long name, six digits of the name's hash keep it unique.
    """
    normal = unicodedata.normalize("NFKD", name)
    plain = "".join(c for c in normal if not unicodedata.combining(c))
    text = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    lost = any(c.isalnum() and not c.isascii() for c in plain)
    if lost or not text or len(text) > longest or text in _RESERVED:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
        text = f"{text[: longest - 7].strip('-')}-{digest}".lstrip("-")
    return text


def inside(folder: Path, relative: str) -> Path:
    """Join a path from a table or an archive to its folder.

    Raises:
        CaerError: the path is absolute or leaves the folder.
    """
    joined = Path(os.path.normpath(folder / relative))
    if Path(relative).is_absolute() or not joined.is_relative_to(os.path.normpath(folder)):
        raise CaerError(f"'{relative}' points outside of {folder}")
    return joined
