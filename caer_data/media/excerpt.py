"""Copying a part of a video without decoding it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import imageio_ffmpeg

from caer_data.engine.errors import CaerError
from caer_data.media.probe import FORMATS, VideoInfo

_TIMEOUT_S: Final = 300


def excerpt(path: Path, info: VideoInfo, start_s: float, length_s: float, target: Path) -> None:
    """Copy the pictures and sound of a part to a Matroska file that begins at a key frame.

    Args:
        path: the video.
        info: its properties.
        start_s: start of the part, seconds from the start of the file.
        length_s: length of the part, seconds.
        target: the file to write.

    Raises:
        CaerError: the streams cannot be copied.
    """
    streams = [info.stream_index, *([] if info.audio_index is None else [info.audio_index])]
    process = subprocess.Popen(
        [
            *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-nostdin"),
            *("-protocol_whitelist", "file", "-format_whitelist", FORMATS),
            *(word for name, value in info.opening for word in (f"-{name}", value)),
            *("-ss", f"{start_s:.3f}", "-t", f"{length_s:.3f}", "-i", f"file:{path}"),
            *(word for stream in streams for word in ("-map", f"0:{stream}")),
            *("-c", "copy", "-f", "matroska", f"file:{target}"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        _, said = process.communicate(timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise CaerError(f"{path.name}: ffmpeg did not copy a part within {_TIMEOUT_S} s") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        lines = said.decode("utf-8", "replace").strip().splitlines() or ["ffmpeg failed"]
        raise CaerError(f"{path.name}: a part of it could not be copied: {lines[-1]}")
