"""Shards: parts of a build that any scheduler can distribute among machines.

`build --shard 3/8` creates the artifacts of an eighth of the videos. If every other video is done
then, it also decides which clips to cut, as a build does, and cuts those of its own videos. It
writes no table and takes no lock. Any number of shards, even of different divisions, may run at the
same time as each other and as a build, on any engine. A build without --shard then finds artifacts
and clips and does the rest.

A hash of a video's path below the shows folder determines its shard, so that adding or removing
videos does not move others to another shard.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from caer_data.curate.videos import Found
from caer_data.engine import copies
from caer_data.engine.artifacts import read_json, write_json
from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import hash_of

_FORM = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True)
class Shard:
    """One of `of` parts of a build: `number` is from 1 to `of`."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def holds(self, relative: str) -> bool:
        """Whether a video belongs to this shard, by its path below the shows folder."""
        digest = hashlib.sha256(relative.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1

    def log_folder(self, work: Path) -> Path:
        """Return the folder of this shard's logs."""
        return work / "log" / f"shard-{self.number}-of-{self.of}"

    def note(
        self,
        work: Path,
        inputs: Inputs,
        videos: int,
        failed: dict[str, str],
        without: Collection[str],
    ) -> None:
        """Record in `work/shards/` that the shard is done, and what failed.

        Args:
            work: the folder of artifacts.
            inputs: what the shards were made of.
            videos: number of videos of the shard that are done.
            failed: why files failed, by path, and clips, by `clip_id`.
            without: paths of its files that have no results: they failed, or are forgotten.
        """
        values = {"videos": videos, "failed": failed, "without": sorted(without)}
        path, values = self._path(work), values | {"inputs": inputs.hash_for(self)}
        copy = copies.at(work.parent)
        if copy is None:
            write_json(path, values)
        else:
            copy.put_note(path, lambda: write_json(path, values))

    def without_results(self, work: Path, inputs: Inputs) -> frozenset[str]:
        """Return the files noted as having no results; none if the inputs were others."""
        try:
            values = read_json(self._path(work))
        except (OSError, ValueError):
            return frozenset()
        if not isinstance(values, dict) or values.get("inputs") != inputs.hash_for(self):
            return frozenset()
        return frozenset(values.get("without", ()))

    def _path(self, work: Path) -> Path:
        return work / "shards" / f"{self.number}-of-{self.of}.json"


@dataclass(frozen=True)
class Inputs:
    """All files of the shows, and the recipe, as text."""

    found: tuple[Found, ...]
    recipe: str

    def hash_for(self, shard: Shard) -> str:
        """Return a hash of the recipe and of the paths, sizes and times of a shard's files."""
        files = []
        for item in self.found:
            if shard.holds(item.relative) and item.path.exists():
                status = item.path.stat()
                files.append([item.relative, status.st_size, status.st_mtime_ns])
        return hash_of([self.recipe, files], 16)


def parse(text: str) -> Shard:
    """Parse a shard such as `3/8`.

    Raises:
        CaerError: the text is malformed, or there is no such part.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise CaerError(
            f"--shard {text}: give the number of a shard and the number of all shards, from 1/N to "
            "N/N, such as 3/8"
        )
    return Shard(int(match[1]), int(match[2]))
