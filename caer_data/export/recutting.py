"""Recut one clip of a release, make its files, and compare its pictures with the recorded ones."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Recipe
from caer_data.export import duplicates, media
from caer_data.media import cut
from caer_data.media.clip_command import Source
from caer_data.media.fields import Fields
from caer_data.media.frame_rate import Span
from caer_data.media.probe import VideoInfo, probe
from caer_data.media.shared_frame import SharedFrame


@dataclass(frozen=True)
class Aligned:
    """Position of a clip in another rip.

    Attributes:
        frame: position of the original frame within the rip's frame.
        frames: for each frame of the new clip, the number of the original frame that it shows.
        size: width and height of the original clip, px.
    """

    frame: SharedFrame
    frames: tuple[int, ...]
    size: tuple[int, int]


@dataclass(frozen=True)
class Cut:
    """Task for recutting one clip.

    Attributes:
        work: its files; boxes and pictures are those of the original clip.
        video: file to cut it from.
        first_pts: timestamp of the file's first frame.
        fps: usual frame rate of the file, a fraction.
        handed_over: see `clip_command.Source`.
        interlaced: whether some frames are flagged as two fields.
        fields: what is done with fields; see `Fields`.
        span: the clip's frames in the file.
        recipe: recipe of the release.
        recorded: exact and perceptual hashes of each picture by path, and of the clip under ''.
        keep: whether the cut file is needed for a shard.
        aligned: its position in another rip; None for the original file.
    """

    work: media.Work
    video: Path
    first_pts: int
    fps: str
    handed_over: bool
    interlaced: bool
    fields: Fields
    span: Span
    recipe: Recipe
    recorded: dict[str, tuple[str, str | None]]
    keep: bool
    aligned: Aligned | None = None


def make(task: Cut) -> dict[str, Any]:
    """Cut one clip, make its files and compare their pictures, in a worker process.

    Returns:
        The result of `media.make`, with `rebuilt`, one of `manifest.REBUILT`. An aligned clip also
        has `frames, fps, variable_rate, width, height` and `boxes`: rows of frame, the original
        clip's frame, x1, y1, x2, y2. If the pictures differ from the recorded ones, the result has
        `failed`, the reason, in place of `files`.
    """
    work = task.work
    source = Source(
        task.video,
        replace(_info(task.video, task.recipe.media.audio), fields=task.fields),
        task.first_pts,
        Fraction(task.fps),
        task.handed_over,
        task.interlaced,
    )
    try:
        made = cut.cut_clip(source, task.span, work.source, task.recipe.clips)
        work = replace(work, frames=made.frames)
        if task.aligned is not None:
            work = moved(work, task.aligned, (made.width, made.height))
        result = media.make(work)
    except CaerError as error:
        return {"clip_id": work.clip_id, "files": {}, "failed": str(error)}
    if not task.keep:
        work.source.unlink()
    if task.aligned is not None:
        return {**result, "rebuilt": "aligned", **_facts(task, task.aligned, made, work)}
    return _held(task, result)


def moved(work: media.Work, aligned: Aligned, size: tuple[int, int]) -> media.Work:
    """Return the task with boxes and pictures converted to frames and pixels of another rip.

    Args:
        work: task for the original clip.
        aligned: position of the clip in the rip.
        size: width and height of the new clip, px.
    """
    shown: dict[int, list[int]] = {}
    for new, old in enumerate(aligned.frames):
        shown.setdefault(old, []).append(new)
    scale = np.array(aligned.size * 2, np.float64)
    rows = []
    for frame, *sides in work.boxes.tolist():
        share = (np.array(sides) / scale).tolist()
        box = aligned.frame.moved((share[0], share[1], share[2], share[3]))
        x1, y1, x2, y2 = (np.array(box) * np.array(size * 2)).tolist()
        if x2 - x1 >= 1 and y2 - y1 >= 1:
            rows += [(new, x1, y1, x2, y2) for new in shown.get(int(frame), ())]
    boxes = np.array(sorted(rows), np.float32).reshape(-1, 5)
    shows = np.array(aligned.frames)
    pictures = []
    for picture in work.pictures:
        nearest = int(np.abs(shows - picture.from_frame).argmin())
        pictures.append(media.Picture(picture.path, nearest, nearest + 1))
    return replace(work, boxes=boxes, pictures=tuple(pictures))


def _facts(task: Cut, aligned: Aligned, made: cut.Media, work: media.Work) -> dict[str, Any]:
    boxes: npt.NDArray[np.float32] = work.boxes
    return {
        "frames": made.frames,
        "fps": str(task.span.rate),
        "variable_rate": not task.span.even,
        "width": made.width,
        "height": made.height,
        "boxes": [[int(row[0]), aligned.frames[int(row[0])], *row[1:]] for row in boxes.tolist()],
    }


def _held(task: Cut, result: dict[str, Any]) -> dict[str, Any]:
    """Return the result, or a failure if the pictures differ from the recorded ones."""
    answers = [
        _compare(result["files"].get(path, result), *hashes)
        for path, hashes in task.recorded.items()
    ]
    if "different" in answers:
        for path in result["files"]:
            (task.work.root / path).unlink(missing_ok=True)
        why = "its pictures differ from the recorded ones"
        return {"clip_id": task.work.clip_id, "files": {}, "failed": why}
    return {**result, "rebuilt": "encoder" if "similar" in answers else "exact"}


def _compare(
    made: Mapping[str, Any], framehash: str, perceptual: str | None
) -> Literal["identical", "similar", "different"]:
    if made["framehash"] == framehash:
        return "identical"
    now, before = ((text or "").split() for text in (made["perceptual_hash"], perceptual))
    near = len(now) == len(before) and all(
        (int(a, 16) ^ int(b, 16)).bit_count() <= duplicates.DISTANCE
        for a, b in zip(now, before, strict=True)
    )
    return "similar" if near else "different"


@functools.lru_cache(maxsize=8)
def _info(video: Path, audio: str) -> VideoInfo:
    return probe(video, audio=audio)
