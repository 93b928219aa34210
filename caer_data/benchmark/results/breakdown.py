"""Break down test results by show, and by class over all thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from caer_data.benchmark.results.intervals import accuracy
from caer_data.benchmark.results.outcomes import Floats, Outcomes
from caer_data.benchmark.training.metrics import score


@dataclass(frozen=True)
class Curve:
    """Precision and recall of one class versus all others, by decreasing threshold.

    Attributes:
        recall: (m,), starting at 0.
        precision: (m,).
        average: average precision.
        n: number of samples of the class.
    """

    recall: Floats
    precision: Floats
    average: float
    n: int


def by_show(found: Outcomes) -> pd.DataFrame:
    """Return `show` (`video` if unknown), `n`, `war` with `low` and `high`, and `uar`."""
    column = "show" if (found.about["show"] != "").all() else "video"
    names = found.about[column].astype(str)
    rows = []
    for name in sorted(set(names) - {""}):
        part = found.only((names == name).to_numpy())
        right = accuracy(part)
        uars = [score(part.labels, p, len(part.classes)).uar for p in part.probabilities]
        rows.append(
            {
                column: name,
                "n": right.n,
                "war": right.value,
                "low": right.low,
                "high": right.high,
                "uar": float(np.mean(uars)),
            }
        )
    return pd.DataFrame(rows, columns=[column, "n", "war", "low", "high", "uar"])


def curves(found: Outcomes) -> dict[str, Curve]:
    """Return precision and recall of each class, from the mean probability over seeds."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    drawn = {}
    means = found.probabilities.mean(0)
    for label, name in enumerate(found.classes):
        positive = found.labels == label
        if positive.any():
            precision, recall, _ = precision_recall_curve(positive, means[:, label])
            average = float(average_precision_score(positive, means[:, label]))
            drawn[name] = Curve(recall[::-1], precision[::-1], average, int(positive.sum()))
    return drawn
