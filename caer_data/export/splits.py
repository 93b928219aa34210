"""Split clips into train, validation and test by groups, and keep the split.

All clips of a group (`caer_data.export.groups`) are in the same split. A group is a shot (`clip`),
video, show, person or repeated scene. Parts of one long shot form a group even with `clip`, because
their pictures are nearly the same. In the paper, a clip is a whole shot (Lee et al. 2019, section
4.1, which also splits 70/10/20 at random).

The search starts from scikit-learn's `StratifiedGroupKFold` and from a greedy assignment. It then
moves and swaps groups while this brings sizes and class shares closer to the request. With up to
nine groups, it tries every assignment.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from caer_data.engine.columns import STRING, Column, Table
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import shuffle_key
from caer_data.export.groups import GROUP_OF, groups_of, words_of
from caer_data.export.manifest import SPLITS

ASSIGNED: Final = Table(
    "splits",
    "the split of one clip under one scheme",
    ("scheme", "clip_key"),
    (
        Column("scheme", STRING, "the request: groups, shares, seed"),
        Column("clip_key", STRING, "the clip"),
        Column("split", STRING, "train, validation or test", values=SPLITS),
    ),
)

_TRY_ALL = 9
_TRY_SWAPS = 300
_FOLDS = 20
_NO_GAIN = 1e-12


@dataclass(frozen=True)
class Scheme:
    """A way of splitting: shares, groups and seed.

    Attributes:
        shares: shares of train, validation and test.
        by: groups: a word of `groups.GROUP_OF`, or several joined by `+`.
        seed: seed of the random choices.
    """

    shares: tuple[float, float, float]
    by: str
    seed: int

    def __str__(self) -> str:
        shares = "/".join(f"{share:g}" for share in self.shares)
        return f"{shares} by {self.by}, seed {self.seed}"

    @property
    def targets(self) -> np.ndarray:
        """Shares normalised to a sum of one, shape (3,)."""
        return np.asarray(self.shares, float) / sum(self.shares)


def parse_shares(text: str) -> tuple[float, float, float]:
    """Return shares from text: `70/10/20`, or `80/20` for train and test; the sum is 100 or 1.

    Raises:
        CaerError: the text is not two or three such numbers, one is negative, or train or test has
            no share.
    """
    parts = text.split("/")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) == 2:
        numbers.insert(1, 0.0)
    whole = any(math.isclose(sum(numbers), total, rel_tol=1e-6) for total in (1, 100))
    if len(numbers) != 3 or not whole or min(numbers) < 0 or 0 in (numbers[0], numbers[2]):
        raise CaerError(
            f"--split {text}: use the shares of train, validation and test, such as 70/10/20, "
            "or of train and test, such as 80/20; they must add up to 100"
        )
    return numbers[0], numbers[1], numbers[2]


def assign(clips: pd.DataFrame, scheme: Scheme, kept: Mapping[str, str] | None = None) -> pd.Series:
    """Assign a split to every clip.

    Args:
        clips: `clip_key, clip_id, label` and the group columns, one row per labelled clip.
        scheme: shares, groups, seed.
        kept: splits of clips assigned earlier; these clips and their groups keep their split.

    Returns:
        Split names, indexed like `clips`. The result does not depend on the order of rows.

    Raises:
        CaerError: there are fewer groups than splits, or `kept` has clips of one group in
            different splits.
    """
    groups = groups_of(clips, scheme.by)
    names = sorted(groups.unique(), key=lambda name: _draw(scheme.seed, name))
    position = {name: i for i, name in enumerate(names)}
    member_of = groups.map(position).to_numpy(int)
    wanted = np.flatnonzero(scheme.targets > 0)
    _check_enough(clips, scheme.by, len(names), len(wanted))
    fixed = _fixed(clips, groups, position, scheme, kept or {})

    counts = np.zeros((len(names), len(EMOTIONS) + 1))
    np.add.at(counts, (member_of, clips["label"].to_numpy(int)), 1)
    counts[:, -1] = counts.sum(axis=1)
    weights = counts[:, counts.sum(axis=0) > 0]
    weights = weights / weights.sum(axis=0)

    free = np.flatnonzero(fixed < 0)
    if len(wanted) ** len(free) <= 3**_TRY_ALL:
        chosen = _best_of_all(weights, fixed, wanted, scheme.targets)
    else:
        starts = [_greedy(weights, fixed, wanted, scheme.targets)]
        if len(free) == len(names) and scheme.by != "clip":
            starts.append(_folds(clips, member_of, len(names), scheme))
        moved = [_improve(weights, start, fixed, wanted, scheme.targets) for start in starts]
        chosen = min(moved, key=lambda groups: _cost(weights, groups, scheme.targets))
    empty = [SPLITS[s] for s in wanted if s not in chosen]
    if empty:
        raise CaerError(
            f"{' and '.join(empty)} would be empty, because all groups are already assigned; "
            "add clips, or draw a new split with --resplit"
        )
    return pd.Series(np.asarray(SPLITS, dtype=object)[chosen[member_of]], index=clips.index)


def reached(clips: pd.DataFrame, split: pd.Series, scheme: Scheme) -> pd.DataFrame:
    """Return the requested and the actual split, one row per split.

    Columns: `split, asked, reached` (shares of all clips), `clips, groups`, and for each emotion
    the number of clips and, as `<emotion>_share`, the share of all clips with that emotion.
    """
    groups = groups_of(clips, scheme.by)
    totals = clips["emotion"].value_counts()
    table = []
    for name, target in zip(SPLITS, scheme.targets, strict=True):
        inside = clips[split == name]
        counts = inside["emotion"].value_counts()
        row: dict[str, object] = {
            "split": name,
            "asked": float(target),
            "reached": len(inside) / len(clips),
            "clips": len(inside),
            "groups": int(groups[split == name].nunique()),
        }
        for emotion in EMOTIONS:
            row[emotion] = int(counts.get(emotion, 0))
            row[f"{emotion}_share"] = counts.get(emotion, 0) / max(totals.get(emotion, 0), 1)
        table.append(row)
    return pd.DataFrame(table)


def _draw(seed: int, name: str) -> str:
    return shuffle_key(seed, name, separator=":")


def _check_enough(clips: pd.DataFrame, by: str, groups: int, splits: int) -> None:
    if groups >= splits:
        return
    known = [word for word, column in GROUP_OF.items() if column in clips]
    others = {word: groups_of(clips, word).nunique() for word in known if word not in words_of(by)}
    ways = [f"by {other} ({n} groups)" for other, n in others.items() if n >= splits]
    raise CaerError(
        f"split by {by}: {groups} group{'s' if groups != 1 else ''} cannot fill {splits} splits; "
        + (f"split {' or '.join(ways)}, or " if ways else "")
        + ("omit the validation split (shares 80/0/20), or " if splits > groups >= 2 else "")
        + "add labelled clips"
    )


def _fixed(
    clips: pd.DataFrame,
    groups: pd.Series,
    position: Mapping[str, int],
    scheme: Scheme,
    kept: Mapping[str, str],
) -> np.ndarray:
    """Return the split of each group with clips assigned earlier, else -1; shape (groups,)."""
    fixed = np.full(len(position), -1)
    keys, names = clips["clip_key"].to_numpy(object), groups.to_numpy(object)
    for key, group in zip(keys, names, strict=True) if kept else ():
        if key not in kept:
            continue
        split = SPLITS.index(kept[key])
        before = fixed[position[group]]
        if before not in (-1, split):
            raise CaerError(
                f"split by {scheme.by}: '{group}' now joins clips previously assigned to "
                f"{SPLITS[before]} and to {SPLITS[split]}; draw a new split with --resplit"
            )
        fixed[position[group]] = split
    return fixed


def _sums(weights: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return each split's share of each class, and of all clips; shape (3, classes + 1)."""
    return np.stack([weights[chosen == s].sum(axis=0) for s in range(len(SPLITS))])


def _cost(weights: np.ndarray, chosen: np.ndarray, targets: np.ndarray) -> float:
    """Return the squared distance between actual and requested shares."""
    return float(((_sums(weights, chosen) - targets[:, None]) ** 2).sum())


def _best_of_all(
    weights: np.ndarray, fixed: np.ndarray, wanted: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    free = np.flatnonzero(fixed < 0)
    best, least = fixed, np.inf
    for choice in itertools.product(wanted, repeat=len(free)):
        trial = fixed.copy()
        trial[free] = choice
        cost = _cost(weights, trial, targets)
        if len(np.unique(trial)) >= len(wanted) and cost < least - _NO_GAIN:
            best, least = trial, cost
    if np.isinf(least):
        best = fixed.copy()
        best[free] = wanted[0]
    return best


def _greedy(
    weights: np.ndarray, fixed: np.ndarray, wanted: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Assign large groups first, each to the split that most lacks its clips."""
    chosen = fixed.copy()
    lacks = targets[:, None] - _sums(weights, chosen)
    order = np.argsort(-weights.sum(axis=1), kind="stable")
    for group in order[fixed[order] < 0]:
        split = wanted[np.argmax(lacks[wanted] @ weights[group])]
        chosen[group] = split
        lacks[split] -= weights[group]
    return chosen


def _folds(clips: pd.DataFrame, member_of: np.ndarray, groups: int, scheme: Scheme) -> np.ndarray:
    """Assign scikit-learn's equal folds to the splits in proportion to their shares."""
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold

    folds = min(_FOLDS, groups, int(clips["label"].value_counts().max()))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=scheme.seed % 2**32)
    ends = np.round(np.cumsum(scheme.targets) * folds)
    chosen = np.zeros(groups, int)
    order = np.argsort(member_of, kind="stable")  # the result must not depend on the row order
    labels, members = clips["label"].to_numpy(int)[order], member_of[order]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class may have fewer clips than folds
        for fold, (_, inside) in enumerate(splitter.split(labels, labels, members)):
            chosen[members[inside]] = np.searchsorted(ends, fold, side="right")
    return chosen


def _improve(
    weights: np.ndarray,
    start: np.ndarray,
    fixed: np.ndarray,
    wanted: np.ndarray,
    targets: np.ndarray,
) -> np.ndarray:
    """Repeat the best move of one group or swap of two until nothing improves; return splits.

    A requested split is never left empty. If there are many groups, swaps are not tried.
    """
    if (fixed < 0).sum() > _TRY_SWAPS:
        return _Kinds(weights, start, fixed).improved(wanted, targets)
    chosen = start.copy()
    while True:
        sizes = np.bincount(chosen, minlength=len(SPLITS))
        unfilled = [s for s in wanted if sizes[s] == 0]
        pull = weights @ (_sums(weights, chosen) - targets[:, None]).T
        gain = _gain_of_moves(weights, pull, chosen)
        allowed = np.zeros(gain.shape, bool)
        allowed[:, unfilled or wanted] = True
        allowed &= ((fixed < 0) & (sizes[chosen] > 1))[:, None]
        gain[~allowed | np.isnan(gain)] = np.inf
        group, split = np.unravel_index(np.argmin(gain), gain.shape)
        if gain[group, split] < -_NO_GAIN or (unfilled and np.isfinite(gain[group, split])):
            chosen[group] = split
            continue
        free = np.flatnonzero(fixed < 0)
        gain = _gain_of_swaps(weights[free], pull[free], chosen[free])
        one, other = np.unravel_index(np.argmin(gain), gain.shape)
        if gain[one, other] > -_NO_GAIN:
            return chosen
        chosen[free[[one, other]]] = chosen[free[[other, one]]]


class _Kinds:
    """A collection of many groups, in which groups with the same clips per class are one kind.

    The gain of a move depends only on the group's kind, so the cost of a step grows with the number
    of kinds, not of groups. Of several groups of a kind, the first is moved.
    """

    def __init__(self, weights: np.ndarray, start: np.ndarray, fixed: np.ndarray) -> None:
        free = np.flatnonzero(fixed < 0)
        self._chosen = start.copy()
        self._rows, kinds = np.unique(weights[free], axis=0, return_inverse=True)
        kept = fixed >= 0
        self._fixed_sums = _sums(weights[kept], fixed[kept])
        self._fixed_sizes = np.bincount(fixed[kept], minlength=len(SPLITS))
        self._members: dict[tuple[int, int], list[int]] = {}
        for group, kind in zip(free.tolist(), kinds.reshape(-1).tolist(), strict=True):
            self._members.setdefault((kind, int(start[group])), []).append(group)
        self._numbers = np.zeros((len(self._rows), len(SPLITS)), np.int64)
        for (kind, split), groups in self._members.items():
            self._numbers[kind, split] = len(groups)  # sorted, so already a heap

    def improved(self, wanted: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Make the best move until none improves; return splits, shape (groups,)."""
        own = (self._rows**2).sum(axis=1)
        while True:
            sizes = self._fixed_sizes + self._numbers.sum(axis=0)
            unfilled = [s for s in wanted if sizes[s] == 0]
            sums = self._fixed_sums + self._numbers.T @ self._rows
            pull = self._rows @ (sums - targets[:, None]).T
            gain = 2 * (own[:, None, None] + pull[:, None, :] - pull[:, :, None])
            allowed = np.zeros(gain.shape, bool)
            allowed[:, :, unfilled or wanted] = True
            allowed &= ((self._numbers > 0) & (sizes > 1))[:, :, None]
            allowed &= ~np.eye(len(SPLITS), dtype=bool)
            gain[~allowed] = np.inf
            least = gain.min(initial=np.inf)
            if least >= -_NO_GAIN and not (unfilled and np.isfinite(least)):
                return self._chosen
            self._move(np.argwhere(gain == least).tolist())

    def _move(self, ways: list[list[int]]) -> None:
        """Move the first group that can make one of some moves: kind, from split, to split."""
        kind, here, there = min(ways, key=lambda way: (self._members[way[0], way[1]][0], way[2]))
        group = heapq.heappop(self._members[kind, here])
        heapq.heappush(self._members.setdefault((kind, there), []), group)
        self._numbers[kind, here] -= 1
        self._numbers[kind, there] += 1
        self._chosen[group] = there


def _gain_of_moves(weights: np.ndarray, pull: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the change of cost if a group (row) moves to a split (column); NaN for its own."""
    everyone = np.arange(len(chosen))
    own = (weights**2).sum(axis=1)
    gain = np.asarray(2 * (own[:, None] + pull - pull[everyone, chosen][:, None]))
    gain[everyone, chosen] = np.nan
    return gain


def _gain_of_swaps(weights: np.ndarray, pull: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the change of cost if two groups (row, column) are swapped."""
    own = (weights**2).sum(axis=1)
    apart = own[:, None] + own[None] - 2 * weights @ weights.T
    here = pull[np.arange(len(chosen)), chosen]
    there = pull[:, chosen]  # pull of the row's group to the column's split
    return np.asarray(2 * (apart + there + there.T - here[:, None] - here[None]))
