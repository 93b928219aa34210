"""Decoding a whole file into a small picture of every frame, fingerprints, and sound."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from caer_data.engine.errors import CaerError
from caer_data.media import fingerprints
from caer_data.media.decode import frames
from caer_data.media.fields import Fields
from caer_data.media.fingerprints import GRID, Seen
from caer_data.media.frame import Picture
from caer_data.media.interlacing import Interlacing
from caer_data.media.probe import VideoInfo
from caer_data.media.sound_prints import SAMPLES, Samples, samples_of

SIZE: Final = (64, 36)
"""Size of the picture of a frame including its bars, px."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scan:
    """The result of decoding a file from start to end.

    Attributes:
        pts: timestamp of every frame in the file's time base, rising; shape (m,), int64.
        end_pts: end of the last frame.
        times: time of each frame, seconds from the first one; shape (m,).
        pictures: grey pictures of whole frames at `SIZE`; shape (m, height, width), uint8.
        rough: fingerprints, `fingerprints.RATE` per second.
        interlaced: whether some frames are flagged as two fields.
        fields: what the pictures ask to be done with fields.
        handed_over: whether frames cannot be cut by timestamp; see `clip_command.Source`.
        sound: the chosen sound from the first frame on; empty if there is none or it is not wanted.
    """

    pts: npt.NDArray[np.int64]
    end_pts: int
    times: Floats
    pictures: Picture
    rough: Seen
    interlaced: bool
    fields: Fields
    handed_over: bool
    sound: Samples = field(default_factory=lambda: np.zeros(0, np.int16))

    @property
    def rough_times(self) -> Floats:
        """Time of each fingerprint, seconds from the first frame."""
        return self.times[np.searchsorted(self.pts, self.rough[0])]


def shares(inside: npt.NDArray[np.uint8]) -> Floats:
    """Convert boxes between bars from cells of `GRID` to shares of the frame; shape (n, 4)."""
    return np.asarray(inside / np.array(GRID * 2, np.float64))


def scan(path: Path, info: VideoInfo, sound: bool = False) -> Scan:
    """Decode a file and return its pictures and fingerprints.

    Args:
        path: the file.
        info: its properties.
        sound: whether to decode the sound, too.

    Raises:
        CaerError: no frame can be decoded.
    """
    writer, fields_seen = fingerprints.Writer(info.time_base), Interlacing()
    reader = frames(path, info, for_analysis=True)
    pts: list[int] = []
    pictures: list[Picture] = []
    end_pts = 0
    for frame in reader:
        writer.push(frame)
        fields_seen.push(frame)
        pts.append(frame.pts)
        pictures.append(frame.luma(*SIZE))
        end_pts = frame.pts + frame.duration
    if not pts:
        raise CaerError(f"{path}: no frame can be decoded")
    stamps = np.array(pts, np.int64)
    heard = samples_of(path, info) if sound else np.zeros(0, np.int16)
    length = float((end_pts - stamps[0]) * info.time_base)  # some files have sound for longer
    return Scan(
        stamps,
        end_pts,
        np.asarray((stamps - stamps[0]) * float(info.time_base)),
        np.array(pictures, np.uint8),
        writer.finish(),
        interlaced=reader.interlaced > 0,
        fields=fields_seen.measured().fields,
        handed_over=reader.damage.retimed > 0 or reader.reshaped,
        sound=heard[: round(length * SAMPLES)],
    )
