"""Cut the kept clips, and remember of each what it was cut from."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from caer_data import recipe as recipes
from caer_data.build.pieces import key_of, read_json, write_json
from caer_data.build.workers import Progress
from caer_data.errors import CaerError
from caer_data.files import sha256_of, slug
from caer_data.media.cut import Source, Span, cut_clip

CLIPS_VERSION = 3


@dataclass(frozen=True)
class Clip:
    """One clip to cut."""

    clip_id: str
    show: str
    source: Source
    span: Span
    sha256: str
    """Hash of the video."""

    @property
    def path(self) -> str:
        """Where the clip lies, relative to the dataset."""
        return f"clips/{slug(self.show)}/{self.clip_id}.mp4"

    def key(self, settings: recipes.Clips) -> str:
        """Key of the clip: the video's content, the frames, and how they are encoded."""
        encoding = settings.model_copy(update={"min_frames": 1, "max_seconds": 1.0})
        return key_of("clips", CLIPS_VERSION, encoding, self.sha256, asdict(self.span), self.path)


def record_path(work: Path, clip: Clip, settings: recipes.Clips) -> Path:
    """File that says that a clip is finished, and what it holds."""
    return work / "clips" / f"{clip.clip_id}.{clip.key(settings)}.json"


def finished(dataset: Path, work: Path, clip: Clip, settings: recipes.Clips) -> Any:
    """The record of a finished clip, or None if it has to be cut."""
    record = record_path(work, clip, settings)
    if not record.is_file():
        return None
    values = read_json(record)
    file = dataset / clip.path
    whole = file.is_file() and file.stat().st_size == values["bytes"]
    return values if whole else None


def cut(
    dataset: Path, work: Path, clips: list[Clip], settings: recipes.Clips, progress: Progress
) -> dict[str, str]:
    """Cut clips one after the other; returns the reasons of those that could not be cut."""
    problems = {}
    for clip in clips:
        started = time.perf_counter()
        target = dataset / clip.path
        try:
            media = cut_clip(clip.source, clip.span, target, settings)
        except CaerError as error:
            problems[clip.clip_id] = str(error)
            progress("clips", 1)
            continue
        values = {
            "width": media.width,
            "height": media.height,
            "fps": str(media.fps),
            "frames": media.frames,
            "has_audio": media.has_audio,
            "bytes": target.stat().st_size,
            "sha256": sha256_of(target),
            "seconds": time.perf_counter() - started,
        }
        write_json(record_path(work, clip, settings), values)
        progress("clips", 1)
    return problems
