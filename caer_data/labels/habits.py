"""What the times and the order of a rater's answers show: haste, long pauses, streaks.

Nothing here refuses an answer. It names what deserves a look, with the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

PAUSE_S: Final = 300.0
"""Seconds from which an answer was interrupted by a pause, and time no longer counts as work."""

FAST_SHARE: Final = 0.1
"""Share of answers given in less time than the clip lasts from which a rater is named."""

_UNLIKELY: Final = 0.001


@dataclass(frozen=True)
class Habits:
    """How one rater answers.

    Attributes:
        rater: e-mail address or name.
        answers: accepted answers.
        too_fast: of these, given in less time than the clip lasts.
        pauses: of these, that took longer than five minutes.
        longest_pause_s: the longest time to an answer, if it is such a pause.
        streak: the longest run of one emotion, in the order of time.
        emotion: that emotion.
        expected: how many runs as long as this one are expected of somebody who answers by the
            clip; below 0.001 the run is named.
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
        """What deserves a look."""
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
                f"{self.expected:.1g} such runs are expected of {self.answers} answers"
            )
        return said


def habits(ratings: pd.DataFrame) -> list[Habits]:
    """Look at the accepted answers of each rater, by rater; made-up ones are left out."""
    real = ratings[(ratings["status"] == "accepted") & (ratings["source"] != "made-up")]
    return [_habits(str(rater), mine, real) for rater, mine in real.groupby("rater")]


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
    """Length of the longest run of equal answers, the first of several, and its answer."""
    best: tuple[int, str | None] = (0, None)
    length = 0
    for index, answer in enumerate(answers):
        length = length + 1 if index and answers[index - 1] == answer else 1
        if length > best[0]:
            best = length, answer
    return best


def expected_runs(answers: int, length: int, share: float) -> float:
    """Expected number of runs of `length` or longer of one answer that is given independently.

    Each of the places where such a run may begin counts: the first with share^length, the others
    with (1 - share) share^length, as another answer comes before. No probability of such a run is
    greater than this (Markov's inequality). The run of one answer as a sign of careless raters:
    J. A. Johnson, "Ascertaining the validity of individual protocols from web-based personality
    inventories", Journal of Research in Personality 39, 2005.
    """
    if not length:
        return float("nan")
    return float(share**length * (1 + (answers - length) * (1 - share)))


def seconds_of_work(lead_times: pd.Series) -> float:
    """Seconds worked on answers; of one that took longer than five minutes, five count."""
    return float(np.minimum(lead_times.dropna().astype(float), PAUSE_S).sum())
