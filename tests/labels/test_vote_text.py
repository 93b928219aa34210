"""Votes as the text of a release's manifest."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.labels import vote_text
from caer_data.labels.vote_text import Vote

VOTES = st.builds(
    Vote,
    st.integers(1, 10**8).map(vote_text.numbered),
    st.sampled_from(EMOTIONS),
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
)


@given(st.lists(VOTES))
def test_votes_are_read_as_they_were_written(votes: list[Vote]) -> None:
    assert list(vote_text.parse(vote_text.render(votes))) == votes


def test_a_missing_confidence_is_nan_and_stays_missing() -> None:
    (vote,) = vote_text.parse("rater-1=sad")
    assert math.isnan(vote.confidence)
    assert vote_text.render([vote]) == "rater-1=sad"


@pytest.mark.parametrize("text", ["happy", "happy:1", "rater-1=", "rater-1=:1", "r=happy:much"])
def test_a_damaged_vote_is_named(text: str) -> None:
    with pytest.raises(CaerError, match=f"the vote '{text}' is not rater=emotion:confidence"):
        vote_text.parse(text)


def test_raters_are_counted_once() -> None:
    assert vote_text.count_raters(["rater-1=sad:1 rater-2=sad:1", "rater-2=happy:1", ""]) == 2


@pytest.mark.parametrize("name", ["rater-", "rater-x", "rater-1x", "Rater-1", "rater-²", "x"])
def test_only_raters_of_releases_have_numbers(name: str) -> None:
    assert vote_text.number_of(name) == 0


def test_renaming_leaves_answers_as_they_are() -> None:
    renamed = vote_text.rename("rater-1=sad:0.5 rater-2=happy", lambda rater: f"{rater}0")
    assert renamed == "rater-10=sad:0.5 rater-20=happy"
