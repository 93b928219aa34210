"""Tables that change together: what one build writes is current as a whole or not at all.

dataset/generations/
  current            the number of the generation that counts
  000007/*.parquet   its tables

A build writes the tables of its own generation beside the others; replacing `current`, one small
file, makes them count all at once. Who reads a dataset reads one generation from first to last; the
ones before stay for those who are still reading them, `KEPT` of them.
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
"""Earlier generations that stay."""

_NUMBER: Final = re.compile(r"\d{6,12}")


class Generations:
    """The generations of one dataset.

    Args:
        folder: where they are.
        names: files that a generation may hold; nothing else is ever removed.
    """

    def __init__(self, folder: Path, names: Collection[str]) -> None:
        self._folder = folder
        self._names = frozenset(names)

    def current(self) -> Path | None:
        """Folder of the current generation; None before the first, or if it no longer exists."""
        with suppress(OSError, UnicodeDecodeError):
            number = (self._folder / "current").read_text(encoding="utf-8").strip()
            if _NUMBER.fullmatch(number) and (self._folder / number).is_dir():
                return self._folder / number
        return None

    @contextmanager
    def next(self) -> Iterator[Path]:
        """Give an empty folder that becomes the current generation if the block succeeds.

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
        """Remove all generations but the current one; returns how many.

        Whoever still reads one is cut short: that is for what nobody may read any longer.
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
        with suppress(OSError):  # somebody's own file is in it
            folder.rmdir()


def mirror(source: Path, target: Path) -> None:
    """Show a file of a generation under a name that stays, without taking room where possible.

    Raises:
        CaerError: the folder cannot be written.
    """
    with atomic_path(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # some file systems know no hard links
            shutil.copyfile(source, temporary)
