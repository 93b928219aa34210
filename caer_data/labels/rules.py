"""The three rules that turn votes into an emotion, each a function from ballots to an outcome.

A rule considers only the votes. `caer_data.labels.decide` checks separately, and in the same way
for every rule, whether a clip has all its raters and whether they were confident enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from caer_data.engine.emotions import EMOTIONS, LABELS
from caer_data.engine.recipe import Labels
from caer_data.labels.dawid_skene import DawidSkene

_HALF: Final = 0.5 + 1e-9  # so that a tie with a rounding error is not more than half


@dataclass(frozen=True)
class Ballots:
    """The accepted answers of a round, counted clip by clip.

    Attributes:
        answers: accepted rows of `tables.RATINGS`, by clip and rater.
        clips: keys of the clips, sorted; the rows of `counts` and `confidence` follow this order.
        row: for each answer, the index of its clip in `clips`.
        votes: for each answer, whether it names an emotion; otherwise, the clip cannot be judged.
        counts: votes by clip and emotion, in the order of `EMOTIONS`.
        confidence: summed confidence by clip and emotion.
    """

    answers: pd.DataFrame
    clips: np.ndarray
    row: np.ndarray
    votes: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray

    @property
    def raters(self) -> np.ndarray:
        """Number of answers per clip, whether votes or not."""
        return np.bincount(self.row, minlength=len(self.clips))

    @property
    def voters(self) -> np.ndarray:
        """Number of votes per clip."""
        return np.asarray(self.counts.sum(axis=1))


@dataclass(frozen=True)
class Outcome:
    """Result of a rule, one row per clip.

    Attributes:
        winner: class id of the leading emotion.
        agreed: whether the leading emotion is the label.
        shares: the soft label, clips x emotions.
    """

    winner: np.ndarray
    agreed: np.ndarray
    shares: np.ndarray


def count(accepted: pd.DataFrame) -> Ballots:
    """Count accepted rows of `tables.RATINGS`, which contain one answer per clip and rater."""
    answers = accepted.sort_values(["clip_key", "rater"])
    clips, row = np.unique(answers["clip_key"].to_numpy(str), return_inverse=True)
    votes = answers["cannot_judge"].isna().to_numpy(bool)
    chosen = answers.loc[votes, "emotion"].map(LABELS).to_numpy(np.int64)
    counts = np.zeros((len(clips), len(EMOTIONS)))
    confidence = np.zeros_like(counts)
    np.add.at(counts, (row[votes], chosen), 1)
    np.add.at(
        confidence, (row[votes], chosen), answers.loc[votes, "confidence"].to_numpy(np.float64)
    )
    return Ballots(answers, clips, row, votes, counts, confidence)


def majority(ballots: Ballots, settings: Labels) -> Outcome:
    """Apply the paper's rule: the emotion chosen most often, by at least `min_agree` raters."""
    counts = ballots.counts
    most = counts.max(axis=1)
    alone = (counts == most[:, None]).sum(axis=1) == 1
    agreed = (most >= settings.min_agree) & alone
    return Outcome(counts.argmax(axis=1), agreed, _shares_of_votes(ballots))


def weighted(ballots: Ballots, settings: Labels) -> Outcome:
    """Choose the emotion with more than half of the clip's summed confidence."""
    total = np.maximum(ballots.confidence.sum(axis=1), 1e-12)
    winner, agreed = _more_than_half(ballots.confidence / total[:, None])
    return Outcome(winner, agreed, _shares_of_votes(ballots))


def dawid_skene(ballots: Ballots, settings: Labels) -> Outcome:
    """Choose the emotion whose posterior in the Dawid-Skene model is more than half."""
    if not ballots.votes.any():
        return majority(ballots, settings)
    columns = {"clip_key": "task", "rater": "worker", "emotion": "label"}
    answers = ballots.answers.loc[ballots.votes, list(columns)].rename(columns=columns)
    posterior = np.asarray(DawidSkene(EMOTIONS).fit(answers).posterior.reindex(ballots.clips))
    return Outcome(*_more_than_half(posterior), posterior)


RULES: Final[dict[str, Callable[[Ballots, Labels], Outcome]]] = {
    "majority": majority,
    "weighted": weighted,
    "dawid-skene": dawid_skene,
}
"""The rules by their word in the recipe, `labels.rule`."""


def over(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return sums divided by counts; NaN where the count is zero."""
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


def _shares_of_votes(ballots: Ballots) -> np.ndarray:
    return over(ballots.counts, ballots.voters[:, None])


def _more_than_half(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return shares.argmax(axis=1), shares.max(axis=1) > _HALF
