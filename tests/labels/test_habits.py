"""Haste, pauses and streaks in the order of answers."""

from itertools import groupby

import numpy as np
import pandas as pd
import pytest

from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS
from caer_data.labels.habits import expected_runs, habits, longest_run, seconds_of_work


def ratings(**answers: list[tuple[str, float, bool]]) -> pd.DataFrame:
    """Of each rater: emotion, lead time, too fast; in the order of time."""
    rows = [
        {
            "clip_key": f"c{i}",
            "clip_id": f"c{i}",
            "rater": rater,
            "emotion": emotion,
            "confidence": 0.5,
            "lead_time_s": seconds,
            "created_at": f"2026-03-01T10:{i // 60:02d}:{i % 60:02d}Z",
            "status": "accepted",
            "too_fast": fast,
            "edited": False,
            "source": "label-studio",
            "source_id": f"{rater}-{i:04d}",
        }
        for rater, given in answers.items()
        for i, (emotion, seconds, fast) in enumerate(given)
    ]
    table = tables.frame(tables.RATINGS, rows)
    return table.sample(frac=1, random_state=1)  # the order of rows says nothing


def usual(count: int, seed: int) -> list[tuple[str, float, bool]]:
    rng = np.random.default_rng(seed)
    return [(str(rng.choice(EMOTIONS)), 6.0, False) for _ in range(count)]


def test_each_habit_is_found_and_told_with_its_figures() -> None:
    hasty = [(e, 1.0, i % 4 == 0) for i, (e, _, _) in enumerate(usual(100, 1))]
    slow = usual(100, 2)
    slow[10:12] = [("sad", 301.0, False), ("fear", 1800.0, False)]
    bored = usual(100, 3)
    bored[50:62] = [("neutral", 6.0, False)] * 12
    found = habits(ratings(bored=bored, careful=usual(100, 4), hasty=hasty, slow=slow))
    said = {one.rater: one.sentences() for one in found}
    assert said["careful"] == []
    assert said["hasty"] == ["hasty gave 25 of 100 answers (25%) in less time than the clip lasts"]
    assert said["slow"] == [
        "slow took more than 5 minutes for 2 of 100 answers, the longest 30 minutes"
    ]
    assert len(said["bored"]) == 1
    assert said["bored"][0].startswith("bored answered 'neutral' 12 times in a row; ")


def test_one_answer_to_everything_is_a_streak_though_it_is_usual_for_the_rater() -> None:
    found = habits(ratings(a=[("happy", 6.0, False)] * 40, b=usual(40, 5), c=usual(40, 6)))
    assert [bool(one.sentences()) for one in found] == [True, False, False]
    assert found[0].streak == 40


def test_raters_who_answer_by_chance_are_hardly_ever_named() -> None:
    rng = np.random.default_rng(0)
    named = 0
    for _ in range(60):
        answers = {
            f"r{i}": [(str(e), 6.0, False) for e in rng.choice(EMOTIONS[:3], 60, p=[0.6, 0.3, 0.1])]
            for i in range(3)
        }
        named += sum(bool(one.sentences()) for one in habits(ratings(**answers)))
    assert named <= 1  # of 180


@pytest.mark.parametrize(("answers", "length", "share"), [(30, 4, 0.4), (12, 2, 0.7), (9, 9, 0.9)])
def test_the_expected_number_of_runs_is_that_of_many_sequences(
    answers: int, length: int, share: float
) -> None:
    rng = np.random.default_rng(1)
    drawn = rng.random((20_000, answers)) < share
    runs = [
        sum(hit and sum(1 for _ in group) >= length for hit, group in groupby(row)) for row in drawn
    ]
    assert expected_runs(answers, length, share) == pytest.approx(np.mean(runs), abs=0.02)


def test_the_longest_run_is_the_first_of_several() -> None:
    assert longest_run([]) == (0, None)
    assert longest_run(list("abbcca")) == (2, "b")
    assert longest_run(list("aab" + "ccc")) == (3, "c")


def test_pauses_are_no_work() -> None:
    assert seconds_of_work(pd.Series([10.0, 299.0, 4000.0, np.nan])) == 609.0
    assert habits(tables.empty(tables.RATINGS)) == []
