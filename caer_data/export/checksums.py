"""`SHA256SUMS`: the hashes of all files of a release, in the format of `sha256sum -c`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from caer_data.engine.errors import CaerError
from caer_data.engine.files import inside, sha256_of, write_text

NAME: Final = "SHA256SUMS"

_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>.+)")


def files_of(folder: Path) -> Iterator[Path]:
    """Yield the files of a release in order, except the list itself."""
    return (
        path
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or not path.is_dir()) and path != folder / NAME
    )


def write(root: Path, known: dict[str, str] | None = None) -> None:
    """Write the list of all files; hashes in `known` are not computed again."""
    known = known or {}
    lines = []
    for path in files_of(root):
        name = path.relative_to(root).as_posix()
        lines.append(f"{known.get(name) or sha256_of(path)}  {name}\n")
    write_text(root / NAME, "".join(lines))


def read(root: Path) -> dict[str, str]:
    """Return the listed hashes by path.

    Raises:
        CaerError: the list is missing or damaged, or names a file outside the folder.
    """
    path = root / NAME
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
        CaerError: see `read`.
    """
    listed = read(root)

    def is_ours(path: Path) -> bool:
        known = listed.get(path.relative_to(root).as_posix())
        return known is not None and not path.is_symlink() and sha256_of(path) == known

    files = list(files_of(root))
    # hashing releases the GIL, so threads use all cores
    with ThreadPoolExecutor() as pool:
        ours = list(pool.map(is_ours, files))
    return [p.relative_to(root).as_posix() for p, own in zip(files, ours, strict=True) if not own]
