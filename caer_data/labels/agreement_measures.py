"""Agreement of raters on nominal classes, from counts: alpha, Fleiss' and Cohen's kappa.

Counts have the shape (clips, classes) and say how many raters chose each class for a clip. An
undefined measure is NaN, such as agreement beyond chance where all answers are the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def coincidences(counts: Array) -> Array:
    """Return Krippendorff's coincidence matrix (classes, classes) of clips with two raters or more.

    Each clip adds its ordered pairs of answers by different raters, divided by its number of raters
    minus one. The row of a class therefore sums to how often the class was chosen. K. Krippendorff,
    "Content Analysis", chapter on reliability.
    """
    pairable = counts[counts.sum(axis=1) >= 2]
    others = pairable / (pairable.sum(axis=1, keepdims=True) - 1)
    result: Array = pairable.T @ others - np.diag(others.sum(axis=0))
    return result


def krippendorff_alpha(counts: Array) -> float:
    """Return Krippendorff's alpha for nominal data; clips with a single answer are ignored.

    1 is perfect agreement, 0 is chance, and values below 0 mean systematic disagreement. Any number
    of raters per clip is allowed. K. Krippendorff, "Computing Krippendorff's alpha-reliability",
    https://repository.upenn.edu/asc_papers/43.
    """
    table = coincidences(counts)
    return float(_alpha(np.diag(table).sum(), table.sum(axis=1)))


def alpha_interval(
    counts: Array, bootstraps: int, seed: int, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of alpha from clips drawn with replacement (percentile bootstrap).

    Clips are resampled rather than answers, because another dataset would consist of other clips.
    For this interval see Zapf et al., "Measuring inter-rater reliability for nominal data", BMC
    Medical Research Methodology 16:93, 2016. Clips with equal counts are drawn together, so the
    running time hardly depends on the number of clips.
    """
    pairable = counts[counts.sum(axis=1) >= 2]
    if len(pairable) == 0 or bootstraps == 0:
        return float("nan"), float("nan")
    patterns, times = np.unique(pairable, axis=0, return_counts=True)
    raters = patterns.sum(axis=1)
    agreeing = (patterns * (patterns - 1)).sum(axis=1) / (raters - 1)
    drawn = np.random.default_rng(seed).multinomial(
        len(pairable), times / len(pairable), size=bootstraps
    )
    alphas = _alpha(drawn @ agreeing, drawn @ patterns)
    if np.isnan(alphas).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(alphas, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def fleiss_kappa(counts: Array) -> float:
    """Return Fleiss' kappa; every clip must have the same number of raters, at least two.

    J. L. Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin
    76(5), 1971, https://doi.org/10.1037/h0031619.
    """
    if len(counts) == 0 or counts[0].sum() < 2:
        return float("nan")
    if (counts.sum(axis=1) != counts[0].sum()).any():
        raise ValueError("Fleiss' kappa needs the same number of raters for every clip")
    shares = counts.sum(axis=0) / counts.sum()
    observed = np.diag(coincidences(counts)).sum() / counts.sum()
    return float(_beyond_chance(observed, (shares**2).sum()))


def class_agreement(counts: Array) -> tuple[Array, Array]:
    """Return each class's specific agreement and its kappa, both of shape (classes,).

    Specific agreement is the probability that a second rater chose the class, given that a first
    did (the conditional probability of Fleiss, 1971). The kappa is that of the single class.
    """
    table = coincidences(counts)
    chosen = table.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        specific: Array = np.diag(table) / chosen
        shares = chosen / chosen.sum()
    return specific, _beyond_chance(specific, shares)


def cohen_kappas(tables: Array) -> tuple[Array, Array]:
    """Return the observed agreement and Cohen's kappa of each pair of raters.

    `tables` has the shape (pairs, classes, classes).

    J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological
    Measurement 20(1), 1960, https://doi.org/10.1177/001316446002000104.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = tables / tables.sum(axis=(1, 2), keepdims=True)
    observed: Array = np.trace(shares, axis1=1, axis2=2)
    expected = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    return observed, _beyond_chance(observed, expected)


def _alpha(agreeing: Array, chosen: Array) -> Array:
    """Return alpha from the trace of the coincidence matrix and its row sums (last axis)."""
    total = chosen.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        disagreement = (total - 1) * (total - agreeing) / (total**2 - (chosen**2).sum(axis=-1))
    result: Array = np.where(np.isfinite(disagreement), 1 - disagreement, np.nan)
    return result


def _beyond_chance(observed: Array, expected: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        result = np.asarray((observed - expected) / (1 - expected))
    return np.where(np.isfinite(result), result, np.nan)


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion; NaN without trials.

    Its coverage holds even for few trials and for proportions near 0 and 1. L. D. Brown, T. T. Cai
    and A. DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16(2),
    2001.
    """
    if not trials:
        return float("nan"), float("nan")
    z = 1.959963984540054
    share = hits / trials
    middle = share + z**2 / (2 * trials)
    half = z * float(np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)))
    scale = 1 + z**2 / trials
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
