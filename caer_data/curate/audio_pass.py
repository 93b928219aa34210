"""The sound artifact: results of one pass over a video's sound and subtitles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np

from caer_data.engine.artifacts import Artifact, write_json
from caer_data.engine.recipe import Speech
from caer_data.media.hearing import Block, Heard, hear
from caer_data.media.probe import VideoInfo
from caer_data.media.subtitle_tracks import SubtitleTrack
from caer_data.media.subtitles import Cue, Subtitles
from caer_data.media.voice import kept_voice

SOUND_VERSION: Final = 3


_OPEN_END_US: Final = 8_000_000  # assumed duration of a line without an end


def fill(
    folder: Path,
    path: Path,
    info: VideoInfo,
    settings: Speech,
    on_second: Callable[[], None],
    forgotten: Sequence[tuple[int, int]] = (),
) -> None:
    """Find speech in a video, read its subtitles, and write the results.

    Writes the members `sound.json` and `windows.npy` (the windows of all blocks, concatenated).

    Args:
        folder: folder of the artifact.
        path: the video file.
        info: its properties.
        settings: the section `speech` of the recipe.
        on_second: called at intervals as a sign of life.
        forgotten: spans, in microseconds of the container's clock; the text of their lines is
            removed.

    Raises:
        CaerError: the file can no longer be opened, or the model is not installed.
    """
    voice = kept_voice() if settings.voice == "silero" and info.has_audio else None
    heard = hear(path, info, voice, settings.subtitles, on_second)
    for found in heard.lines.values():
        found.cues = [_without_text(cue, forgotten) for cue in found.cues]
    windows = [np.zeros(0, np.uint8), *(block.windows for block in heard.blocks)]
    np.save(folder / "windows.npy", np.concatenate(windows))
    write_json(
        folder / "sound.json",
        {
            "blocks": [[block.start, len(block.windows)] for block in heard.blocks],
            "listened": settings.voice != "none",
            "origin": heard.origin,
            "lost": heard.lost,
            "tracks": [asdict(track) for track in heard.tracks],
            "lines": {str(stream): asdict(found) for stream, found in heard.lines.items()},
        },
    )


def read(artifact: Artifact) -> tuple[Heard, bool]:
    """Return what `fill` wrote, and whether a voice model was used."""
    facts = artifact.json("sound.json")
    windows = artifact.array("windows.npy")
    ends = np.cumsum([count for _, count in facts["blocks"]], dtype=np.int64)[:-1]
    parts = np.split(windows, ends)
    starts = [start for start, _ in facts["blocks"]]
    heard = Heard(
        blocks=[Block(*block) for block in zip(starts, parts, strict=False)],
        origin=facts["origin"],
        tracks=tuple(SubtitleTrack(**track) for track in facts["tracks"]),
        lines={int(stream): _subtitles(values) for stream, values in facts["lines"].items()},
        lost=facts["lost"],
    )
    return heard, facts["listened"]


def _without_text(cue: Cue, spans: Sequence[tuple[int, int]]) -> Cue:
    end = cue.start + _OPEN_END_US if cue.end is None else cue.end
    if any(cue.start < last and first < end for first, last in spans):
        return replace(cue, text="", speaker=None)
    return cue


def _subtitles(values: dict[str, object]) -> Subtitles:
    found = Subtitles(**values)  # type: ignore[arg-type]  # as `asdict` wrote it
    found.cues = [Cue(**cue) for cue in found.cues]  # type: ignore[arg-type]
    return found
