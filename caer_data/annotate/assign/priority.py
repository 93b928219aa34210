"""What is rated first when not everything can be: an order that stays the same as rating proceeds.

Each next clip is the one that balances best what was chosen so far, and among equals the one most
unlike it. Nothing in the order depends on how far it is followed, so that 500 clips now and 500
later are the same as 1,000 at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from caer_data.engine.hashing import shuffle_key

_LENGTHS: Final = (1.5, 2.5, 4.0, 7.0)
"""Seconds that divide short from long clips."""
_MEASURES: Final = ("face_height", "sharpness", "brightness", "coverage", "dominance")
"""Columns of `clips` that say how like two clips are, beside their length."""


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
    """Keys of the clips to assign next, so that `limit` are assigned in all.

    A criterion such as `show` parts the clips into classes. With n clips chosen so far, n_v of them
    in the clip's own class, of L classes in all, it costs a clip L n_v / (n + 1), which is about 1
    where the classes are level; the costs of all criteria are added up, as in S. J. Pocock and
    R. Simon, "Sequential treatment assignment with balancing for prognostic factors in the
    controlled clinical trial", Biometrics 31, 1975. `unlike` takes from it the distance to the
    nearest clip chosen so far, over the greatest such distance (farthest-first traversal,
    T. F. Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985), in what was
    measured of the clips, each measure in units of its standard deviation. The lowest cost wins;
    equals are in an order shuffled by the seed.

    Args:
        clips: rows of table `clips` that can be shown, among them those assigned.
        assigned: keys of clips assigned before.
        limit: how many clips are to be assigned in all.
        criteria: words of the recipe's `annotate.first`.
        speech: whether somebody speaks, by key, where that is known.
        labels: a first label by key, such as a model's or an earlier round's.
        seed: of the recipe.
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
    """How many of the chosen are in the class of each clip, criterion by criterion."""

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
    """How far each clip is from the nearest of those chosen."""

    def __init__(self, measures: np.ndarray, chosen: np.ndarray) -> None:
        self._measures = measures
        self._nearest = np.full(len(measures), np.inf)
        for clip in np.flatnonzero(chosen):
            self.add(int(clip))

    def add(self, clip: int) -> None:
        distance = ((self._measures - self._measures[clip]) ** 2).sum(axis=1)
        self._nearest = np.minimum(self._nearest, distance)

    def dissimilarity(self) -> np.ndarray:
        """From 0, like one of those chosen, to 1, the most unlike them all."""
        if np.isinf(self._nearest).any():  # nothing is chosen yet
            return np.zeros(len(self._nearest))
        distance = np.sqrt(self._nearest)
        return np.asarray(distance / max(float(distance.max()), 1e-12))


def _classes(
    rows: pd.DataFrame, word: str, speech: Mapping[str, bool], labels: Mapping[str, str]
) -> list[str]:
    """Each clip's class by one criterion; unknown values form a class of their own."""
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
