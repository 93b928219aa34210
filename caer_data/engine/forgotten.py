"""Tombstones, which `caer-data forget` leaves: what a dataset must no longer contain.

A tombstone is a decision of kind `forget`. It contains no names. A video is identified by the hash
of its content, a clip by its key, a rater by a hash that needs the dataset's secret, and a face by
its position in a video.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caer_data.engine import identity
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.identity import Anchor
from caer_data.engine.secret import secret_of


@dataclass(frozen=True)
class Forgotten:
    """Everything that was forgotten and must not come back.

    Attributes:
        tombstones: the decisions, in order.
        videos: SHA-256 of the forgotten videos.
        spans: forgotten spans of other videos. A span with a box means only that face; a span
            without one means everything in it.
        clips: keys of the forgotten clips.
        raters: pseudonyms of the forgotten raters (`identity.pseudonym`).
        names: pseudonyms of all names that the forgotten clips have had.
    """

    tombstones: tuple[Decision, ...] = ()
    videos: frozenset[str] = frozenset()
    spans: tuple[Anchor, ...] = ()
    clips: frozenset[str] = frozenset()
    raters: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, folder: Path) -> Forgotten:
        """Read the tombstones of a dataset folder."""
        return cls.by(Decisions(folder).standing("forget"))

    @classmethod
    def by(cls, tombstones: Iterable[Decision]) -> Forgotten:
        """Collect what the given tombstones say."""
        rows = tuple(tombstones)
        return cls(
            tombstones=rows,
            videos=frozenset(_all(rows, "videos")),
            spans=tuple(anchor for row in rows for anchor in row.about),
            clips=frozenset(_all(rows, "clips")),
            raters=frozenset(_all(rows, "raters")),
            names=frozenset(_all(rows, "names")),
        )

    def in_video(self, video_key: str) -> tuple[Anchor, ...]:
        """Return the forgotten spans of one video."""
        return tuple(anchor for anchor in self.spans if anchor.video_key == video_key)

    def covers(self, anchor: Anchor) -> bool:
        """Whether an anchor's video is forgotten, or its span overlaps a forgotten one."""
        return anchor.video_key in self.videos or any(
            other.start_pts < anchor.end_pts and anchor.start_pts < other.end_pts
            for other in self.in_video(anchor.video_key)
        )

    def counts(self) -> dict[str, int]:
        """Return the number of tombstones of each kind."""
        kinds = [str(row.content["what"]) for row in self.tombstones]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def hides(self, folder: Path, rater: str) -> bool:
        """Whether a rater is forgotten.

        Args:
            folder: the dataset folder, whose secret is needed.
            rater: name or e-mail address of the rater.
        """
        return bool(self.raters) and identity.pseudonym(secret_of(folder), rater) in self.raters

    def hides_clip(self, folder: Path, clip_id: str) -> bool:
        """Whether a forgotten clip had this name."""
        return bool(self.names) and pseudonym_of_clip(folder, clip_id) in self.names


def pseudonym_of_clip(folder: Path, clip_id: str) -> str:
    """Return a clip's name as a pseudonym, as tombstones contain it."""
    return identity.pseudonym(secret_of(folder), f"clip {clip_id}")


def _all(rows: Iterable[Decision], name: str) -> list[str]:
    found: list[Any] = []
    for row in rows:
        given = row.content.get(name)
        found += given if isinstance(given, list) else []
    return [str(value) for value in found]
