"""Calibration, against sklearn and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from predicted import predictions
from scipy import stats
from sklearn.metrics import brier_score_loss

from caer_data.benchmark.data.votes import distributions
from caer_data.benchmark.results import calibration
from caer_data.benchmark.results.outcomes import Outcomes, outcomes
from caer_data.engine.emotions import EMOTIONS


def found(**given: object) -> Outcomes:
    return outcomes([predictions(seed=s, **given) for s in range(2)], EMOTIONS)


def test_brier_is_that_of_sklearn() -> None:
    row = found()
    expected = brier_score_loss(row.labels, row.probabilities[0], scale_by_half=False)
    assert calibration.brier(row.labels, row.probabilities[0]) == pytest.approx(expected)


def test_divergence_is_that_of_scipy() -> None:
    row = found()
    votes = distributions(list(row.about["votes"]), EMOTIONS)
    expected = np.mean(
        [stats.entropy(v, p) for v, p in zip(votes, row.probabilities[0], strict=True)]
    )
    assert calibration.divergence(votes, row.probabilities[0]) == pytest.approx(expected)
    assert calibration.divergence(votes, votes) == pytest.approx(0)


def test_ece_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    labels = np.array([0, 1, 0, 0])
    # |0.9 - 0.5| and |0.6 - 1.0|, each for half of the samples
    assert calibration.ece(labels, probabilities, 10) == pytest.approx(0.4)
    rows = calibration.reliability(labels, probabilities, 10)
    assert rows.loc[8, ["n", "confidence", "accuracy"]].tolist() == pytest.approx([2, 0.9, 0.5])


def test_the_temperature_undoes_too_much_certainty() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (4000, 7))
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([random.choice(7, p=p) for p in true])
    sure = calibration.with_temperature(true, 1 / 3)
    heat = calibration.temperature(labels, sure)
    assert heat == pytest.approx(3, rel=0.1)
    scaled = calibration.with_temperature(sure, heat)
    assert calibration.ece(labels, scaled) < 0.03 < calibration.ece(labels, sure)
    assert calibration.with_temperature(scaled, 1.0) == pytest.approx(scaled)


def test_without_votes_or_validation_nothing_is_invented() -> None:
    row = calibration.calibration(found(votes=False, validation=0))
    assert (row.temperature, row.ece_scaled, row.kl, row.brier_votes) == (None,) * 4
    assert row.voted == 0 and row.bins["n"].sum() == 400
    full = calibration.calibration(found())
    assert full.kl > 0 and full.voted == 200 and full.temperature > 0
