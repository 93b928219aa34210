"""Find clips with labels that the model most disagrees with, for raters to check again.

The rule is that of confident learning (Northcutt, Jiang, Chuang: "Confident Learning: Estimating
Uncertainty in Dataset Labels", JAIR 2021, section 3.1). A class's threshold is the mean probability
of the class over the samples labelled with it. A sample is suspicious if, among the classes whose
threshold its probability reaches, the most probable one is not its label. It is implemented here
because the authors' library, cleanlab, is under the AGPL.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.files import write_text

COLUMNS = ("clip_id", "sample_id", "split", "label", "suggested", "p_label", "p_suggested")


def find(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return suspicious samples, lowest probability of the label first, and their likely classes.

    Args:
        labels: (n,) class ids.
        probabilities: (n, K), from models that were not trained on the sample.
    """
    classes = probabilities.shape[1]
    of_label = [probabilities[labels == k, k] for k in range(classes)]
    thresholds = np.array([p.mean() if len(p) else np.inf for p in of_label])
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    suggested = confident.argmax(1)
    found = np.flatnonzero((confident.max(1) >= 0) & (suggested != labels))
    own = probabilities[found, labels[found]]
    found = found[np.argsort(own, kind="stable")]
    return found, suggested[found]


def table(predictions: pd.DataFrame, classes: Sequence[str] = EMOTIONS) -> pd.DataFrame:
    """Return suspicious clips from predictions of runs, one row per clip, worst first.

    Probabilities of a clip in several runs, seeds or pictures are averaged.
    """
    columns = [f"p_{name}" for name in classes]
    keyed = predictions.assign(
        clip_id=predictions["clip_id"].where(predictions["clip_id"] != "", predictions["sample_id"])
    )
    clips = keyed.groupby("clip_id", sort=True, as_index=False, observed=True).agg(
        {**dict.fromkeys(columns, "mean"), "sample_id": "first", "split": "first", "label": "first"}
    )
    labels = clips["label"].to_numpy(np.int64)
    probabilities = clips[columns].to_numpy(np.float64)
    found, suggested = find(labels, probabilities)
    chosen = clips.iloc[found]
    names = np.array(classes)
    return pd.DataFrame(
        {
            "clip_id": chosen["clip_id"].to_numpy(),
            "sample_id": chosen["sample_id"].to_numpy(),
            "split": chosen["split"].to_numpy(),
            "label": names[labels[found]],
            "suggested": names[suggested],
            "p_label": probabilities[found, labels[found]].round(6),
            "p_suggested": probabilities[found, suggested].round(6),
        },
        columns=list(COLUMNS),
    )


def write(predictions: Sequence[pd.DataFrame], classes: Sequence[str], path: Path) -> int:
    """Write the suspicious clips among predictions of several runs; return their number."""
    found = table(pd.concat(predictions, ignore_index=True), classes)
    write_text(path, found.to_csv(index=False))
    return len(found)
