"""Gold clips and repeats: clips that check a rater, hidden among the clips to vote on.

A rater cannot tell them apart from the others, because they have the same kind of name and page and
are spread among the rater's own clips. Answers to them are never votes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import pandas as pd

from caer_data.engine import tables
from caer_data.engine.hashing import shuffle_key
from caer_data.engine.recipe import Annotate

_Row = dict[str, Any]
_GAP: Final = 50  # minimum number of clips between a clip and its repeat, if there are enough


def plan(
    before: pd.DataFrame,
    assignments: pd.DataFrame,
    checks: pd.DataFrame,
    known: Mapping[str, str],
    showable: Collection[str],
    settings: Annotate,
    seed: int,
) -> pd.DataFrame:
    """Add the checks that are due; return the complete `tables.CHECKS`, earlier rows first.

    A rater with n assigned clips gets `round(share * n)` checks of each kind, spread over the clips
    that are new to them, because clips shown earlier cannot be rearranged. Gold clips have a known
    answer, and the rater has neither voted on them nor seen them as a check. A repeat follows the
    vote on the same clip after at least 50 clips, or a third of the rater's clips if that is less.
    Each clip is repeated at most once. Raters who left get none.

    Args:
        before: `tables.ASSIGNMENTS` as the raters have seen them.
        assignments: the current `tables.ASSIGNMENTS`.
        checks: existing `tables.CHECKS`.
        known: correct answers by clip.
        showable: keys of the clips that can be shown.
        settings: section `annotate` of the recipe.
        seed: the recipe's seed.
    """
    left = set(assignments["replaces"].dropna())
    seen_before = before["rater"].value_counts()
    rows: list[_Row] = []
    for rater, mine in assignments.groupby("rater", observed=True):
        if rater in left:
            continue
        order = mine.sort_values("position")
        new = _Place(
            str(rater),
            list(order["clip_key"]),
            list(order["position"]),
            int(seen_before.get(rater, 0)),
            checks[checks["rater"] == rater],
            seed,
        )
        gold = new.gold(settings.gold_share, {k: e for k, e in known.items() if k in showable})
        rows += gold + new.repeats(settings.repeat_share, showable)
    fresh = tables.frame(tables.CHECKS, rows)
    return pd.concat([checks, fresh], ignore_index=True) if len(checks) else fresh


def lacking(assignments: pd.DataFrame, checks: pd.DataFrame, settings: Annotate) -> int:
    """Return how many gold clips are due that lack a clip with a known answer."""
    left = set(assignments["replaces"].dropna())
    have = checks.loc[checks["kind"] == "gold", "rater"].value_counts()
    assigned = assignments["rater"].value_counts()
    short = (_due(settings.gold_share, n) - int(have.get(r, 0)) for r, n in assigned.items())
    return sum(max(0, n) for r, n in zip(assigned.index, short, strict=True) if r not in left)


def _due(share: float, clips: int) -> int:
    return int(share * clips + 0.5)


class _Place:
    """One rater's clips in order, and how many of them the rater has been shown."""

    def __init__(
        self,
        rater: str,
        clips: list[str],
        positions: list[int],
        shown: int,
        checks: pd.DataFrame,
        seed: int,
    ) -> None:
        self.rater, self.clips, self.positions = rater, clips, positions
        self.shown, self.checks, self.seed = shown, checks, seed

    def gold(self, share: float, known: Mapping[str, str]) -> list[_Row]:
        taken = {*self.clips, *self.checks["clip_key"]}
        free = self._shuffled("gold", [key for key in known if key not in taken])
        indices = self._places("gold", share, self.shown)
        return [
            self._row(key, "gold", index) | {"known": known[key]}
            for key, index in zip(free, indices, strict=False)
        ]

    def repeats(self, share: float, showable: Collection[str]) -> list[_Row]:
        gap = max(1, min(_GAP, len(self.clips) // 3))
        taken = set(self.checks["clip_key"])
        rows = []
        for index in self._places("repeat", share, max(self.shown, gap)):
            earlier = self.clips[: index - gap + 1]
            free = [key for key in earlier if key in showable and key not in taken]
            if free:
                key = self._shuffled("repeat", free)[0]
                taken.add(key)
                rows.append(self._row(key, "repeat", index))
        return rows

    def _places(self, kind: str, share: float, start: int) -> list[int]:
        """Return positions for the checks that are due, one in each equal stretch of new clips."""
        due = _due(share, len(self.clips)) - int((self.checks["kind"] == kind).sum())
        length = len(self.clips) - start
        if due <= 0 or length <= 0:
            return []
        parts = [self._draw(kind, number) for number in range(due)]
        return [start + int((i + part) * length / due) for i, part in enumerate(parts)]

    def _draw(self, kind: str, number: int) -> float:
        """Return a number from 0 to 1 that depends only on the arguments, rater and seed."""
        text = shuffle_key(self.seed, kind, self.rater, self.shown, number)
        return int(text[:12], 16) / 16**12

    def _shuffled(self, kind: str, keys: list[str]) -> list[str]:
        return sorted(keys, key=lambda key: shuffle_key(self.seed, kind, self.rater, key))

    def _row(self, key: str, kind: str, index: int) -> _Row:
        position = self.positions[index]
        return {"clip_key": key, "rater": self.rater, "kind": kind, "position": position}
