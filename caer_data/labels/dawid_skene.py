"""Dawid-Skene model: estimates true classes and each rater's errors together by EM.

A. P. Dawid and A. M. Skene, "Maximum likelihood estimation of observer error-rates using the EM
algorithm", Applied Statistics 28(1), 1979, https://doi.org/10.2307/2346806. It is implemented here
because the well-maintained implementation, crowd-kit, depends on transformers and nltk (some 45
packages). The tests compare the results with those of crowd-kit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

_MIN_ERROR = 1e-10  # probability of an error that was never seen, to avoid log(0)


class DawidSkene:
    """Dawid-Skene model with the interface of scikit-learn.

    Attributes:
        posterior: probability of each class, one row per task, after `fit`.
        priors: share of each class.
        errors: probability of each answer (columns) given worker and true class (row levels).
    """

    posterior: pd.DataFrame
    priors: pd.Series
    errors: pd.DataFrame

    def __init__(self, classes: Sequence[str], n_iter: int = 200, tol: float = 1e-6) -> None:
        self.classes = list(classes)
        self.n_iter = n_iter
        self.tol = tol

    def fit(self, data: pd.DataFrame) -> DawidSkene:
        """Fit the model to a non-empty frame with the columns task, worker and label.

        Starts from the shares of votes. Stops when the log-likelihood per answer improves by less
        than `tol`, or after `n_iter` iterations.
        """
        tasks, task = np.unique(data["task"].to_numpy(str), return_inverse=True)
        workers, worker = np.unique(data["worker"].to_numpy(str), return_inverse=True)
        label = pd.Index(self.classes).get_indexer(pd.Index(data["label"]))
        if (label < 0).any():
            raise ValueError("data contains labels that are not among the classes")
        n = len(self.classes)

        def maximise(posterior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            """Return class shares, and errors[worker, true class, answer]."""
            answer = worker * n + label
            seen = [np.bincount(answer, posterior[task, c], len(workers) * n) for c in range(n)]
            errors = np.stack(seen).reshape(n, len(workers), n).transpose(1, 0, 2)
            errors = np.maximum(errors, _MIN_ERROR)
            return posterior.mean(axis=0), errors / errors.sum(axis=2, keepdims=True)

        posterior = np.zeros((len(tasks), n))
        np.add.at(posterior, (task, label), 1)
        posterior /= posterior.sum(axis=1, keepdims=True)
        priors, errors = maximise(posterior)
        likelihood = -np.inf
        for _ in range(self.n_iter):
            with np.errstate(divide="ignore"):  # log(0): a class that nobody ever chose
                joint = np.tile(np.log(priors), (len(tasks), 1))
            np.add.at(joint, task, np.log(errors)[worker, :, label])
            total = np.logaddexp.reduce(joint, axis=1)
            posterior = np.exp(joint - total[:, None])
            priors, errors = maximise(posterior)
            before, likelihood = likelihood, total.sum() / len(data)
            if likelihood - before < self.tol:
                break
        self.posterior = pd.DataFrame(posterior, index=tasks, columns=self.classes)
        self.priors = pd.Series(priors, index=self.classes)
        self.errors = pd.DataFrame(
            errors.reshape(-1, n),
            index=pd.MultiIndex.from_product([workers, self.classes], names=["worker", "true"]),
            columns=self.classes,
        )
        return self

    def fit_predict(self, data: pd.DataFrame) -> pd.Series:
        """Return the most probable class of each task."""
        return self.fit(data).posterior.idxmax(axis=1)
