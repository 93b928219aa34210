"""`SHA256SUMS`: the hashes of all files of a release, in the format of `sha256sum -c`."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from caer_data.engine.errors import CaerError
from caer_data.engine.files import inside, refuse_special, sha256_of, write_text

NAME: Final = "SHA256SUMS"

_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>.+)")


def names_of(folder: Path) -> Iterator[str]:
    """Yield the files of a release in order, relative to its folder, except the list itself.

    Raises:
        CaerError: a folder cannot be read, or lies too deep in others to be opened.
    """
    return (name for name in _names_below(str(folder)) if name != NAME)


def _names_below(folder: str) -> Iterator[str]:
    """Yield the files below a folder, sorted by the parts of their paths, links among them."""
    waiting = _entries(folder, "")
    while waiting:
        name, is_folder = waiting.pop()
        if is_folder:
            waiting += _entries(folder, f"{name}/")
        else:
            yield name


def _entries(folder: str, prefix: str) -> list[tuple[str, bool]]:
    """Return what a folder directly contains, the last one first, and which are folders."""
    found: list[tuple[str, bool]] = []
    try:
        with os.scandir(f"{folder}/{prefix}") as entries:
            found += ((f"{prefix}{e.name}", e.is_dir(follow_symlinks=False)) for e in entries)
    except PermissionError as error:
        path = f"{folder}/{prefix}".rstrip("/")
        raise CaerError(f"{path}: cannot be read ({error.strerror})") from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise CaerError(f"{folder}: has too many folders in folders to be read") from error
    return sorted(found, reverse=True)


def write(root: Path, known: dict[str, str] | None = None) -> None:
    """Write the list of all files; hashes in `known` are not computed again."""
    known = known or {}
    lines = [f"{known.get(name) or sha256_of(root / name)}  {name}\n" for name in names_of(root)]
    write_text(root / NAME, "".join(lines))


def read(root: Path) -> dict[str, str]:
    """Return the listed hashes by path.

    Raises:
        CaerError: the list is missing or damaged, or names a file outside the folder.
    """
    path = root / NAME
    refuse_special(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaerError(f"{path}: cannot be read; is {root} a release? ({error})") from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise CaerError(f"{path}:{number}: expected a hash, two spaces and a path")
        inside(root, match["path"])
        found[match["path"]] = match["sha256"]
    return found


def strangers(root: Path) -> list[str]:
    """Return the files of a folder that are not on its list or differ from it, in order.

    Raises:
        CaerError: see `read` and `names_of`.
    """
    listed = read(root)

    def is_ours(name: str) -> bool:
        path, known = root / name, listed.get(name)
        return known is not None and not path.is_symlink() and sha256_of(path) == known

    names = list(names_of(root))
    # hashing releases the GIL, so threads use all cores
    with ThreadPoolExecutor() as pool:
        ours = list(pool.map(is_ours, names))
    return [name for name, own in zip(names, ours, strict=True) if not own]
