"""Figures by show and curves by class."""

from __future__ import annotations

import pytest
from predicted import predictions
from sklearn.metrics import average_precision_score

from caer_data.benchmark.results import breakdown
from caer_data.benchmark.results.outcomes import outcomes
from caer_data.engine.emotions import EMOTIONS


def test_shows_add_up_to_the_whole() -> None:
    found = outcomes([predictions(), predictions(seed=1)], EMOTIONS)
    rows = breakdown.by_show(found)
    assert len(rows) == 12 and rows["n"].sum() == 200
    assert (rows["war"] * rows["n"]).sum() / 200 == pytest.approx(found.hits.mean())
    assert (rows["low"] < rows["high"]).all()


def test_videos_stand_in_for_shows_that_are_not_known() -> None:
    rows = breakdown.by_show(outcomes([predictions(shows=0)], EMOTIONS))
    assert rows.columns[0] == "video" and len(rows) == 24
    assert breakdown.by_show(outcomes([predictions(shows=0, videos=1)], EMOTIONS)).empty


def test_curves_begin_at_no_recall_and_have_sklearns_average() -> None:
    found = outcomes([predictions()], EMOTIONS)
    curve = breakdown.curves(found)["sad"]
    sad = EMOTIONS.index("sad")
    expected = average_precision_score(found.labels == sad, found.probabilities[0][:, sad])
    assert curve.average == pytest.approx(expected)
    assert (curve.recall[0], curve.recall[-1]) == (0, 1)
    assert curve.n == (found.labels == sad).sum()
