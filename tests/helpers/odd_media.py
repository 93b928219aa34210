"""Odd media, made with the FFmpeg that the package brings, and cut as a build cuts them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from caer_data.engine.recipe import Clips
from caer_data.media.clip_command import Source
from caer_data.media.cut import cut_clip
from caer_data.media.decode import frames
from caer_data.media.fields import Fields
from caer_data.media.frame_rate import span_of
from caer_data.media.probe import probe


def ffmpeg(*arguments: object) -> None:
    """Run FFmpeg with these arguments."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


def cut(
    path: Path,
    target: Path,
    start: int,
    end: int,
    fields: Fields = Fields.FLAGGED,
    handed_over: bool = False,
) -> Path:
    """Cut frames of a video into a clip."""
    info = replace(probe(path), fields=fields)
    reader = frames(path, info)
    pts = np.array([f.pts for f in reader])
    handed_over |= reader.damage.retimed > 0 or reader.reshaped
    source = Source(path, info, int(pts[0]), info.fps, handed_over, reader.interlaced > 0)
    span = span_of(pts, start, end, int(pts[end]), info.time_base, info.fps)
    cut_clip(source, span, target, Clips(preset="ultrafast", crf=12))
    return target
