"""Generations of tables: all tables of a build take effect at once, or not at all.

dataset/generations/
  current            the number of the current generation
  000007/*.parquet   its tables

A build writes its tables into a new generation beside the others. Replacing one small file,
`current`, then puts all of them into effect at once. A process that reads a dataset reads one
generation throughout. The last `KEPT` earlier generations stay for processes that still read them.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from caer_data.engine.files import atomic_path, write_text

KEPT: Final = 2
"""Number of earlier generations that are kept."""

_NUMBER: Final = re.compile(r"\d{6,12}")


class Generations:
    """The generations of one dataset.

    Args:
        folder: the folder of all generations.
        names: names of the files that a generation may contain; no other file is ever removed.
    """

    def __init__(self, folder: Path, names: Collection[str]) -> None:
        self._folder = folder
        self._names = frozenset(names)

    def current(self) -> Path | None:
        """Return the folder of the current generation; None if there is none."""
        with suppress(OSError, UnicodeDecodeError):
            number = (self._folder / "current").read_text(encoding="utf-8").strip()
            if _NUMBER.fullmatch(number) and (self._folder / number).is_dir():
                return self._folder / number
        return None

    @contextmanager
    def next(self) -> Iterator[Path]:
        """Yield an empty folder that becomes the current generation if the block succeeds.

        Raises:
            CaerError: the disk is full or the folder cannot be written.
        """
        number = max((int(path.name) for path in self._all()), default=0) + 1
        target = self._folder / f"{number:06d}"
        with atomic_path(target) as scratch:
            scratch.mkdir()
            yield scratch
        write_text(self._folder / "current", target.name + "\n")
        self._remove_old()

    def remove_earlier(self) -> int:
        """Remove all generations but the current one; return how many were removed.

        Processes that still read one of them fail. Use this for data that must no longer be read.
        """
        current = self.current()
        earlier = [folder for folder in self._all() if folder != current]
        for folder in earlier:
            self._remove(folder)
        return len(earlier)

    def _all(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return sorted(
            (path for path in self._folder.iterdir() if _NUMBER.fullmatch(path.name)),
            key=lambda path: int(path.name),
        )

    def _remove_old(self) -> None:
        for folder in self._all()[: -(KEPT + 1)]:
            self._remove(folder)

    def _remove(self, folder: Path) -> None:
        for name in self._names:
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # it contains a file that is not ours
            folder.rmdir()


def mirror(source: Path, target: Path) -> None:
    """Make a file of a generation available under a fixed path, as a hard link if possible.

    Raises:
        CaerError: the folder cannot be written.
    """
    with atomic_path(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # some file systems have no hard links
            shutil.copyfile(source, temporary)
