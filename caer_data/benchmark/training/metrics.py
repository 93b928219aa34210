"""Figures of merit from predictions (accuracy alone hides a rare class that is never found)."""

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
    """Figures of one test, shares from 0 to 1.

    Attributes:
        war: weighted average recall: the accuracy of the paper's tables.
        uar: unweighted average recall: mean of the recalls of the classes that occur.
        macro_f1: mean F1 of the classes that occur.
        recalls: recall of each class; NaN where it does not occur.
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
    """Score the most probable class of each sample.

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
    """Figures of many confusion matrices at once: (...) each, `recalls` (..., K)."""

    war: Array
    uar: Array
    macro_f1: Array
    recalls: Array


def of_confusions(matrices: npt.NDArray[Any]) -> Figures:
    """Figures of confusion matrices (..., K, K), rows labels; NaN where a matrix is empty."""
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
    """The most frequent training class, and the accuracy on test of always answering it."""
    chosen = int(np.bincount(train, minlength=classes).argmax())
    return chosen, float((test == chosen).mean())


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation; None with a single value, which has none."""
    mean = math.fsum(values) / len(values)
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return mean, deviation
