"""Paired tests, against statsmodels and a bootstrap written again."""

from __future__ import annotations

import numpy as np
import pytest
from predicted import predictions
from statsmodels.stats.contingency_tables import mcnemar as of_statsmodels
from statsmodels.stats.multitest import multipletests

from caer_data.benchmark.results import paired
from caer_data.benchmark.results.outcomes import Outcomes, outcomes
from caer_data.engine.emotions import EMOTIONS


def row(skill: float, seed: int = 0, **given: object) -> Outcomes:
    return outcomes([predictions(skill=skill, seed=seed, **given)], EMOTIONS)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (3, 9), (10, 2), (40, 41)])
def test_mcnemar_is_that_of_statsmodels(b: int, c: int) -> None:
    expected = of_statsmodels([[5, b], [c, 7]], exact=True).pvalue if b + c else 1.0
    assert paired.mcnemar(b, c) == pytest.approx(expected)


def test_holm_is_that_of_statsmodels() -> None:
    values = [0.04, 0.001, 0.03, 0.2, 0.03]
    assert paired.holm(values) == pytest.approx(multipletests(values, method="holm")[1])
    assert paired.holm([]) == []


def test_a_better_row_is_found_and_an_equal_one_is_not() -> None:
    rows = {"base": row(1.0), "better": row(3.0, 1), "equal": row(1.0, 2)}
    better, equal = paired.Comparison(rows).with_first()
    assert better.significant and better.low > 0 and better.p_mcnemar_corrected < 0.01
    assert not equal.significant and equal.low < 0 < equal.high


def test_the_interval_of_a_difference_is_paired() -> None:
    a, b = row(1.0), row(3.0, 1)
    (found,) = paired.Comparison({"a": a, "b": b}).with_first()
    shows = a.about["show"].to_numpy()
    members = [np.flatnonzero(shows == name) for name in np.unique(shows)]
    random = np.random.default_rng(5)
    drawn = []
    for _ in range(3000):
        chosen = np.concatenate(
            [members[i] for i in random.integers(0, len(members), len(members))]
        )
        drawn.append(b.hits[0][chosen].mean() - a.hits[0][chosen].mean())
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.value == pytest.approx(b.hits.mean() - a.hits.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.012)
    assert found.only_row - found.only_base == round(found.value * 200)


def test_p_values_are_corrected_for_their_number() -> None:
    rows = {str(i): row(1.0 + 0.3 * (i == 1), i) for i in range(5)}
    pairs = paired.Comparison(rows).all_pairs("uar")
    assert len(pairs) == 10
    assert [p.p_corrected for p in pairs] == pytest.approx(paired.holm([p.p for p in pairs]))
    assert all(p.p_corrected >= p.p > 0 for p in pairs)


def test_rows_of_other_samples_are_not_compared() -> None:
    found = paired.Comparison({"a": row(1.0), "b": row(1.0, n=150), "c": row(2.0, 1)})
    assert (found.comparable, found.apart) == (["a", "c"], ["b"])
    assert [d.row for d in found.with_first()] == ["c"]
