"""Choose which clips are rated first if not all can be.

Each next clip is the one that best balances the clips chosen so far. The order does not depend on
how many clips are requested, so 500 clips now and 500 later are the same as 1,000 at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from caer_data.engine.hashing import shuffle_key

_LENGTHS: Final = (1.5, 2.5, 4.0, 7.0)
"""Boundaries in seconds between the classes of clip length."""
_MEASURES: Final = ("face_height", "sharpness", "brightness", "coverage", "dominance")
"""Columns of `clips` that measure the similarity of clips, in addition to their length."""


def choose(
    clips: pd.DataFrame,
    assigned: Collection[str],
    limit: int,
    criteria: Sequence[str],
    *,
    speech: Mapping[str, bool] | None = None,
    labels: Mapping[str, str] | None = None,
    seed: int = 0,
) -> list[str]:
    """Return the keys of the clips to assign next, so that `limit` are assigned in total.

    The clip with the lowest cost is chosen next. Ties are broken by an order shuffled by the seed.
    A criterion such as `show` divides the clips into L classes. If n clips have been chosen, n_v of
    them from the clip's own class, the criterion costs L n_v / (n + 1), which is about 1 if the
    classes are balanced. The costs of all criteria are added, as in S. J. Pocock and R. Simon,
    "Sequential treatment assignment with balancing for prognostic factors in the controlled
    clinical trial", Biometrics 31, 1975.

    The criterion `unlike` subtracts the distance to the nearest chosen clip, divided by the
    greatest such distance (farthest-first traversal, T. F. Gonzalez, "Clustering to minimize the
    maximum intercluster distance", 1985). Distances are between measurements of the clips, each in
    units of its standard deviation.

    Args:
        clips: rows of table `clips` that can be shown, including assigned ones.
        assigned: keys of clips assigned earlier.
        limit: total number of clips to be assigned.
        criteria: words of the recipe's `annotate.first`.
        speech: whether somebody speaks, by key, if known.
        labels: a first label by key, such as a model's or an earlier round's.
        seed: the recipe's seed.
    """
    order = sorted(clips["clip_key"], key=lambda key: shuffle_key(seed, "first", key))
    rows = clips.set_index("clip_key").loc[order]
    chosen = np.isin(np.array(order, dtype=object), list(assigned))
    classes = [
        pd.factorize(pd.Series(_classes(rows, word, speech or {}, labels or {})))[0]
        for word in criteria
        if word != "unlike"
    ]
    balance = _Balance(classes, chosen)
    spread = _Spread(_measures(rows), chosen) if "unlike" in criteria else None
    found: list[str] = []
    while int(chosen.sum()) < min(limit, len(order)):
        cost = balance.cost() - (spread.dissimilarity() if spread else 0.0)
        cost = np.where(chosen, np.inf, np.round(cost, 9))
        best = int(cost.argmin())
        chosen[best] = True
        balance.add(best)
        if spread:
            spread.add(best)
        found.append(order[best])
    return found


class _Balance:
    """Number of chosen clips in the class of each clip, by criterion."""

    def __init__(self, classes: Sequence[np.ndarray], chosen: np.ndarray) -> None:
        self._classes = classes
        self._counts = [np.bincount(c[chosen], minlength=c.max(initial=0) + 1) for c in classes]
        self._n = int(chosen.sum())
        self._size = len(chosen)

    def cost(self) -> np.ndarray:
        total = np.zeros(self._size)
        for classes, counts in zip(self._classes, self._counts, strict=True):
            total += len(counts) * counts[classes] / (self._n + 1)
        return total

    def add(self, clip: int) -> None:
        self._n += 1
        for classes, counts in zip(self._classes, self._counts, strict=True):
            counts[classes[clip]] += 1


class _Spread:
    """Distance of each clip from the nearest chosen clip."""

    def __init__(self, measures: np.ndarray, chosen: np.ndarray) -> None:
        self._measures = measures
        self._nearest = np.full(len(measures), np.inf)
        for clip in np.flatnonzero(chosen):
            self.add(int(clip))

    def add(self, clip: int) -> None:
        distance = ((self._measures - self._measures[clip]) ** 2).sum(axis=1)
        self._nearest = np.minimum(self._nearest, distance)

    def dissimilarity(self) -> np.ndarray:
        """Return values from 0, the same as a chosen clip, to 1, farthest from all of them."""
        if np.isinf(self._nearest).any():  # nothing is chosen yet
            return np.zeros(len(self._nearest))
        distance = np.sqrt(self._nearest)
        return np.asarray(distance / max(float(distance.max()), 1e-12))


def _classes(
    rows: pd.DataFrame, word: str, speech: Mapping[str, bool], labels: Mapping[str, str]
) -> list[str]:
    """Return each clip's class by one criterion; unknown values form a class of their own."""
    if word == "length":
        return [str(n) for n in np.searchsorted(_LENGTHS, rows["end_s"] - rows["start_s"])]
    if word == "speech":
        return [str(speech.get(key)) for key in rows.index]
    if word == "label":
        return [str(labels.get(key)) for key in rows.index]
    return [str(cell) for cell in rows["person_id" if word == "person" else word]]


def _measures(rows: pd.DataFrame) -> np.ndarray:
    measured = rows[list(_MEASURES)].astype(float)
    measured["length"] = np.log(np.maximum(rows["end_s"] - rows["start_s"], 1e-3))
    spread = measured.std(ddof=0)
    return np.asarray(((measured - measured.mean()) / spread.where(spread > 0, 1.0)).fillna(0.0))
