"""What a dataset must no longer hold: the tombstones that `caer-data forget` leaves.

A tombstone is a decision of kind `forget`. It names nobody: videos by the hash of their content,
clips by key, raters by a hash that only the dataset's secret leads to, and faces by where in which
video they are seen.
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
    """What must not come back.

    Attributes:
        tombstones: the decisions, in order.
        videos: SHA-256 of videos.
        spans: of other videos; one with a box is about that face alone, one without about
            everything in it.
        clips: keys of clips that were there.
        raters: pseudonyms of raters (`identity.pseudonym`).
        names: pseudonyms of the names that these clips have had.
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
        """What some tombstones say."""
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
        """Spans of one video."""
        return tuple(anchor for anchor in self.spans if anchor.video_key == video_key)

    def covers(self, anchor: Anchor) -> bool:
        """Whether a span shares frames with one that is forgotten, or its video is."""
        return anchor.video_key in self.videos or any(
            other.start_pts < anchor.end_pts and anchor.start_pts < other.end_pts
            for other in self.in_video(anchor.video_key)
        )

    def counts(self) -> dict[str, int]:
        """Number of each kind that occurs."""
        kinds = [str(row.content["what"]) for row in self.tombstones]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def hides(self, folder: Path, rater: str) -> bool:
        """Whether a rater is forgotten.

        Args:
            folder: the dataset folder, whose secret tells.
            rater: name or e-mail address.
        """
        return bool(self.raters) and identity.pseudonym(secret_of(folder), rater) in self.raters

    def hides_clip(self, folder: Path, clip_id: str) -> bool:
        """Whether a forgotten clip had this name."""
        return bool(self.names) and pseudonym_of_clip(folder, clip_id) in self.names


def pseudonym_of_clip(folder: Path, clip_id: str) -> str:
    """A clip's name as tombstones have it."""
    return identity.pseudonym(secret_of(folder), f"clip {clip_id}")


def _all(rows: Iterable[Decision], name: str) -> list[str]:
    found: list[Any] = []
    for row in rows:
        given = row.content.get(name)
        found += given if isinstance(given, list) else []
    return [str(value) for value in found]
