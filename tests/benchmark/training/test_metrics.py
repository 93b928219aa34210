"""Figures of merit against small tables worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from caer_data.benchmark.training.metrics import majority, mean_and_deviation, score


def one_hot(classes: list[int], k: int = 3) -> np.ndarray:
    return np.eye(k)[classes]


def test_by_hand() -> None:
    found = score(np.array([0, 0, 0, 1]), one_hot([0, 0, 1, 1]), 3)
    assert found.war == 0.75
    assert found.uar == pytest.approx((2 / 3 + 1) / 2)
    assert found.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)
    assert found.confusion.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert math.isnan(found.recalls[2])


def test_as_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels, predicted = random.integers(0, 7, 500), random.integers(0, 7, 500)
    found = score(labels, one_hot(predicted, 7), 7)
    assert found.war == pytest.approx(accuracy_score(labels, predicted))
    assert found.uar == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro"))


def test_majority_is_chosen_on_train_and_scored_on_test() -> None:
    assert majority(np.array([1, 1, 2]), np.array([2, 2, 1, 0]), 3) == (1, 0.25)


def test_spread_over_seeds() -> None:
    assert mean_and_deviation([1.0, 3.0]) == (2.0, pytest.approx(math.sqrt(2)))
    assert mean_and_deviation([0.5]) == (0.5, None)
