"""Odd media, made with the FFmpeg that the package brings, and cut as a build cuts them."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
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


def set_edits(path: Path, edits: Sequence[tuple[int, int, float]]) -> None:
    """Replace the edit list of an MP4 file whose index is behind the pictures.

    Args:
        path: the file, with one track.
        edits: of each edit, length in the film's ticks (usually ms), start in the track's ticks
            (-1 for a pause), and speed.
    """
    data = path.read_bytes()
    entries = b"".join(
        struct.pack(">IiI", length, start, round(speed * 65536)) for length, start, speed in edits
    )
    listed = struct.pack(">I4sII", 16 + len(entries), b"elst", 0, len(edits)) + entries
    at = data.index(b"edts") - 4
    (old,) = struct.unpack_from(">I", data, at)
    put(path, (b"moov", b"trak"), struct.pack(">I4s", 8 + len(listed), b"edts") + listed, at, old)


def put(path: Path, boxes: Sequence[bytes], new: bytes, at: int, old: int = 0) -> None:
    """Replace `old` bytes of an MP4 file, behind its pictures, and enlarge the boxes around them.

    Args:
        path: the file.
        boxes: types of the boxes that contain the place.
        new: the new bytes.
        at: the place.
        old: number of bytes that are replaced.
    """
    data = bytearray(path.read_bytes())
    for box in boxes:
        head = data.index(box) - 4
        (size,) = struct.unpack_from(">I", data, head)
        struct.pack_into(">I", data, head, size + len(new) - old)
    data[at : at + old] = new
    path.write_bytes(data)
