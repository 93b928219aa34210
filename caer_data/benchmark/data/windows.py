"""Choose the windows of frames that a network gets (paper, section 5.1).

Training uses one random window of consecutive frames per clip and epoch. Testing uses windows that
overlap by half, the last one aligned with the end of the clip, so that every frame is used. If a
clip is shorter than a window, its last frame is repeated. An image is a clip of one frame.
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
    """Chosen frames: the samples' positions (n,) and rows (n, T) in the store's arrays."""

    samples: Indices
    rows: Indices

    def batches(self, size: int) -> Iterator[Pick]:
        """Yield picks of `size` samples; the last one may be smaller."""
        for i in range(0, len(self.samples), size):
            yield Pick(self.samples[i : i + size], self.rows[i : i + size])


def random_windows(store: Store, positions: Indices, frames: int, seed: int, epoch: int) -> Pick:
    """Return one window per sample in random order, the same for the same seed and epoch."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(positions)
    spare = np.maximum(store.frames[order] - frames, 0)
    starts = np.floor(random.random(len(order)) * (spare + 1)).astype(np.int64)
    return Pick(order, _rows(store, order, starts, frames))


def all_windows(store: Store, positions: Indices, frames: int, stride: int) -> Pick:
    """Return every window of every sample, in order."""
    starts = [window_starts(int(n), frames, stride) for n in store.frames[positions]]
    samples = np.repeat(positions, [len(s) for s in starts])
    flat = np.concatenate([np.zeros(0, np.int64), *(np.array(s, np.int64) for s in starts)])
    return Pick(samples, _rows(store, samples, flat, frames))


def window_starts(length: int, frames: int, stride: int) -> list[int]:
    """Return the first frames of a clip's windows; the last window ends with the clip."""
    last = max(length - frames, 0)
    starts = list(range(0, last + 1, stride))
    return starts if starts[-1] == last else [*starts, last]


def _rows(store: Store, samples: Indices, starts: Indices, frames: int) -> Indices:
    within = starts[:, None] + np.arange(frames)
    last = store.frames[samples, None] - 1
    rows: Indices = store.first[samples, None] + np.minimum(within, last)
    return rows
