"""Which frames of a sample a network is shown (paper, section 5.1).

Training takes one random window of consecutive frames from each clip and epoch; testing takes
windows that overlap by half, the last one aligned to the end, so that every frame is seen. A clip
shorter than a window repeats its last frame. An image is a clip of one frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from caer_data.benchmark.data.store import Store

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pick:
    """Frames to show: the samples' positions (n,) and rows (n, T) in the store's arrays."""

    samples: Indices
    rows: Indices

    def batches(self, size: int) -> Iterator[Pick]:
        """Split into picks of `size`, the last one smaller."""
        for i in range(0, len(self.samples), size):
            yield Pick(self.samples[i : i + size], self.rows[i : i + size])


def random_windows(store: Store, positions: Indices, frames: int, seed: int, epoch: int) -> Pick:
    """One window a sample, in random order: the same for the same seed and epoch."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(positions)
    spare = np.maximum(store.frames[order] - frames, 0)
    starts = np.floor(random.random(len(order)) * (spare + 1)).astype(np.int64)
    return Pick(order, _rows(store, order, starts, frames))


def all_windows(store: Store, positions: Indices, frames: int, stride: int) -> Pick:
    """Every window of every sample, in order."""
    starts = [window_starts(int(n), frames, stride) for n in store.frames[positions]]
    samples = np.repeat(positions, [len(s) for s in starts])
    flat = np.concatenate([np.zeros(0, np.int64), *(np.array(s, np.int64) for s in starts)])
    return Pick(samples, _rows(store, samples, flat, frames))


def window_starts(length: int, frames: int, stride: int) -> list[int]:
    """First frames of the windows of a clip; the last window ends with the clip."""
    last = max(length - frames, 0)
    starts = list(range(0, last + 1, stride))
    return starts if starts[-1] == last else [*starts, last]


def _rows(store: Store, samples: Indices, starts: Indices, frames: int) -> Indices:
    within = starts[:, None] + np.arange(frames)
    last = store.frames[samples, None] - 1
    rows: Indices = store.first[samples, None] + np.minimum(within, last)
    return rows
