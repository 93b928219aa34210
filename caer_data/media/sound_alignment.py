"""Alignment of a video's sound, known only by its fingerprints, with that of another file.

The other file's sound is available, so it is fingerprinted more often than the video's was, at each
pitch at which copies are played. Equal bits vote for shifts in time, as similar pictures do in
`alignment`; the share of different bits around a moment shows whether both sound alike there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from caer_data.media import sound_prints
from caer_data.media.sound_prints import RATE, Samples

Floats = npt.NDArray[np.float64]
Costs = npt.NDArray[np.float32]
Prints = npt.NDArray[np.uint32]

FINE: Final = 5
"""Fingerprints of the other file per fingerprint of the video: one every 12.5 ms."""

PITCHES: Final = (1.0, 24 / 25, 25 / 24)
"""Seconds of the other file per second of the video, where its pitch changed with its speed."""

CHANCE: Final = 32.0
"""Cost of unrelated sound; equal bits cost 0, as for hashes of pictures."""

_NEAR: Final = 4  # maximum difference in the other half of a fingerprint of which one half is equal
_CROWD: Final = 24  # fingerprints with equal halves that are compared
_MIN_VOTES: Final = 24  # fingerprints that must vote for the best shift
_AROUND: Final = RATE // 2  # fingerprints before and after a moment that are compared
_MIN_HEARD: Final = RATE // 2  # fingerprints around a moment in which both files are not silent
_MIDDLE: Final = 0.185  # s from the start of a fingerprint's window to its middle
_BIN: Final = 0.5  # s; votes for shifts within one bin are added up
_SHIFTS: Final = 12  # number of shifts that are tried
_BLOCK: Final = 1 << 20  # samples that are resampled at a time


class SoundAlignment:
    """Sound of a file, compared with that of a known video.

    Args:
        known: fingerprints of the video, `sound_prints.RATE` per second from its first frame on.
        samples: sound of the file from its first frame on.
    """

    def __init__(self, known: Prints, samples: Samples) -> None:
        self._known = known
        self._pitch, self._pairs = 1.0, np.zeros((0, 2))
        most = -1.0
        for pitch in PITCHES:
            rough = sound_prints.of_samples(_resampled(samples, pitch))
            pairs = _alike(known, rough) / RATE * np.array([1.0, pitch])
            votes = _shifts(pairs, pitch)[1]
            if len(votes) and votes[0] > most:
                most, self._pitch, self._pairs = votes[0], pitch, pairs
        self._fine = sound_prints.of_samples(_resampled(samples, self._pitch), FINE)

    def shifts(self, speed: float) -> Floats:
        """Return the likeliest shifts in time at a speed, seconds; empty if there are none."""
        found, votes = _shifts(self._pairs, speed)
        return found[votes >= _MIN_VOTES]

    def cost(self, times: Floats, speed: float, shift: float, steps: Floats) -> Costs:
        """Return how different the sound is around moments of the video.

        Args:
            times: the moments, seconds from the first frame; shape (n,).
            speed: seconds of the file per second of the video.
            shift: position of the video's first frame in the file, seconds.
            steps: further shifts, seconds; shape (m,).

        Returns:
            Different bits out of 64; infinite where either is silent or absent; shape (n, m).
        """
        first, last = self._around(times)
        low, high = int(first.min(initial=0)), int(last.max(initial=0))
        known = self._known[low:high]
        due = (np.arange(low, high) / RATE * speed + shift)[:, None] + steps
        at = np.round(due / self._pitch * RATE * FINE).astype(np.int64)
        there = (at >= 0) & (at < len(self._fine))
        heard = self._fine[np.where(there, at, 0)] if len(self._fine) else np.zeros_like(at)
        both = there & (heard != 0) & (known != 0)[:, None]
        bits = np.bitwise_count(heard.astype(np.uint32) ^ known[:, None])
        different = _summed(np.where(both, bits, 0), first - low, last - low)
        counted = _summed(both, first - low, last - low)
        cost = 2.0 * different / np.maximum(counted, 1)
        return np.asarray(np.where(counted >= _MIN_HEARD, cost, np.inf), np.float32)

    def over(self, start: float, end: float, speed: float, shift: float, steps: Floats) -> Costs:
        """Return the same over a whole span of the video; shape (m,)."""
        middles = np.arange(start + 0.5, max(end - 0.5, start + 0.6), 1.0)
        cost = self.cost(middles, speed, shift, steps)
        heard = np.isfinite(cost)
        mean = np.where(heard, cost, 0).sum(axis=0) / np.maximum(heard.sum(axis=0), 1)
        enough = heard.sum(axis=0) * 2 >= len(middles)
        return np.asarray(np.where(enough, mean, np.inf), np.float32)

    def _around(self, times: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        middle = np.round((times - _MIDDLE) * RATE).astype(np.int64)
        count = len(self._known)
        return np.clip(middle - _AROUND, 0, count), np.clip(middle + _AROUND + 1, 0, count)


def votes(known: Sequence[Prints], samples: Samples) -> npt.NDArray[np.int64]:
    """Return for how many fingerprints of each video a file has equal ones at one shift in time.

    Too few to be more than chance count as 0.

    Args:
        known: fingerprints of the videos.
        samples: sound of the file.
    """
    most = np.zeros(len(known), np.int64)
    for pitch in PITCHES if len(samples) else ():
        rough = sound_prints.of_samples(_resampled(samples, pitch))
        for number, prints in enumerate(known):
            found = _shifts(_alike(prints, rough) / RATE * np.array([1.0, pitch]), pitch)[1]
            most[number] = max(most[number], int(found.max(initial=0)))
    return np.where(most >= _MIN_VOTES, most, 0)


def _resampled(samples: Samples, pitch: float) -> Samples:
    """Return sound played so that a copy of the given pitch sounds as the video does."""
    if pitch == 1.0 or not len(samples):
        return samples
    made = np.empty(int(len(samples) / pitch), np.int16)
    for first in range(0, len(made), _BLOCK):
        at = np.arange(first, min(first + _BLOCK, len(made))) * pitch
        low, high = int(at[0]), min(int(at[-1]) + 2, len(samples))
        made[first : first + _BLOCK] = np.interp(at, np.arange(low, high), samples[low:high])
    return made


def _alike(known: Prints, rough: Prints) -> npt.NDArray[np.int64]:
    """Return the indexes of fingerprints that are almost equal and not silent; shape (pairs, 2)."""
    here, there = np.flatnonzero(known), np.flatnonzero(rough)
    found = [np.zeros((0, 2), np.int64)]
    for low in (0, 16):
        keys = [(values >> np.uint32(low)) & np.uint32(0xFFFF) for values in (known, rough)]
        order = there[np.argsort(keys[1][there], kind="stable")]
        ordered = keys[1][order]
        asked = keys[0][here]
        first = np.searchsorted(ordered, asked)
        count = np.minimum(np.searchsorted(ordered, asked, side="right") - first, _CROWD)
        rows = np.repeat(here, count)
        offsets = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        columns = order[np.repeat(first, count) + offsets]
        near = np.bitwise_count(known[rows] ^ rough[columns]) <= _NEAR
        found.append(np.stack([rows[near], columns[near]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _shifts(pairs: Floats, speed: float) -> tuple[Floats, Floats]:
    """Return the shifts with the most votes, in descending order, and their votes."""
    if not len(pairs):
        return np.zeros(0), np.zeros(0)
    shift = pairs[:, 1] - pairs[:, 0] * speed
    bins = np.floor(shift / _BIN).astype(np.int64)
    low = int(bins.min())
    votes = np.unique(np.stack([bins - low, np.round(pairs[:, 0] * RATE)], axis=1), axis=0)
    counts = np.bincount(votes[:, 0].astype(np.int64)).astype(float)
    both = counts + np.pad(counts, 1)[2:]  # a true shift may lie between two bins
    order = np.argsort(-both, kind="stable")[: 4 * _SHIFTS]
    chosen: list[int] = []
    for index in order.tolist():
        if all(abs(index - other) > 1 for other in chosen):
            chosen.append(index)
    kept = np.array(chosen[:_SHIFTS])
    return np.asarray((kept + low + 1.0) * _BIN), np.asarray(both[kept])


def _summed(
    values: npt.NDArray[np.generic], first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]
) -> Floats:
    """Return the sums of ranges of rows; shape (ranges, columns)."""
    total = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=total[1:])
    return np.asarray(total[last] - total[first])
