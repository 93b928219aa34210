"""Result of a build, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caer_data.engine.errors import PartialFailure


@dataclass
class _Result:
    """Common part of the results of builds and shards."""

    dataset: Path
    videos: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return all values as types that JSON supports."""
        return {**self.__dict__, "dataset": str(self.dataset)}

    def raise_if_failed(self) -> None:
        """Raise an error that lists what failed.

        Raises:
            PartialFailure: something failed.
        """
        if self.failed:
            lines = "".join(f"\n  {what}: {why}" for what, why in self.failed.items())
            raise PartialFailure(
                f"{len(self.failed)} failed; the rest is done. Run the same command to try these "
                f"again:{lines}"
            )


@dataclass
class BuildResult(_Result):
    """Result of a build.

    Attributes:
        dataset: the dataset's folder.
        videos: number of videos, without duplicates.
        duplicates: number of files with the same content as another file.
        kept: number of kept clips.
        dropped: number of dropped clips by reason.
        people: number of persons.
        absent: number of videos of earlier builds that are no longer in the folder of shows.
        rated: number of rated clips that are the `same`, `changed` or `gone`.
        failed: what could not be processed (path of a video, name of a clip), with the reason.
        damaged: damaged videos by path, with what is wrong with them.
        forgotten: number of forgotten videos, persons and clips, by kind.
        seconds: duration of the build, s.
    """

    duplicates: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    people: int = 0
    absent: int = 0
    rated: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    forgotten: dict[str, int] = field(default_factory=dict)

    def summary(self) -> str:
        """Describe the result in one line."""
        dropped = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items())
        return (
            f"{self.videos} video{'s' * (self.videos != 1)}, "
            f"{self.people} {'person' if self.people == 1 else 'people'}, "
            f"{self.kept} clip{'s' * (self.kept != 1)} kept"
            + (f", dropped: {dropped}" if dropped else "")
            + self._absent_text()
            + self._rated_text()
            + self._forgotten_text()
            + f". Took {self.seconds:.0f} s. See {self.dataset / 'report.html'}"
        )

    def _absent_text(self) -> str:
        """Describe absent videos, if there are any."""
        if not self.absent:
            return ""
        videos = f"{self.absent:,} video{'s' * (self.absent != 1)}"
        return f". {videos} of earlier builds not found: the clips stay, with status 'absent'"

    def _rated_text(self) -> str:
        """Describe what became of rated clips, if there are any."""
        if not sum(self.rated.values()):
            return ""
        changed, gone = self.rated["changed"], self.rated["gone"]
        return (
            f". Of {sum(self.rated.values()):,} rated clips, {self.rated['same']:,} stayed, "
            f"{changed:,} changed and {gone:,} were removed"
            + ("; answers to changed or removed clips no longer count" if changed + gone else "")
        )

    def _forgotten_text(self) -> str:
        """Describe what is forgotten, if anything is."""
        if not self.forgotten:
            return ""
        return f". Forgotten and not used: {counted(self.forgotten)}"


def counted(forgotten: dict[str, int]) -> str:
    """Return counts by kind in words: `1 clip, 2 persons`."""
    return ", ".join(f"{n:,} {kind}{'s' * (n != 1)}" for kind, n in sorted(forgotten.items()))


@dataclass
class ShardResult(_Result):
    """Result of one shard, which creates artifacts and clips but no tables.

    Attributes:
        shard: the shard, such as `3/8`.
        clips: number of clips that were cut.
        uncut: why no clip may be cut yet; empty if all are.
    """

    shard: str = ""
    clips: int = 0
    uncut: str = ""

    def summary(self) -> str:
        """Describe the result in one line."""
        done = f"Shard {self.shard}: {self.videos} videos done, {len(self.failed)} failed"
        took = f"Took {self.seconds:.0f} s"
        then = "run the same command without --shard to complete the dataset"
        if self.uncut:
            return (
                f"{done}. {took}. No clips were cut: {self.uncut}. When all shards are done, {then}"
            )
        return f"{done}, {self.clips} clips cut. {took}. When all shards are done, {then}"
