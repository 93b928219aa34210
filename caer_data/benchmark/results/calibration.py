"""Calibration of the probabilities, compared with labels and with the raters' votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from caer_data.benchmark.data.votes import distributions
from caer_data.benchmark.results.outcomes import Floats, Ints, Outcomes

BINS: Final = 15
MIN_PROBABILITY: Final = 1e-12
"""Minimum probability before a logarithm is taken."""


@dataclass(frozen=True)
class Calibration:
    """Calibration on the test split, averaged over the seeds.

    Attributes:
        brier: squared distance of the probabilities from the label, 0 to 2.
        ece: expected calibration error over 15 bins of equal width (Guo et al., ICML 2017).
        temperature: fitted on validation; above 1, the model is overconfident. None without
            validation.
        ece_scaled: expected calibration error with that temperature.
        kl: divergence of the probabilities from the votes, nats; None if there are no votes.
        brier_votes: squared distance from the shares of votes.
        voted: number of samples with votes.
        bins: reliability: `low`, `high`, `n`, `confidence`, `accuracy`, over all seeds.
    """

    brier: float
    ece: float
    temperature: float | None
    ece_scaled: float | None
    kl: float | None
    brier_votes: float | None
    voted: int
    bins: pd.DataFrame


def calibration(found: Outcomes) -> Calibration:
    """Return the calibration of a row."""
    labels, runs = found.labels, found.probabilities
    heat = temperature(found.validation_labels, found.validation)
    scaled = None if heat is None else [ece(labels, with_temperature(p, heat)) for p in runs]
    votes = distributions([str(v) for v in found.about["votes"]], found.classes)
    known = ~np.isnan(votes).any(1)
    voted = [(votes[known], p[known]) for p in runs] if known.any() else []
    all_labels = np.tile(labels, len(runs))
    return Calibration(
        brier=float(np.mean([brier(labels, p) for p in runs])),
        ece=float(np.mean([ece(labels, p) for p in runs])),
        temperature=heat,
        ece_scaled=None if scaled is None else float(np.mean(scaled)),
        kl=float(np.mean([divergence(v, p) for v, p in voted])) if voted else None,
        brier_votes=float(np.mean([distance(v, p) for v, p in voted])) if voted else None,
        voted=int(known.sum()),
        bins=reliability(all_labels, runs.reshape(-1, runs.shape[-1])),
    )


def brier(labels: Ints, probabilities: Floats) -> float:
    """Return the mean squared distance of (n, K) probabilities from labels (Brier, 1950)."""
    return distance(np.eye(probabilities.shape[1])[labels], probabilities)


def distance(targets: Floats, probabilities: Floats) -> float:
    """Return the mean over samples of the squared distance of two distributions (n, K)."""
    return float(((targets - probabilities) ** 2).sum(1).mean())


def divergence(targets: Floats, probabilities: Floats) -> float:
    """Return the mean Kullback-Leibler divergence of (n, K) probabilities from targets, nats."""
    ratio = np.maximum(targets, MIN_PROBABILITY) / np.maximum(probabilities, MIN_PROBABILITY)
    return float((targets * np.log(ratio)).sum(1).mean())


def reliability(labels: Ints, probabilities: Floats, bins: int = BINS) -> pd.DataFrame:
    """Return confidence and accuracy of the most probable class, by bins of its confidence."""
    sure, right = probabilities.max(1), probabilities.argmax(1) == labels
    edges = np.linspace(0, 1, bins + 1)
    index = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    counts = np.bincount(index, minlength=bins)

    def mean(values: Floats) -> Floats:
        sums = np.bincount(index, values, minlength=bins)
        return np.asarray(
            np.divide(sums, counts, out=np.full(bins, np.nan), where=counts > 0), np.float64
        )

    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "n": counts,
            "confidence": mean(sure),
            "accuracy": mean(right.astype(float)),
        }
    )


def ece(labels: Ints, probabilities: Floats, bins: int = BINS) -> float:
    """Return the expected calibration error: the mean gap of confidence and accuracy over bins."""
    rows = reliability(labels, probabilities, bins)
    gaps = (rows["confidence"] - rows["accuracy"]).abs().fillna(0)
    return float((gaps * rows["n"]).sum() / rows["n"].sum())


def temperature(labels: Ints, probabilities: Floats) -> float | None:
    """Return the temperature that maximises the likelihood of validation labels, or None."""
    from scipy.optimize import minimize_scalar

    if not len(labels):
        return None

    def loss(log_heat: float) -> float:
        scaled = with_temperature(probabilities, float(np.exp(log_heat)))
        chosen = scaled[np.arange(len(labels)), labels]
        return float(-np.log(np.maximum(chosen, MIN_PROBABILITY)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def with_temperature(probabilities: Floats, heat: float) -> Floats:
    """Return probabilities (n, K) after dividing their logits by the temperature."""
    logits = np.log(np.maximum(probabilities, MIN_PROBABILITY)) / heat
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))
