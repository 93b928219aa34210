"""Filter and sort clips in memory, and count the clips that each further filter would leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine.errors import CaerError

FACETS: Final = (
    "show",
    "video_id",
    "person_id",
    "status",
    "reason",
    "emotion",
    "pattern",
    "split",
    "verdict",
    "predicted",
    "voice",
    "speaker",
    "decision",
)
"""Columns that clips are filtered by, in the order in which the page shows them."""

NUMBERS: Final = (
    "seconds",
    "face_height",
    "coverage",
    "dominance",
    "sharpness",
    "brightness",
    "speech",
    "agreement",
    "confidence",
    "model_error",
)
"""Columns by which clips can be sorted or limited."""

NONE: Final = "(none)"
"""The word for an empty cell in a filter."""

MAX_PAGE: Final = 500
_MAX_WORDS: Final = 400  # maximum number of words of a facet, the most frequent ones


@dataclass(frozen=True)
class Query:
    """A query of the page.

    Attributes:
        words: allowed words, by facet.
        limits: lowest and highest value, by column of `NUMBERS`; infinite if not limited.
        text: part of a clip's identifier or key.
        sort: column of `NUMBERS`; empty for the order of the videos.
        down: whether the highest come first.
    """

    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    text: str = ""
    sort: str = ""
    down: bool = False


def parse(parameters: Sequence[tuple[str, str]]) -> Query:
    """Return a query from a request's parameters: `show=A&show=B&confidence=0.2..0.6`.

    Raises:
        CaerError: there is no such parameter, or a limit is not a number.
    """
    words: dict[str, set[str]] = {}
    limits: dict[str, tuple[float, float]] = {}
    text = sort = ""
    for name, value in parameters:
        if name in FACETS:
            words.setdefault(name, set()).add(value)
        elif name in NUMBERS:
            limits[name] = _limits(name, value)
        elif name == "text":
            text = value.strip().lower()[:200]
        elif name == "sort" and value.removeprefix("-") in (*NUMBERS, ""):
            sort = value
        elif name not in ("from", "count"):
            raise CaerError(f"clips cannot be filtered by {name}={value[:60]}")
    chosen = {name: frozenset(values) for name, values in words.items()}
    return Query(chosen, limits, text, sort.removeprefix("-"), sort.startswith("-"))


def _limits(name: str, value: str) -> tuple[float, float]:
    low, dots, high = value.partition("..")
    try:
        if dots:
            return float(low or "-inf"), float(high or "inf")
    except ValueError:
        pass
    raise CaerError(f"{name}={value[:60]}: give two numbers, such as 0.2..0.6; either may be empty")


class Index:
    """Clips prepared for queries.

    Args:
        clips: one row per clip with `clip_id`, `clip_key` and the columns named above.
    """

    def __init__(self, clips: pd.DataFrame) -> None:
        self._count = len(clips)
        self._codes: dict[str, npt.NDArray[np.int64]] = {}
        self._words: dict[str, list[str]] = {}
        for name in FACETS:
            codes, words = pd.factorize(clips[name].astype(object).where(clips[name].notna(), NONE))
            self._codes[name], self._words[name] = codes, [str(word) for word in words]
        self._numbers = {name: clips[name].astype(float).to_numpy() for name in NUMBERS}
        keys = clips["clip_key"].astype(object).where(clips["clip_key"].notna(), "")
        self._names = np.array((clips["clip_id"] + " " + keys).str.lower().tolist(), dtype=object)

    @property
    def numbers(self) -> list[str]:
        """Columns of `NUMBERS` with a value for at least one clip."""
        return [name for name, values in self._numbers.items() if np.isfinite(values).any()]

    def find(self, query: Query) -> npt.NDArray[np.int64]:
        """Return the indices of the clips that a query finds, in its order."""
        indices = np.flatnonzero(self._fits(query))
        if not query.sort:
            return indices[::-1] if query.down else indices
        values = self._numbers[query.sort][indices]
        ordered = np.argsort(-values if query.down else values, kind="stable")  # NaN comes last
        return indices[ordered]

    def facets(self, query: Query) -> dict[str, list[tuple[str, int]]]:
        """Return the words of every facet, with the number of clips that choosing each leaves.

        The most frequent come first. A facet is omitted if all clips have the same word.
        """
        found = {}
        for name in FACETS:
            words = self._words[name]
            if words in ([], [NONE]):
                continue
            fits = self._fits(query, leave_out=name)
            counts = np.bincount(self._codes[name][fits], minlength=len(words))
            order = sorted(range(len(words)), key=lambda i: (-int(counts[i]), words[i]))
            found[name] = [(words[i], int(counts[i])) for i in order[:_MAX_WORDS]]
        return found

    def _fits(self, query: Query, leave_out: str = "") -> npt.NDArray[np.bool_]:
        fits = np.ones(self._count, bool)
        for name, words in query.words.items():
            if name != leave_out:
                wanted = [code for code, word in enumerate(self._words[name]) if word in words]
                fits &= np.isin(self._codes[name], wanted)
        for name, (low, high) in query.limits.items():
            fits &= (self._numbers[name] >= low) & (self._numbers[name] <= high)
        if query.text:
            fits &= np.fromiter((query.text in n for n in self._names), bool, self._count)
        return fits


def page_of(parameters: Mapping[str, Any]) -> tuple[int, int]:
    """Return the first index and the number of clips that a request asks for.

    Raises:
        CaerError: they are not whole numbers.
    """
    try:
        first, count = int(parameters.get("from", 0)), int(parameters.get("count", 120))
    except ValueError as error:
        raise CaerError("from and count must be whole numbers") from error
    return max(0, first), min(max(0, count), MAX_PAGE)
