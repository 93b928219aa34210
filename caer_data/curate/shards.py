"""Shards: a build shared out among machines by any scheduler.

`build --shard 3/8` makes the artifacts of an eighth of the videos and touches nothing else: no
table, no clip, no lock. Any number of shards may run at once, also of different divisions, beside a
build and on another engine; a writer whose artifact exists already loses nothing. A plain
build then finds the artifacts and does the rest.

A video belongs to a shard by a hash of its path below the shows, so that more videos, or fewer, do
not move the others to another shard.
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
    """One part of a division: `number` from 1 to `of`."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def holds(self, relative: str) -> bool:
        """Whether a video belongs here, by its path below the shows."""
        digest = hashlib.sha256(relative.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1

    def log_folder(self, work: Path) -> Path:
        """Where the logs of this shard lie, apart from those of others."""
        return work / "log" / f"shard-{self.number}-of-{self.of}"

    def note(self, work: Path, videos: int, failed: dict[str, str]) -> None:
        """Record the result of the shard in `work/shards/`."""
        path = work / "shards" / f"{self.number}-of-{self.of}.json"
        write_json(path, {"videos": videos, "failed": failed})


def parse(text: str) -> Shard:
    """Read `3/8`.

    Raises:
        CaerError: malformed, or there is no such part.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise CaerError(
            f"--shard {text}: give the number of a shard and of how many, from 1/N to N/N, such "
            "as 3/8"
        )
    return Shard(int(match[1]), int(match[2]))
