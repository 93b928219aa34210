"""95 % intervals from a bootstrap over groups of clips.

Clips of one show share faces, sets and light, so resampling single clips would overstate their
number. Whole shows are resampled with replacement, or videos if there are fewer than ten shows, or
clips if the videos are unknown. Each replicate also resamples the seeds, so that an interval covers
both. Rows tested on the same clips use the same replicates, so differences between them are paired
(`paired.py`).

The intervals are percentile intervals (Efron and Tibshirani, 1993, chapter 13). A proportion of few
clips can be 0 or 1 in every replicate. The interval of a proportion is therefore at least as wide
as Wilson's for as many independent clips (Wilson, 1927). Other figures without spread get no
interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from caer_data.benchmark.results.outcomes import Floats, Ints, Outcomes
from caer_data.benchmark.training.metrics import Figures, of_confusions

REPLICATES: Final = 2000
LEVEL: Final = 0.95
ENOUGH_SHOWS: Final = 10
FEW: Final = 20
"""Minimum number of groups; with fewer, percentile intervals are too narrow and unreliable."""

CHUNK: Final = 100
"""Replicates computed together, which limits memory and does not affect results."""

Z: Final = 1.959963984540054
"""Quantile of the normal distribution for `LEVEL`."""

SHARES: Final = ("war",)
SCORES: Final = ("war", "uar", "macro_f1")


@dataclass(frozen=True)
class Groups:
    """Groups to resample.

    Attributes:
        kind: shows, videos or clips.
        of: (n,) group of each sample, from 0.
        count: number of groups.
    """

    kind: Literal["shows", "videos", "clips"]
    of: Ints
    count: int

    @property
    def sentence(self) -> str:
        """Return a sentence about the intervals for readers."""
        said = f"95 % intervals: bootstrap over {self.count:,} {self.kind} and the seeds"
        if self.count < FEW:
            return f"{said}; with so few {self.kind} they are unreliable, most likely too narrow."
        if self.kind == "clips":
            return f"{said}; clips of one video resemble each other, so they are too narrow."
        return f"{said}."


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; bounds are None if its spread cannot be estimated.

    Attributes:
        value: mean over seeds.
        n: number of samples.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Replicates:
    """Figures of B bootstrap replicates: (B,) each, and recalls (B, K), NaN where undefined."""

    war: Floats
    uar: Floats
    macro_f1: Floats
    recalls: Floats


def groups_of(found: Outcomes) -> Groups:
    """Return the groups of clips: shows, else videos, else clips."""
    shows, videos = found.about["show"].astype(str), found.about["video"].astype(str)
    if (shows != "").all() and shows.nunique() >= ENOUGH_SHOWS:
        return _numbered("shows", shows.to_numpy(str))
    # videos of different shows may have the same name
    if (videos != "").all() and videos.nunique() > 1:
        return _numbered("videos", (shows + "\0" + videos).to_numpy(str))
    clips = found.about["clip_id"].where(found.about["clip_id"] != "", found.about["sample_id"])
    return _numbered("clips", clips.to_numpy(str))


def _numbered(kind: Literal["shows", "videos", "clips"], names: npt.NDArray[np.str_]) -> Groups:
    found, of = np.unique(names, return_inverse=True)
    return Groups(kind, np.asarray(of, np.int64), len(found))


def confusions(found: Outcomes, groups: Groups) -> Floats:
    """Return counts (S, G, K, K) for each seed and group; rows are labels, columns predictions."""
    runs, size = len(found.probabilities), len(found.classes)
    counts = np.zeros((runs, groups.count, size, size))
    for seed, answers in enumerate(found.answers):
        np.add.at(counts[seed], (groups.of, found.labels, answers), 1)
    return counts


def replicates(found: Outcomes, groups: Groups, count: int = REPLICATES) -> Replicates:
    """Resample groups and seeds with replacement, and return every figure for each replicate.

    The resampling of groups depends only on their number.
    """
    counts = confusions(found, groups)
    seeds, size = counts.shape[:2]
    parts = [_figures(counts, *weights) for weights in _draws(seeds, size, count)]
    return Replicates(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _draws(seeds: int, size: int, count: int) -> Iterator[tuple[Floats, Floats]]:
    """Yield how often each group occurs, (b, G), and each seed's share, (b, S), by replicate."""
    of_groups, of_seeds = np.random.default_rng([0, size]), np.random.default_rng([1, seeds])
    for start in range(0, count, CHUNK):
        drawn = min(CHUNK, count - start)
        times = of_groups.multinomial(size, np.full(size, 1 / size), size=drawn)
        share = of_seeds.multinomial(seeds, np.full(seeds, 1 / seeds), size=drawn) / seeds
        yield times.astype(float), share


def _figures(counts: Floats, times: Floats, share: Floats) -> tuple[Floats, ...]:
    """Return the war, uar, f1 and recalls of resampled groups, as means over resampled seeds."""
    tables = np.tensordot(times, counts, axes=(1, 1))  # (b, S, K, K)
    figures: Figures = of_confusions(tables)
    means = [(values * share).sum(1) for values in figures[:3]]
    return (*means, (figures.recalls * share[:, :, None]).sum(1))


def estimates(found: Outcomes, made: Replicates) -> dict[str, Estimate]:
    """Return WAR, UAR and macro-F1 with their intervals."""
    exact = _exact(found)
    return {
        name: _estimate(
            getattr(exact, name).mean(), getattr(made, name), len(found.labels), name in SHARES
        )
        for name in SCORES
    }


def by_class(found: Outcomes, made: Replicates) -> dict[str, Estimate]:
    """Return the recall of each class with its interval and number of samples."""
    recalls = _exact(found).recalls.mean(0)
    counts = np.bincount(found.labels, minlength=len(found.classes))
    return {
        name: _estimate(recalls[i], made.recalls[:, i], int(counts[i]), share=True)
        for i, name in enumerate(found.classes)
    }


def accuracy(found: Outcomes) -> Estimate:
    """Return the accuracy on some samples with its interval, using only their groups."""
    if not len(found.labels):
        return Estimate(None, None, None, 0)
    return estimates(found, replicates(found, groups_of(found)))["war"]


def share_right(groups: Groups, positions: Sequence[int], hits: Sequence[bool]) -> Estimate:
    """Return the share of correct answers with its interval; a sample may have several answers.

    Args:
        groups: groups of the samples.
        positions: sample of each answer.
        hits: whether each answer is correct.
    """
    of, right = groups.of[np.array(positions)], np.array(hits, float)
    sums = np.bincount(of, right, minlength=groups.count)
    answers = np.bincount(of, minlength=groups.count)

    def ratio(times: Floats) -> Floats:
        given = times @ answers
        unknown = np.full(len(given), np.nan)
        return np.asarray(np.divide(times @ sums, given, out=unknown, where=given > 0))

    made = np.concatenate([ratio(times) for times, _ in _draws(1, groups.count, REPLICATES)])
    return _estimate(float(right.mean()), made, len(right), share=True)


def _exact(found: Outcomes) -> Figures:
    whole = Groups("clips", np.zeros(len(found.labels), np.int64), 1)
    return of_confusions(confusions(found, whole)[:, 0])


def _estimate(value: float, drawn: Floats, n: int, share: bool) -> Estimate:
    if not n or np.isnan(value):
        return Estimate(None, None, None, n)
    low, high = percentiles(drawn)
    if share:
        wilson_low, wilson_high = wilson(float(value), n)
        low, high = min(low, wilson_low), max(high, wilson_high)
    elif low == high:
        return Estimate(float(value), None, None, n)
    return Estimate(float(value), low, high, n)


def percentiles(drawn: Floats) -> tuple[float, float]:
    """Return the middle 95 % of replicates, ignoring undefined ones."""
    outside = (1 - LEVEL) / 2
    low, high = np.nanquantile(drawn, [outside, 1 - outside])
    return float(low), float(high)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion in n independent trials."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
