"""Cutting of the kept clips, and records of their sources."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from caer_data.engine import recipe as recipes
from caer_data.engine.artifacts import Store, key_of
from caer_data.engine.errors import CaerError
from caer_data.engine.files import sha256_of, slug
from caer_data.engine.pool import Progress
from caer_data.engine.sources import held
from caer_data.media.clip_command import Source
from caer_data.media.cut import Media, cut_clips
from caer_data.media.fields import Fields
from caer_data.media.frame_rate import Span
from caer_data.media.glimpse import Ends
from caer_data.media.handover import Feed
from caer_data.media.unchanged import Stamp, check_unchanged

CLIPS_VERSION = 10

_WINDOW_S = 12
_MAX_GAP_S = 1
_CLIPS_PER_TASK = 4
_RECORD_TRIES = 5  # another process may write the record between reading and writing it
_MAX_TOGETHER = 6  # clips per decode; each needs memory for its own encoder


@dataclass(frozen=True)
class Clip:
    """One clip to cut."""

    clip_id: str
    show: str
    source: Source
    span: Span
    sha256: str
    """SHA-256 of the video."""
    stamp: Stamp | None = None
    """State of the video's file when it was hashed."""
    ends: Ends | None = None
    """What its first and last picture look like."""

    @property
    def path(self) -> str:
        """Path of the clip, relative to the dataset."""
        return f"clips/{slug(self.show)}/{self.clip_id}.mp4"


@dataclass(frozen=True)
class Group:
    """Neighbouring clips of one video that are cut in one decode."""

    clips: tuple[Clip, ...]

    @property
    def name(self) -> str:
        """Identifier of the first clip."""
        return self.clips[0].clip_id

    def key(self, settings: recipes.Clips) -> str:
        """Return the key of the finished clips: a hash of everything that determines their bytes.

        This is the video's content, the frames, and the encoding. The other clips of the group
        matter because FFmpeg adds noise when it decodes AAC, and its noise generator continues from
        clip to clip.
        """
        encoding = settings.model_copy(
            update={"min_seconds": None, "min_frames": 1, "max_seconds": 1.0}
        )
        spans = [
            (asdict(clip.span) | {"rate": str(clip.span.rate)}, clip.path) for clip in self.clips
        ]
        source = self.clips[0].source
        shown: tuple[object, ...] = (
            source.info.audio_index,
            source.handed_over,
            source.interlaced,
        )
        if source.info.fields is not Fields.FLAGGED:
            shown = (*shown, source.info.fields)
        shown = (*shown, *source.info.part)
        return key_of("clips", CLIPS_VERSION, encoding, self.clips[0].sha256, spans, shown)


def grouped(clips: Iterable[Clip]) -> list[Group]:
    """Group neighbouring clips, which must be sorted by video and position.

    Opening a video and seeking costs as much as decoding about twenty frames. Groups are separated
    at fixed times, so that adding or removing a clip changes only one group.
    """
    groups: list[list[Clip]] = []
    for clip in clips:
        if not groups or not _together(groups[-1], clip):
            groups.append([])
        groups[-1].append(clip)
    return [Group(tuple(group)) for group in groups]


def chunks(groups: list[Group]) -> list[list[Group]]:
    """Return groups joined into chunks of about four clips, as tasks for worker processes.

    All clips of a video whose frames are piped to ffmpeg stay together, because each such task
    decodes the video from its start. The longest chunks come first, so that all processes end at
    about the same time.
    """
    together: list[list[Group]] = []
    for group in groups:
        if not together or not _one_task(together[-1], group):
            together.append([])
        together[-1].append(group)
    return sorted(together, key=lambda chunk: -sum(c.span.frames for g in chunk for c in g.clips))


def _one_task(chunk: list[Group], group: Group) -> bool:
    source = group.clips[0].source
    if source.handed_over or chunk[0].clips[0].source.handed_over:
        return chunk[0].clips[0].source == source
    return sum(len(g.clips) for g in chunk) < _CLIPS_PER_TASK


def _together(group: list[Clip], clip: Clip) -> bool:
    before, source = group[-1], clip.source
    gap = (clip.span.start_pts - before.span.end_pts) * source.info.time_base
    return (
        len(group) < _MAX_TOGETHER
        and before.source == source
        and 0 <= gap <= _MAX_GAP_S
        and _window(group[0]) == _window(clip)
    )


def _window(clip: Clip) -> int:
    start = (clip.span.start_pts - clip.source.first_pts) * clip.source.info.time_base
    return int(start // _WINDOW_S)


def records(
    dataset: Path, work: Path, group: Group, settings: recipes.Clips
) -> dict[str, dict[str, Any]]:
    """Return the records of a group's finished clips, by `clip_id`."""
    known = Store(work).recorded("clips", group.name, group.key(settings))
    if known is None:
        return {}
    return {
        clip.clip_id: known[clip.clip_id]
        for clip in group.clips
        if clip.clip_id in known and _whole(dataset / clip.path, known[clip.clip_id])
    }


def recorded(work: Path, group: Group, settings: recipes.Clips) -> dict[str, str]:
    """Return the SHA-256 of a group's finished clips by path, whether the files are here or not.

    It is empty unless every clip of the group was cut.
    """
    known = Store(work).recorded("clips", group.name, group.key(settings)) or {}
    if not all(clip.clip_id in known for clip in group.clips):
        return {}
    return {clip.path: known[clip.clip_id]["sha256"] for clip in group.clips}


def unfinished(
    dataset: Path, work: Path, groups: Sequence[Group], settings: recipes.Clips, workers: int
) -> list[Group]:
    """Return the groups with a missing or damaged clip, in order; every file is read."""

    def finished(group: Group) -> bool:
        return len(records(dataset, work, group, settings)) == len(group.clips)

    with ThreadPoolExecutor(workers) as threads:  # hashing releases Python's global lock
        return [
            group
            for group, done in zip(groups, threads.map(finished, groups), strict=True)
            if not done
        ]


def cut(
    dataset: Path, work: Path, groups: list[Group], settings: recipes.Clips, progress: Progress
) -> dict[str, str]:
    """Cut groups one by one; return why clips could not be cut, by `clip_id`.

    Other processes may cut the same groups. None removes a file that it did not find by its record,
    and a clip that one of them could not cut counts as cut if another could.
    """
    problems: dict[str, str] = {}
    feeds: dict[Path, Feed] = {}
    for group in groups:
        started = time.perf_counter()
        targets = {dataset / clip.path: clip for clip in group.clips}
        spans = {target: clip.span for target, clip in targets.items()}
        ends = {target: clip.ends for target, clip in targets.items() if clip.ends is not None}
        source = group.clips[0].source
        feed = feeds.setdefault(source.path, Feed(source, lambda: progress("clips", 0)))
        check = partial(check_unchanged, source.path, group.clips[0].stamp)
        results: Mapping[Path, Media | CaerError]
        try:
            with held(source.path, lambda: progress("clips", 0)):
                check()
                results = cut_clips(
                    source, spans, settings, lambda: progress("clips", 0), feed, ends, check
                )
        except CaerError as error:
            results = dict.fromkeys(targets, error)
        seconds = time.perf_counter() - started
        known, failed = {}, {}
        for target, clip in targets.items():
            media = results[target]
            if isinstance(media, CaerError):
                failed[clip.clip_id] = str(media)
                continue
            known[clip.clip_id] = {
                "path": clip.path,
                "width": media.width,
                "height": media.height,
                "fps": str(media.fps),
                "frames": media.frames,
                "variable_rate": not clip.span.even,
                "has_audio": media.has_audio,
                "bytes": media.bytes,
                "sha256": media.sha256,
                "seconds": seconds / len(group.clips),
            }
        if known:
            _record(dataset, work, group, settings, known)
        if failed:
            whole = records(dataset, work, group, settings)
            problems |= {name: why for name, why in failed.items() if name not in whole}
        progress("clips", len(group.clips))
    return problems


def _record(
    dataset: Path,
    work: Path,
    group: Group,
    settings: recipes.Clips,
    known: dict[str, dict[str, Any]],
) -> None:
    """Record finished clips of a group; a record that already contains them stays.

    Another process that cuts the same clips may be about to read it, so there is a record at any
    time. What it records stays as well: it may have cut clips that this process could not. If both
    cut a clip and the bytes differ, the file decides.
    """
    store, key = Store(work), group.key(settings)
    for _ in range(_RECORD_TRIES):
        earlier = store.recorded("clips", group.name, key) or {}
        ours = {
            name: values
            for name, values in known.items()
            if name not in earlier or not _whole(dataset / values["path"], earlier[name])
        }
        wanted = earlier | ours
        if _without_seconds(wanted) == _without_seconds(earlier):
            return
        store.record("clips", group.name, key, wanted, replace=bool(earlier))


def _without_seconds(known: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        clip_id: {name: value for name, value in values.items() if name != "seconds"}
        for clip_id, values in known.items()
    }


Written = tuple[str, int, str]
"""A file that a build wrote: path relative to the dataset, size in bytes, SHA-256."""


def written(work: Path) -> set[Written]:
    """Return all clip files that were written according to the records; paths may be repeated."""
    found: set[Written] = set()
    for values in Store(work).all_recorded("clips"):
        for known in values.values():
            if isinstance(known, dict) and known.keys() >= {"path", "bytes", "sha256"}:
                found.add((known["path"], known["bytes"], known["sha256"]))
    return found


def unchanged(files: Mapping[str, Path], known: set[Written]) -> list[Path]:
    """Return those of the given files (paths in the dataset) that are as a build wrote them."""
    sizes = {(path, size) for path, size, _ in known}
    return [
        file
        for path, file in files.items()
        if not file.is_symlink()
        and (path, _size(file)) in sizes
        and (path, _size(file), sha256_of(file)) in known
    ]


def _whole(file: Path, known: dict[str, Any]) -> bool:
    try:
        status = file.stat()
    except OSError:
        return False
    if status.st_size != known["bytes"]:
        return False
    digest: str = known["sha256"]
    return _hash(file, status.st_ino, status.st_size, status.st_mtime_ns) == digest


@lru_cache(maxsize=1 << 20)
def _hash(file: Path, inode: int, size: int, changed_ns: int) -> str | None:
    """Return a file's hash, computed once per process and file state; None if it is unreadable."""
    try:
        return sha256_of(file)
    except OSError:
        return None


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None
