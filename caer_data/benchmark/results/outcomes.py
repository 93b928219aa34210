"""Predictions of a row's runs on the same test samples.

They are the basis of all figures about uncertainty, people and calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine.errors import CaerError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outcomes:
    """Predictions for n samples by S runs that differ only in their seed.

    Attributes:
        about: (n,) rows with `sample_id`, `clip_id`, `show`, `video`, `votes`, ordered by sample.
        labels: (n,) class ids.
        probabilities: (S, n, K).
        classes: K names.
        validation_labels: (m,) labels of the validation samples of all runs, concatenated.
        validation: (m, K) their probabilities; empty if there are none.
    """

    about: pd.DataFrame
    labels: Ints
    probabilities: Floats
    classes: tuple[str, ...]
    validation_labels: Ints
    validation: Floats

    @property
    def ids(self) -> list[str]:
        """Names of the samples."""
        return [str(name) for name in self.about["sample_id"]]

    @property
    def answers(self) -> Ints:
        """(S, n) most probable classes."""
        return np.asarray(self.probabilities.argmax(2), np.int64)

    @property
    def hits(self) -> Mask:
        """(S, n) whether the most probable class is the label."""
        return np.asarray(self.answers == self.labels)

    @property
    def together(self) -> Ints:
        """(n,) most probable class of the mean over the seeds."""
        return np.asarray(self.probabilities.mean(0).argmax(1), np.int64)

    def only(self, mask: Mask) -> Outcomes:
        """Return the outcomes of the samples in a mask (n,)."""
        return replace(
            self,
            about=self.about[mask].reset_index(drop=True),
            labels=self.labels[mask],
            probabilities=self.probabilities[:, mask],
        )


def outcomes(runs: Sequence[pd.DataFrame], classes: Sequence[str]) -> Outcomes:
    """Return the combined predictions of several seeds.

    Args:
        runs: one frame per seed, in the format of `predictions.parquet`; a clip occurs once in its
            split.
        classes: names of the classes.

    Raises:
        CaerError: the runs were tested on different samples.
    """
    columns = [f"p_{name}" for name in classes]
    tests = [frame[frame["split"] == "test"].sort_values("sample_id") for frame in runs]
    first = tests[0]
    for other in tests[1:]:
        if not np.array_equal(first["sample_id"].to_numpy(), other["sample_id"].to_numpy()):
            raise CaerError("runs of one row were tested on different samples; train them again")
    validation = pd.concat([frame[frame["split"] == "validation"] for frame in runs])
    about = first[["sample_id", "clip_id", "show", "video", "votes"]].fillna("")
    return Outcomes(
        about.reset_index(drop=True),
        first["label"].to_numpy(np.int64),
        np.stack([test[columns].to_numpy(np.float64) for test in tests]),
        tuple(classes),
        validation["label"].to_numpy(np.int64),
        validation[columns].to_numpy(np.float64),
    )
