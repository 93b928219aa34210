"""The files of a working copy: as they were last synchronised, and as they are now."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from caer_data.engine.errors import CaerError
from caer_data.engine.files import inside, is_temporary, sha256_of, write_text

_WORK: Final = "work"
_LOCK: Final = ".lock"


@dataclass(frozen=True)
class Entry:
    """One file of a state: its size in bytes and its SHA-256."""

    size: int
    sha256: str


State = dict[str, Entry]
"""Files by path relative to the folder."""


@dataclass
class Known:
    """The files as last fetched or uploaded: the content of `copy.json` next to the folder."""

    base: int
    files: dict[str, tuple[int, int, str]]
    """By path: size (bytes), modification time (ns), SHA-256."""


def known(path: Path) -> Known:
    """Read what was last fetched or uploaded; empty if the file does not exist.

    Raises:
        CaerError: the file is damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        files = {name: (int(s), int(t), str(h)) for name, (s, t, h) in values["files"].items()}
        return Known(int(values["base"]), files)
    except FileNotFoundError:
        return Known(0, {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CaerError(f"{path}: damaged; remove {path.parent}") from error


def note(path: Path, folder: Path, base: int, state: Mapping[str, Entry]) -> None:
    """Record what was fetched or uploaded, with the files' current sizes and modification times."""
    files = {}
    for name, entry in state.items():
        stamp = stamp_of(inside(folder, name))
        if stamp is not None:
            files[name] = [*stamp, entry.sha256]
    write_text(path, json.dumps({"base": base, "files": files}) + "\n")


def scan(folder: Path, before: Known) -> State:
    """Return the files of a folder that belong to a state; only changed files are hashed again."""
    state = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not _belongs(name) or path.is_symlink() or not path.is_file():
            continue
        size, time_ns = path.stat().st_size, path.stat().st_mtime_ns
        fetched = before.files.get(name)
        same = fetched is not None and fetched[:2] == (size, time_ns)
        state[name] = Entry(size, fetched[2] if fetched and same else sha256_of(path))
    return state


def packed(state: Mapping[str, Entry]) -> bytes:
    """Serialise a state; equal states give equal bytes."""
    values = {name: [entry.size, entry.sha256] for name, entry in state.items()}
    return gzip.compress(json.dumps(values, sort_keys=True).encode(), mtime=0)


def unpacked(data: bytes, where: str) -> State:
    """Read a state that `packed` serialised.

    Raises:
        CaerError: it is damaged.
    """
    try:
        values = json.loads(gzip.decompress(data))
        return {name: Entry(int(size), str(digest)) for name, (size, digest) in values.items()}
    except (ValueError, TypeError, OSError, EOFError, AttributeError) as error:
        raise CaerError(f"{where}: damaged") from error


def _belongs(name: str) -> bool:
    """Whether a file belongs to the state that other machines see."""
    parts = name.split("/")
    if any(is_temporary(part) for part in parts) or name == _LOCK:
        return False
    return parts[0] != _WORK or len(parts) == 2  # notes from a build, not artifacts


def stamp_of(path: Path) -> tuple[int, int] | None:
    """Return the size (bytes) and modification time (ns) of a file; None if it does not exist."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
