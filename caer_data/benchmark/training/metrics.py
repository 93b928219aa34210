"""Scores of predictions (accuracy alone would hide that a rare class is never predicted)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of one test, from 0 to 1.

    Attributes:
        war: weighted average recall: the accuracy of the paper's tables.
        uar: unweighted average recall: mean recall of the classes that occur.
        macro_f1: mean F1 of the classes that occur.
        recalls: recall of each class; NaN if it does not occur.
        confusion: (K, K) counts, rows are labels, columns predictions.
    """

    war: float
    uar: float
    macro_f1: float
    recalls: tuple[float, ...]
    confusion: Matrix


def score(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], classes: int
) -> Scores:
    """Return the scores of the most probable class of each sample.

    Args:
        labels: (n,) class ids; n is at least 1.
        probabilities: (n, classes).
        classes: number of classes K.
    """
    from sklearn.metrics import confusion_matrix

    names = np.arange(classes)
    matrix: Matrix = confusion_matrix(labels, probabilities.argmax(1), labels=names)
    found = of_confusions(matrix)
    return Scores(
        war=float(found.war),
        uar=float(found.uar),
        macro_f1=float(found.macro_f1),
        recalls=tuple(float(r) for r in found.recalls),
        confusion=matrix,
    )


class Figures(NamedTuple):
    """Scores of many confusion matrices at once: (...) each, `recalls` (..., K)."""

    war: Array
    uar: Array
    macro_f1: Array
    recalls: Array


def of_confusions(matrices: npt.NDArray[Any]) -> Figures:
    """Return scores of confusion matrices (..., K, K) with rows as labels; NaN if empty."""
    hits = np.diagonal(matrices, axis1=-2, axis2=-1).astype(float)  # (..., K)
    actual, predicted = matrices.sum(-1), matrices.sum(-2)
    occurs = actual > 0
    recalls = np.divide(hits, actual, out=np.full(hits.shape, np.nan), where=occurs)
    f1 = 2 * hits / np.maximum(actual + predicted, 1e-12)
    classes, total = occurs.sum(-1), actual.sum(-1)

    def mean(values: Array) -> Array:
        summed = np.where(occurs, values, 0).sum(-1)
        found = np.divide(summed, classes, out=np.full(summed.shape, np.nan), where=classes > 0)
        return np.asarray(found)

    war = np.divide(hits.sum(-1), total, out=np.full(total.shape, np.nan), where=total > 0)
    return Figures(war, mean(recalls), mean(f1), recalls)


def majority(
    train: npt.NDArray[np.int64], test: npt.NDArray[np.int64], classes: int
) -> tuple[int, float]:
    """Return the most frequent training class, and the test accuracy of always predicting it."""
    chosen = int(np.bincount(train, minlength=classes).argmax())
    return chosen, float((test == chosen).mean())


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and the sample standard deviation, which is None for a single value."""
    mean = math.fsum(values) / len(values)
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return mean, deviation
