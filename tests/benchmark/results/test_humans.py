"""The human ceiling and votes, by hand."""

from __future__ import annotations

import pytest
from predicted import predictions

from caer_data.benchmark.results import humans
from caer_data.benchmark.results.outcomes import Outcomes, outcomes
from caer_data.engine.emotions import EMOTIONS

VOTES = [
    "a=sad:1 b=sad:1 c=sad:0.5",  # all three agree with the other two
    "a=sad:0 b=sad:0 c=happy:0",  # a and b: others are split; c is against both
    "a=fear:0.2 b=anger:0.2 c=happy:0.2",  # nobody has a majority of others
    "a=fear:1 b=fear:1",  # one other is not a majority
    "",
]


def found(votes: list[str] = VOTES) -> Outcomes:
    frame = predictions(n=len(votes), validation=0)
    return outcomes([frame.assign(votes=votes)], EMOTIONS)


def test_each_rater_is_held_against_the_majority_of_the_others() -> None:
    ceiling = humans.ceiling(found())
    assert ceiling.accuracy.value == pytest.approx(3 / 4)
    assert (ceiling.accuracy.n, ceiling.ties) == (4, 5)
    assert {name: e.value for name, e in ceiling.raters.items()} == {"a": 1.0, "b": 1.0, "c": 0.5}
    assert 0 <= ceiling.accuracy.low < 3 / 4 < ceiling.accuracy.high <= 1


def test_without_three_raters_there_is_no_ceiling() -> None:
    assert humans.ceiling(found(["a=sad:1 b=sad:1", ""])) is None


def test_patterns_and_unanimity() -> None:
    rows = humans.by_pattern(found())
    assert {p: e.n for p, e in rows.items()} == {"3-0": 1, "2-1": 1, "2-0": 1, "1-1-1": 1}
    assert list(rows) == ["3-0", "2-1", "2-0", "1-1-1"]
    assert humans.unanimous(found()).tolist() == [True, False, False, True, False]


def test_bins_of_confidence_hold_every_clip_that_has_one() -> None:
    rows = humans.by_confidence(found())
    assert {name: e.n for name, e in rows.items()} == {"0.00 to 0.25": 2, "0.75 to 1.00": 2}


def test_a_rater_who_is_right_three_times_in_four_sets_the_ceiling() -> None:
    many = outcomes([predictions(n=600)], EMOTIONS)
    ceiling = humans.ceiling(many)
    # the others agree on the truth in 9 of 16 clips and on the wrong class in 1 of 16
    assert ceiling.accuracy.value == pytest.approx((0.75 * 9 + 0.25) / 10, abs=0.04)
