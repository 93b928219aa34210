"""Votes as numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from caer_data.benchmark.data import votes
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError


def test_votes_keep_rater_class_and_confidence() -> None:
    first, second = votes.parse("r=1=happy:0.8 r2=sad", EMOTIONS)
    assert first == ("r=1", EMOTIONS.index("happy"), 0.8)
    assert second[:2] == ("r2", EMOTIONS.index("sad")) and math.isnan(second.confidence)
    assert votes.parse("", EMOTIONS) == ()


def test_distributions_sum_to_one_or_are_unknown() -> None:
    found = votes.distributions(["a=happy:1 b=happy:1 c=sad:1", ""], EMOTIONS)
    assert found[0, EMOTIONS.index("happy")] == pytest.approx(2 / 3)
    assert found[0].sum() == pytest.approx(1)
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=joy:1", "a vote is for 'joy', which is none of the classes"),
        ("happy:1 x", "the vote 'happy:1' is not rater=emotion:confidence"),
    ],
)
def test_a_damaged_vote_is_named(text: str, message: str) -> None:
    with pytest.raises(CaerError, match=message):
        votes.parse(text, EMOTIONS)
