"""The speaker of a clip: the face whose score is clearly the best, or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from caer_data.curate.filter import UNKNOWN
from caer_data.curate.speaker_pass import Scores
from caer_data.curate.speech import Span

_MIN_S: Final = 3.0
"""Minimum duration of speech with a face, s; less is too noisy."""
_TICK_S: Final = 1 / 25
_AHEAD: Final = 0.3
"""Minimum difference between the best and the second best score."""


@dataclass(frozen=True)
class Speakers:
    """Determines who speaks in parts of one video.

    Args:
        scores: scores of its faces.
        spoken: spans in which somebody speaks.
        people: person of each track, by track without the video's identifier.
    """

    scores: Scores
    spoken: list[Span]
    people: pd.Series

    def of(self, start_s: float, end_s: float) -> str | None:
        """Return the person who speaks, or `unknown`; None if nobody is heard."""
        spans = [(max(a, start_s), min(b, end_s)) for a, b in self.spoken]
        spans = [(a, b) for a, b in spans if b > a]
        if not spans:
            return None
        times = self.scores.times
        heard = np.zeros(len(times), bool)
        for a, b in spans:
            heard |= (times >= a) & (times < b)
        rows = pd.DataFrame(
            {"track": self.scores.tracks[heard], "score": self.scores.scores[heard]}
        )
        rows["person"] = rows["track"].map(self.people)
        means = rows.groupby("person", observed=True)["score"].agg(["mean", "size"])
        ranked = means[means["size"] * _TICK_S >= _MIN_S]["mean"].sort_values(ascending=False)
        if ranked.empty or ranked.iloc[0] <= 0:
            return UNKNOWN
        rivals = means["mean"].drop(ranked.index[0])
        if len(rivals) and ranked.iloc[0] - rivals.max() < _AHEAD:
            return UNKNOWN
        return str(ranked.index[0])
