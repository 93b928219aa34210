"""Shards: parts of a build that any scheduler can distribute among machines.

`build --shard 3/8` creates the artifacts of an eighth of the videos and touches nothing else: no
table, no clip, no lock. Any number of shards, even of different divisions, may run at the same time
as each other and as a build, on any engine. A build without --shard then finds the artifacts and
does the rest.

A hash of a video's path below the shows folder determines its shard, so that adding or removing
videos does not move others to another shard.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from caer_data.engine.artifacts import write_json
from caer_data.engine.errors import CaerError

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

    def note(self, work: Path, videos: int, failed: dict[str, str]) -> None:
        """Record the result of the shard in `work/shards/`."""
        path = work / "shards" / f"{self.number}-of-{self.of}.json"
        write_json(path, {"videos": videos, "failed": failed})


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
