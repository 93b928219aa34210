"""Sound of a clip as logarithmic mel energies for each of its frames.

Raters hear the clips, although the paper's model does not. Sound is aligned with the frames by the
container's timestamps. Where a track starts late, has a gap or ends early, the sound is unknown
(NaN), which differs from silence.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

from caer_data.benchmark.recipe import MELS, columns_of
from caer_data.media.packets import Damage, decoded, readable_packets
from caer_data.media.probe import VideoInfo, open_container
from caer_data.media.resampling import Resampler

RATE: Final = 16_000
"""Sampling rate to which sound is converted, in Hz."""
LOW, HIGH = 60.0, 7600.0
"""Lowest and highest frequency of the bands in Hz, evenly spaced on the mel scale."""
WINDOW: Final = 400
"""Number of samples per column: 25 ms."""
FLOOR: Final = 1e-6
"""Energy of digital silence, added before the logarithm."""

_JUMP: Final = RATE // 20  # samples; sound is moved only if its timestamp is further off than this
_FFT: Final = 512

Samples = npt.NDArray[np.float32]


def log_mel(path: Path, info: VideoInfo, fps: float, frames: int) -> npt.NDArray[np.float32]:
    """Return the logarithmic mel energies of a clip.

    Args:
        path: the clip.
        info: result of probing the clip.
        fps: frames sampled per second.
        frames: number of frames.

    Returns:
        (frames, MELS, columns), NaN where the sound is unknown. The sound ends at the first
        decoding error.
    """
    return of_samples(_samples(path, info, _needed(fps, frames)), fps, frames)


def of_samples(samples: Samples, fps: float, frames: int) -> npt.NDArray[np.float32]:
    """Return the same for samples at `RATE` from the first frame on; unknown after their end."""
    short = max(_needed(fps, frames) - len(samples), 0)
    samples = np.pad(samples, (0, short), constant_values=np.nan)
    hop, total = _hop(fps), frames * columns_of(fps)
    starts = np.round(np.arange(total) * hop).astype(np.int64)
    columns = _columns(samples[starts[:, None] + np.arange(WINDOW)])
    return columns.reshape(frames, columns_of(fps), MELS).transpose(0, 2, 1).copy()


def _hop(fps: float) -> float:
    return RATE / (fps * columns_of(fps))


def _needed(fps: float, frames: int) -> int:
    return round(frames * columns_of(fps) * _hop(fps)) + WINDOW


def _columns(windows: Samples) -> npt.NDArray[np.float32]:
    """Convert samples (n, WINDOW) to energies (n, MELS); unknown if half of a window is."""
    unknown = np.isnan(windows)
    known = unknown.mean(axis=1) < 1 / 2
    shaped = np.where(unknown, 0, windows)[known] * np.hanning(WINDOW).astype(np.float32)
    power = np.abs(np.fft.rfft(shaped, _FFT, axis=1)) ** 2
    energies = np.full((len(windows), MELS), np.nan, np.float32)
    energies[known] = np.log(power @ _filters() + FLOOR)
    return energies


@functools.cache
def _filters() -> npt.NDArray[np.float64]:
    """Return triangular filters over the spectrum, (_FFT / 2 + 1, MELS), each with a sum of 1."""
    low, high = (2595 * np.log10(1 + f / 700) for f in (LOW, HIGH))
    edges = 700 * (10 ** (np.linspace(low, high, MELS + 2) / 2595) - 1)
    bins = np.arange(_FFT // 2 + 1)[:, None] * (RATE / _FFT)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.clip(np.minimum(rising, falling), 0, None)
    # the lowest bands are narrower than a bin and use the nearest one
    nearest = np.abs(bins - edges[1:-1]).argmin(axis=0)
    triangles[nearest, np.arange(MELS)] += (triangles.sum(axis=0) == 0).astype(float)
    return np.asarray(triangles / triangles.sum(axis=0))


def _samples(path: Path, info: VideoInfo, count: int) -> Samples:
    """Return `count` mono samples from the first frame on; NaN where the track has no sound."""
    found = np.full(count, np.nan, np.float32)
    if info.audio_index is None:
        return found
    start = info.start_pts * info.time_base if info.start_pts else Fraction(0)
    at = 0
    try:
        with open_container(path, info.max_pixels) as container:
            for part, time in _parts(container, container.streams[info.audio_index]):
                due = at if time is None else round((time - start) * RATE)
                at = due if abs(due - at) > _JUMP or not at else at
                inside = part[max(-at, 0) : max(count - at, 0)]
                found[max(at, 0) : max(at, 0) + len(inside)] = inside
                at += len(part)
                if at > count:
                    break
    except (av.FFmpegError, ValueError, OSError):
        pass
    return found


def _parts(container: Any, stream: Any) -> Iterator[tuple[Samples, Fraction | None]]:
    """Yield decoded sound at `RATE`, with its start time in seconds."""
    resampler = Resampler("flt", RATE)
    for packet in readable_packets(container, stream):
        for frame in decoded(stream.codec_context, packet, Damage()):
            for made in resampler.convert(frame):
                yield np.nan_to_num(made.to_ndarray()[0]), _time_of(made)


def _time_of(frame: Any) -> Fraction | None:
    if frame.pts is None or frame.time_base is None:
        return None
    return Fraction(frame.pts * frame.time_base)
