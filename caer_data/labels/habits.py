"""Signs of careless rating in the times and the order of answers: haste, long pauses, streaks.

Nothing here refuses an answer. It only reports what deserves a look, with the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

PAUSE_S: Final = 300.0
"""Seconds after which an answer counts as interrupted by a pause, which is not working time."""

FAST_SHARE: Final = 0.1
"""A rater is reported if at least this share of answers took less time than the clip lasts."""

_UNLIKELY: Final = 0.001


@dataclass(frozen=True)
class Habits:
    """How one rater answers.

    Attributes:
        rater: e-mail address or name.
        answers: number of accepted answers.
        too_fast: how many of them were given in less time than the clip lasts.
        pauses: how many of them took longer than five minutes.
        longest_pause_s: the longest time to an answer, if it is such a pause.
        streak: length of the longest run of one emotion, in order of time.
        emotion: the emotion of that run.
        expected: expected number of runs at least as long from a rater who judges each clip on its
            own; if it is below 0.001, the run is reported.
    """

    rater: str
    answers: int
    too_fast: int
    pauses: int
    longest_pause_s: float | None
    streak: int
    emotion: str | None
    expected: float

    def sentences(self) -> list[str]:
        """Return one sentence per sign that deserves a look."""
        said = []
        if self.too_fast >= max(2, FAST_SHARE * self.answers):
            said.append(
                f"{self.rater} gave {self.too_fast} of {self.answers} answers "
                f"({self.too_fast / self.answers:.0%}) in less time than the clip lasts"
            )
        if self.longest_pause_s is not None:
            said.append(
                f"{self.rater} took more than {PAUSE_S / 60:.0f} minutes for {self.pauses} of "
                f"{self.answers} answers, the longest {self.longest_pause_s / 60:.0f} minutes"
            )
        if self.expected < _UNLIKELY:
            said.append(
                f"{self.rater} answered '{self.emotion}' {self.streak} times in a row; "
                f"{self.expected:.1g} such runs are expected in {self.answers} answers"
            )
        return said


def habits(ratings: pd.DataFrame) -> list[Habits]:
    """Return the habits of each rater, from accepted answers that are not made up."""
    real = ratings[(ratings["status"] == "accepted") & (ratings["source"] != "made-up")]
    return [_habits(str(rater), mine, real) for rater, mine in real.groupby("rater", observed=True)]


def _habits(rater: str, mine: pd.DataFrame, everybody: pd.DataFrame) -> Habits:
    votes = mine[mine["emotion"].notna() & mine["created_at"].notna()]
    order = votes.sort_values(["created_at", "source_id"])["emotion"].tolist()
    streak, emotion = longest_run(order)
    others = everybody.loc[(everybody["rater"] != rater), "emotion"].dropna()
    usual = float((others == emotion).mean()) if len(others) else 1.0
    rest = len(order) - streak
    own = (order.count(emotion) - streak) / rest if rest else 0.0
    slow = mine.loc[mine["lead_time_s"] > PAUSE_S, "lead_time_s"]
    return Habits(
        rater,
        len(mine),
        int(mine["too_fast"].sum()),
        len(slow),
        float(slow.max()) if len(slow) else None,
        streak,
        emotion,
        expected_runs(len(order), streak, max(usual, own)),
    )


def longest_run(answers: list[str]) -> tuple[int, str | None]:
    """Return the length of the longest run of equal answers, and the first such run's answer."""
    best: tuple[int, str | None] = (0, None)
    length = 0
    for index, answer in enumerate(answers):
        length = length + 1 if index and answers[index - 1] == answer else 1
        if length > best[0]:
            best = length, answer
    return best


def expected_runs(answers: int, length: int, share: float) -> float:
    """Return the expected number of runs of one answer, if answers are independent.

    Runs of at least `length` count. Such a run begins at the first answer with probability
    share^length, and at any other with (1 - share) share^length, because a different answer must
    precede it. By Markov's inequality, the probability of any such run is at most this number. For
    long runs as a sign of careless raters, see J. A. Johnson, "Ascertaining the validity of
    individual protocols from web-based personality inventories", Journal of Research in Personality
    39, 2005.
    """
    if not length:
        return float("nan")
    return float(share**length * (1 + (answers - length) * (1 - share)))


def seconds_of_work(lead_times: pd.Series) -> float:
    """Return the seconds worked on answers; each counts for at most five minutes."""
    return float(np.minimum(lead_times.dropna().astype(float), PAUSE_S).sum())
