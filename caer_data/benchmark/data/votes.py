"""The votes of samples as class ids and as distributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from caer_data.engine.errors import CaerError
from caer_data.labels import vote_text

Distributions = npt.NDArray[np.float64]
"""(n, K): share of each sample's votes for each class; NaN if it has no votes."""


class Vote(NamedTuple):
    """One rater's answer: the class id, and the confidence (NaN if there is none)."""

    rater: str
    label: int
    confidence: float


def parse(text: str, classes: Sequence[str]) -> tuple[Vote, ...]:
    """Return the votes of one sample.

    Raises:
        CaerError: a vote is not `rater=emotion:confidence`, or its class is unknown.
    """
    votes = vote_text.parse(text)
    for vote in votes:
        if vote.emotion not in classes:
            raise CaerError(
                f"manifest.parquet: a vote is for '{vote.emotion}', which is none of the classes "
                f"{', '.join(classes)}; export the release again"
            )
    return tuple(Vote(vote.rater, classes.index(vote.emotion), vote.confidence) for vote in votes)


def distributions(texts: Sequence[str], classes: Sequence[str]) -> Distributions:
    """Return the share of votes for each class, one row per sample."""
    shares = np.full((len(texts), len(classes)), np.nan)
    for row, text in zip(shares, texts, strict=True):
        labels = [vote.label for vote in parse(text, classes)]
        if labels:
            row[:] = np.bincount(labels, minlength=len(classes)) / len(labels)
    return shares
