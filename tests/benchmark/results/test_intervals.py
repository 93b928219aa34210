"""Intervals, against bootstraps written independently and SciPy's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from predicted import predictions
from scipy import stats
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from caer_data.benchmark.results import intervals
from caer_data.benchmark.results.outcomes import Outcomes, outcomes
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError


def made(seeds: int = 2, **given: object) -> Outcomes:
    return outcomes([predictions(seed=s, **given) for s in range(seeds)], EMOTIONS)


def by_hand(found: Outcomes, units: np.ndarray, replicates: int = 600) -> dict[str, np.ndarray]:
    """The nested bootstrap again, one replicate after the other, with sklearn's figures."""
    random = np.random.default_rng(99)
    names = np.unique(units)
    members = {name: np.flatnonzero(units == name) for name in names}
    rows: dict[str, list[float]] = {"war": [], "uar": [], "macro_f1": []}
    for _ in range(replicates):
        chosen = np.concatenate([members[n] for n in random.choice(names, len(names))])
        seeds = random.integers(0, len(found.probabilities), len(found.probabilities))
        truth = found.labels[chosen]
        answers = [found.answers[s][chosen] for s in seeds]
        occurring = np.unique(truth)
        rows["war"].append(np.mean([accuracy_score(truth, a) for a in answers]))
        kind = {"labels": occurring, "average": "macro", "zero_division": 0}
        found_by = [precision_recall_fscore_support(truth, a, **kind) for a in answers]
        rows["uar"].append(np.mean([recall for _, recall, _, _ in found_by]))
        rows["macro_f1"].append(np.mean([f1 for _, _, f1, _ in found_by]))
    return {name: np.quantile(values, [0.025, 0.975]) for name, values in rows.items()}


def test_intervals_are_those_of_a_bootstrap_written_again() -> None:
    found = made()
    groups = intervals.groups_of(found)
    assert (groups.kind, groups.count) == ("shows", 12)
    estimates = intervals.estimates(found, intervals.replicates(found, groups))
    again = by_hand(found, found.about["show"].to_numpy())
    for name, (low, high) in again.items():
        assert estimates[name].low == pytest.approx(low, abs=0.015)
        assert estimates[name].high == pytest.approx(high, abs=0.015)
        assert estimates[name].low < estimates[name].value < estimates[name].high


def test_over_clips_they_are_those_of_scipy() -> None:
    found = made(seeds=1, shows=0, videos=1)
    groups = intervals.groups_of(found)
    assert groups.kind == "clips"
    estimate = intervals.estimates(found, intervals.replicates(found, groups))["war"]
    scipy = stats.bootstrap(
        (found.hits[0].astype(float),), np.mean, method="percentile", n_resamples=4000, rng=1
    ).confidence_interval
    assert estimate.low == pytest.approx(scipy.low, abs=0.01)
    assert estimate.high == pytest.approx(scipy.high, abs=0.01)


def test_clips_of_a_show_are_not_independent() -> None:
    """Drawing shows is wider than drawing clips where shows differ."""
    found = made(seeds=1, n=600)
    groups = intervals.groups_of(found)
    shows = intervals.estimates(found, intervals.replicates(found, groups))["war"]
    alone = found.about.assign(show="", video="")
    clips = intervals.accuracy(Outcomes(**{**vars(found), "about": alone}))
    assert shows.high - shows.low > 1.3 * (clips.high - clips.low)


@pytest.mark.parametrize(
    ("shows", "videos", "kind", "word"),
    [
        (12, 24, "shows", "unreliable"),
        (4, 24, "videos", "seeds."),
        (4, 6, "videos", "unreliable"),
        (0, 1, "clips", "resemble"),
    ],
)
def test_what_is_drawn_and_said(shows: int, videos: int, kind: str, word: str) -> None:
    groups = intervals.groups_of(made(shows=shows, videos=videos))
    assert groups.kind == kind
    assert kind in groups.sentence and word in groups.sentence


def test_five_clips_of_a_class_do_not_give_a_certain_zero() -> None:
    frame = predictions(n=60, validation=0)
    rare = frame.index[:5]
    frame.loc[~frame.index.isin(rare) & (frame["label"] == 2), "label"] = 3
    frame.loc[rare, "label"] = 2
    frame.loc[rare, "p_fear"] = 0.0
    found = outcomes([frame], EMOTIONS)
    groups = intervals.groups_of(found)
    fear = intervals.by_class(found, intervals.replicates(found, groups))["fear"]
    scipy = stats.binomtest(0, 5).proportion_ci(method="wilson")
    assert (fear.value, fear.n) == (0.0, 5)
    assert fear.low == pytest.approx(scipy.low, abs=1e-9)
    assert fear.high == pytest.approx(scipy.high, abs=1e-9) and fear.high > 0.4


def test_a_class_that_does_not_occur_has_no_recall() -> None:
    frame = predictions(n=60, validation=0)
    frame.loc[frame["label"] == 2, "label"] = 3
    found = outcomes([frame], EMOTIONS)
    fear = intervals.by_class(found, intervals.replicates(found, intervals.groups_of(found)))[
        "fear"
    ]
    assert fear == intervals.Estimate(None, None, None, 0)


def test_a_score_without_spread_gets_no_interval() -> None:
    found = made(seeds=1, skill=50.0)
    groups = intervals.groups_of(found)
    scores = intervals.estimates(found, intervals.replicates(found, groups))
    assert scores["uar"] == intervals.Estimate(1.0, None, None, 200)
    assert scores["war"].low < 1.0 == scores["war"].high


def test_more_seeds_that_differ_widen_an_interval() -> None:
    good, bad = predictions(skill=3.0), predictions(seed=1, skill=0.5)
    one = intervals.accuracy(outcomes([good], EMOTIONS))
    both = intervals.accuracy(outcomes([good, bad], EMOTIONS))
    assert both.high - both.low > 1.5 * (one.high - one.low)


def test_runs_on_different_samples_are_not_one_row() -> None:
    with pytest.raises(CaerError, match="different samples"):
        outcomes([predictions(), predictions(n=199)], EMOTIONS)


def test_the_same_predictions_give_the_same_interval() -> None:
    assert intervals.accuracy(made()) == intervals.accuracy(made())
    assert isinstance(made().about, pd.DataFrame)
