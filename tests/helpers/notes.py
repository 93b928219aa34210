"""Made-up sound that can be told apart: a tune per seed."""

from __future__ import annotations

import numpy as np


def tune(seed: int, length: float, speed: float = 1.0) -> np.ndarray:
    """Chords of many notes, each of its own loudness, that change five times per second.

    Args:
        seed: which tune.
        length: seconds of the tune as it was made.
        speed: how many times as long it lasts where it is played slower.

    Returns:
        8,000 samples per second, int16.
    """
    random = np.random.default_rng([7, seed])
    notes = random.uniform(300, 1900, (int(length * 5) + 2, 24))
    loud = random.uniform(0, 1, notes.shape) ** 3
    at = np.arange(int(length * speed * 8000)) / 8000 / speed
    chord = (at * 5).astype(int)
    phase = np.cumsum(notes[chord] / speed, axis=0) * 2 * np.pi / 8000
    return ((np.sin(phase) * loud[chord]).sum(axis=1) * 2500).astype(np.int16)
