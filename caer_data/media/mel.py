"""Mel-frequency cepstral coefficients of sound, the input of speech models.

The result equals that of `python_speech_features.mfcc(samples, 16000)` with its defaults: windows
of 25 ms every 10 ms, 26 filters, 13 coefficients, of which the first is the energy.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from caer_data.media.voice import RATE

PER_SECOND: Final = 100
"""Rows per second."""
COEFFICIENTS: Final = 13
_WINDOW, _STEP, _FFT, _FILTERS = 400, RATE // PER_SECOND, 512, 26
_PREEMPHASIS, _LIFTER = 0.97, 22
_MIN_ENERGY = np.finfo(np.float64).eps


def mfcc(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Return the mel-frequency cepstral coefficients of sound.

    Args:
        samples: mono, at `voice.RATE`; shape (samples,).

    Returns:
        Coefficients, shape (windows, 13).
    """
    from scipy.fft import dct

    signal = samples.astype(np.float64)
    signal = np.append(signal[:1], signal[1:] - _PREEMPHASIS * signal[:-1])
    count = 1 + max(0, -(-(len(signal) - _WINDOW) // _STEP))
    padded = np.zeros((count - 1) * _STEP + _WINDOW)
    padded[: len(signal)] = signal
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_STEP]
    power = np.abs(np.fft.rfft(windows, _FFT)) ** 2 / _FFT
    energy = np.maximum(power.sum(axis=1), _MIN_ENERGY)
    mel = np.log(np.maximum(power @ _filters().T, _MIN_ENERGY))
    found = dct(mel, type=2, axis=1, norm="ortho")[:, :COEFFICIENTS]
    found *= 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / _LIFTER)
    found[:, 0] = np.log(energy)
    return found.astype(np.float32)


@cache
def _filters() -> npt.NDArray[np.float64]:
    """Return triangular filters, evenly spaced on the mel scale; shape (26, 257)."""
    highest = 2595 * np.log10(1 + RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, highest, _FILTERS + 2) / 2595) - 1)
    edges = np.floor((_FFT + 1) * hertz / RATE)
    bins = np.arange(_FFT // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    inside = (bins >= edges[:-2, None]) & (bins < edges[2:, None])
    return np.where(inside, np.minimum(rising, falling), 0.0)
