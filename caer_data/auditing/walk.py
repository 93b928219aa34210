"""List the files of an untrusted folder, without following links or accepting odd names."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error

MAX_FILES: Final = 3_000_000
"""Maximum number of files in a folder."""

PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
VIDEOS: Final = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".flv", ".wmv", ".mpg", ".mpeg")

_DEEPEST: Final = 40


@dataclass
class Files:
    """Files of a folder.

    Attributes:
        root: the folder.
        sizes: size in bytes of each regular file, by relative path with slashes, in order.
        passed_over: number of skipped entries, by reason.
    """

    root: Path
    sizes: dict[str, int]
    passed_over: Counter[str] = field(default_factory=Counter)

    def ending(self, *suffixes: str) -> list[str]:
        """Return paths with one of these suffixes, given in lower case with their dot."""
        return [path for path in self.sizes if PurePosixPath(path).suffix.lower() in suffixes]

    def named(self, *names: str) -> list[str]:
        """Return paths whose last part is one of these."""
        wanted = set(names)
        return [path for path in self.sizes if path.rpartition("/")[2] in wanted]


def files_of(root: Path) -> Files:
    """Return the files of a folder.

    Raises:
        CaerError: it is not a folder, cannot be read, or contains more than `MAX_FILES` files.
    """
    found, passed_over = dict[str, int](), Counter[str]()
    waiting = [("", 0)]
    while waiting:
        below, depth = waiting.pop()
        try:
            entries = sorted(os.scandir(root / below), key=lambda entry: entry.name)
        except OSError as error:
            if below:
                passed_over["folders that cannot be read"] += 1
                continue
            raise CaerError(explain_os_error(error, root)) from error
        for entry in entries:
            name = f"{below}/{entry.name}" if below else entry.name
            reason = _strange(entry, depth)
            if reason is not None:
                passed_over[reason] += 1
            elif entry.is_dir(follow_symlinks=False):
                waiting.append((name, depth + 1))
            else:
                found[name] = entry.stat(follow_symlinks=False).st_size
        if len(found) > MAX_FILES:
            raise CaerError(f"{root}: contains more than {MAX_FILES:,} files; audit a part of it")
    passed_over.pop("hidden", None)
    return Files(root, dict(sorted(found.items())), passed_over)


def _strange(entry: os.DirEntry[str], depth: int) -> str | None:
    """Return why an entry is skipped; None if it is not."""
    if entry.is_symlink():
        return "links, which are not followed"
    if entry.name.startswith("."):
        return "hidden"
    if not entry.name.isprintable() or not _is_text(entry.name):
        return "names with control characters or invalid text"
    if entry.is_dir(follow_symlinks=False):
        return "folders that are too deep" if depth >= _DEEPEST else None
    return None if entry.is_file(follow_symlinks=False) else "entries that are not files"


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
