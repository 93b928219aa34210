"""Write and read a clip's votes as text, the form they have in a release's manifest.

A vote is `rater=emotion:confidence`; votes are joined by spaces. The confidence is optional. In a
release a rater is `rater-<number>`, never a name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from caer_data.engine.errors import CaerError

_RATER = "rater-"


class Vote(NamedTuple):
    """One rater's answer; the confidence is NaN if there is none."""

    rater: str
    emotion: str
    confidence: float


def parse(text: str) -> tuple[Vote, ...]:
    """Return the votes of one clip; none for an empty text.

    Raises:
        CaerError: a vote is not `rater=emotion:confidence`.

    >>> parse("rater-1=happy:0.75 rater-2=sad")
    (Vote(rater='rater-1', emotion='happy', confidence=0.75), \
Vote(rater='rater-2', emotion='sad', confidence=nan))
    """
    return tuple(_vote(word) for word in text.split())


def _vote(word: str) -> Vote:
    rater, separator, answer = word.rpartition("=")
    emotion, _, confidence = answer.partition(":")
    try:
        sure = float(confidence or math.nan)
    except ValueError:
        sure = None
    if not separator or not emotion or sure is None:
        raise CaerError(
            f"manifest.parquet: the vote '{word}' is not rater=emotion:confidence; export the "
            "release again"
        )
    return Vote(rater, emotion, sure)


def render(votes: Iterable[Vote]) -> str:
    """Return votes as text.

    >>> render([Vote("rater-1", "happy", 0.75), Vote("rater-2", "sad", float("nan"))])
    'rater-1=happy:0.75 rater-2=sad'
    """
    return " ".join(
        f"{vote.rater}={vote.emotion}"
        + ("" if math.isnan(vote.confidence) else f":{vote.confidence:g}")
        for vote in votes
    )


def count_raters(texts: Iterable[str]) -> int:
    """Return how many raters voted on at least one of the clips.

    Raises:
        CaerError: a vote is not `rater=emotion:confidence`.
    """
    words = set[str]()  # clips share few different votes
    for text in texts:
        words.update(text.split())
    return len({_vote(word).rater for word in words})


def numbered(number: int) -> str:
    """Return the name of a rater in a release.

    >>> numbered(3)
    'rater-3'
    """
    return f"{_RATER}{number}"


def number_of(rater: str) -> int:
    """Return the number of a rater in a release; 0 if the name contains none.

    >>> number_of("rater-3"), number_of("somebody")
    (3, 0)
    """
    number = rater.removeprefix(_RATER)
    known = rater.startswith(_RATER) and number.isascii() and number.isdigit() and len(number) < 10
    return int(number) if known else 0


def rename(text: str, new_name: Callable[[str], str]) -> str:
    """Return votes as text, with every rater's name replaced.

    Raises:
        CaerError: a vote is not `rater=emotion:confidence`.

    >>> rename("rater-1=happy:0.75", lambda rater: numbered(number_of(rater) + 3))
    'rater-4=happy:0.75'
    """
    return render(vote._replace(rater=new_name(vote.rater)) for vote in parse(text))
