"""Human performance on the same test clips, and agreement of the model with people.

The label is the raters' majority. A rater who contributed to it cannot be compared with it, so each
is compared with the majority of the others, if they have one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from caer_data.benchmark.data.votes import Vote, parse
from caer_data.benchmark.results.intervals import Estimate, Groups, accuracy, groups_of, share_right
from caer_data.benchmark.results.outcomes import Mask, Outcomes

CONFIDENCE: Final = (0.25, 0.5, 0.75)
"""Boundaries of the bins of mean confidence."""


@dataclass(frozen=True)
class Ceiling:
    """How often a rater's answer equals the majority of the others.

    Attributes:
        accuracy: over all raters and clips; n counts answers.
        raters: answers and accuracy of each rater.
        ties: number of answers without a majority of the others.
    """

    accuracy: Estimate
    raters: dict[str, Estimate]
    ties: int


def votes_of(found: Outcomes) -> list[tuple[Vote, ...]]:
    """Return the votes of each sample."""
    return [parse(str(text), found.classes) for text in found.about["votes"]]


def ceiling(found: Outcomes) -> Ceiling | None:
    """Compare each rater with the majority of the others; None if no clip has three raters."""
    rows, ties = [], 0
    for position, votes in enumerate(votes_of(found)):
        for vote in votes:
            others = [other.label for other in votes if other is not vote]
            majority = majority_of(others) if len(others) > 1 else None
            if majority is None:
                ties += len(others) > 1
            else:
                rows.append((position, vote.rater, vote.label == majority))
    if not rows:
        return None
    groups = groups_of(found)
    whole = _share(rows, groups)
    raters = sorted({rater for _, rater, _ in rows})
    each = {name: _share([row for row in rows if row[1] == name], groups) for name in raters}
    return Ceiling(whole, each, ties)


def majority_of(labels: list[int]) -> int | None:
    """Return the most frequent label; None if there is a tie."""
    (first, count), *rest = Counter(labels).most_common()
    return None if rest and rest[0][1] == count else first


def _share(rows: list[tuple[int, str, bool]], groups: Groups) -> Estimate:
    return share_right(groups, [position for position, _, _ in rows], [hit for *_, hit in rows])


def by_pattern(found: Outcomes) -> dict[str, Estimate]:
    """Return the model's accuracy by pattern of votes, such as `3-0`, most agreement first."""
    patterns = np.array([pattern(votes) for votes in votes_of(found)])
    known = sorted(set(patterns) - {""}, key=lambda p: [-int(x) for x in p.split("-")])
    return {p: accuracy(found.only(patterns == p)) for p in known}


def pattern(votes: tuple[Vote, ...]) -> str:
    """Return the numbers of votes in decreasing order, such as `3-0`; empty without votes."""
    counts = sorted(Counter(vote.label for vote in votes).values(), reverse=True)
    return "-".join(map(str, counts if len(counts) != 1 else [*counts, 0]))


def unanimous(found: Outcomes) -> Mask:
    """Return (n,) whether a sample has at least two raters, who all agree."""
    return np.array(
        [len(votes) > 1 and len({v.label for v in votes}) == 1 for votes in votes_of(found)], bool
    )


def by_confidence(found: Outcomes) -> dict[str, Estimate]:
    """Return the model's accuracy by the raters' mean confidence, in four bins."""
    means = np.array([_mean_confidence(votes) for votes in votes_of(found)])
    edges = (0.0, *CONFIDENCE, 1.0)
    rows = {}
    for low, high in pairwise(edges):
        last = high == edges[-1]
        inside = (means >= low) & ((means <= high) if last else (means < high))
        if inside.any():
            rows[f"{low:.2f} to {high:.2f}"] = accuracy(found.only(inside))
    return rows


def _mean_confidence(votes: tuple[Vote, ...]) -> float:
    given = [vote.confidence for vote in votes if not np.isnan(vote.confidence)]
    return float(np.mean(given)) if given else float("nan")
