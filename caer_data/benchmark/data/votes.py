"""Parse the votes of samples.

A manifest stores them as `rater=emotion:confidence`, joined by spaces. The confidence is optional.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from caer_data.engine.errors import CaerError

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
        CaerError: a vote is not `rater=emotion:confidence` with a known class.
    """
    votes = []
    for word in text.split():
        rater, _, answer = word.rpartition("=")
        emotion, _, confidence = answer.partition(":")
        try:
            label = classes.index(emotion)
            votes.append(Vote(rater, label, float(confidence or math.nan)))
        except ValueError:
            raise CaerError(
                f"manifest.parquet: the vote '{word}' is not rater=emotion:confidence with a class "
                f"of {', '.join(classes)}; export the release again"
            ) from None
    return tuple(votes)


def distributions(texts: Sequence[str], classes: Sequence[str]) -> Distributions:
    """Return the share of votes for each class, one row per sample."""
    shares = np.full((len(texts), len(classes)), np.nan)
    for row, text in zip(shares, texts, strict=True):
        labels = [vote.label for vote in parse(text, classes)]
        if labels:
            row[:] = np.bincount(labels, minlength=len(classes)) / len(labels)
    return shares
