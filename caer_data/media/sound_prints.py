"""Fingerprints of sound: bits that tell how the energy of neighbouring bands changes.

They follow Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002, and are
robust against changes of codec, bit rate and loudness, but not of speed.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

from caer_data.media.packets import Damage, decoded, readable_packets
from caer_data.media.probe import VideoInfo, open_container
from caer_data.media.resampling import Resampler
from caer_data.media.sound_clock import SoundClock

RATE: Final = 16
"""Fingerprints per second."""

Samples = npt.NDArray[np.int16]
"""One channel of sound, 8,000 samples per second."""

SAMPLES: Final = 8000
"""Samples of sound per second."""

_HOP = SAMPLES // RATE
_WINDOW = 2960  # samples, 0.37 s as in the paper
_LOW, _HIGH = 300.0, 2000.0  # Hz
_BANDS = 33
_QUIET = 1e-4  # mean power (out of 1) below which sound counts as silence
_CHUNK = 256  # windows transformed at a time
_JUMP = SAMPLES // 20  # samples; only timestamps that deviate by more than this move the sound
_MAX_SAMPLES = 6 * 3600 * SAMPLES


def sound_prints(path: Path, info: VideoInfo) -> npt.NDArray[np.uint32]:
    """Return fingerprints of the video's chosen sound from its first frame on; empty without sound.

    Silence is 0. If decoding fails, the fingerprints end there.
    """
    return of_samples(samples_of(path, info))


def samples_of(path: Path, info: VideoInfo) -> Samples:
    """Return the video's chosen sound from its first frame on; empty without sound.

    If decoding fails, the sound ends there.
    """
    if info.audio_index is None:
        return np.zeros(0, np.int16)
    start = info.start_pts * info.time_base if info.start_pts else Fraction(0)
    return _samples(path, info, start)


def of_samples(samples: Samples, fine: int = 1) -> npt.NDArray[np.uint32]:
    """Return the fingerprints of sound, `fine` times `RATE` per second; silence is 0."""
    hop = _HOP // fine
    count = (len(samples) - _WINDOW) // hop + 1
    if count < 2:
        return np.zeros(0, np.uint32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::hop]
    made = np.empty(count, np.uint32)
    before: npt.NDArray[np.float64] | None = None
    for at in range(0, count, _CHUNK):
        energies = _energies(windows[at : at + _CHUNK])
        slope = np.diff(energies, axis=1)
        if before is None:
            before = np.repeat(slope[:1], fine, axis=0)
        earlier = np.concatenate([before, slope])
        bits = slope > earlier[: len(slope)]
        packed = (bits * (1 << np.arange(_BANDS - 1, dtype=np.uint64))).sum(axis=1)
        packed[energies.mean(axis=1) < np.log(_QUIET)] = 0
        made[at : at + _CHUNK] = packed
        before = earlier[-fine:]
    return made


def _energies(windows: Samples) -> npt.NDArray[np.float64]:
    """Return the logarithm of the energy in each band of each window; shape (n, bands)."""
    power = np.abs(np.fft.rfft(windows * (np.hanning(_WINDOW) / 2**15), axis=1)) ** 2
    edges = np.geomspace(_LOW, _HIGH, _BANDS + 1) / SAMPLES * _WINDOW
    starts = edges.round().astype(int)
    sums = np.add.reduceat(power[:, : starts[-1]], starts[:-1], axis=1)
    return np.asarray(np.log(sums + 1e-9))


def _samples(path: Path, info: VideoInfo, start: Fraction) -> Samples:
    parts: list[Samples] = []
    at = 0
    try:
        with open_container(path, info.max_pixels) as container:
            stream = container.streams[info.audio_index]
            resampler, clock = Resampler("s16", SAMPLES), SoundClock(SAMPLES)
            for frame in _frames(container, stream):
                for made in resampler.convert(frame):
                    part = made.to_ndarray().reshape(-1).astype(np.int16)
                    part = _placed(part, at, made, start, clock)
                    parts.append(part)
                    at += len(part)
                if at > _MAX_SAMPLES:
                    break
    except (av.FFmpegError, ValueError, OSError):
        pass
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def _frames(container: Any, stream: Any) -> Any:
    for packet in readable_packets(container, stream):
        yield from decoded(stream.codec_context, packet, Damage())


def _placed(part: Samples, at: int, made: Any, start: Fraction, clock: SoundClock) -> Samples:
    """Return a part with silence in front, or without its start, so that it is in its place."""
    if made.pts is None:
        return part
    due = round((made.pts * made.time_base - start) * SAMPLES)
    ahead = clock.ahead(due, at) if at else due
    if abs(ahead) <= _JUMP or ahead > _MAX_SAMPLES:
        return part
    return np.pad(part, (ahead, 0)) if ahead > 0 else part[-ahead:]
