"""Rebalance the raters' loads after a build has dropped assigned clips."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from caer_data.annotate.assign.second_round import SECOND_ROUND
from caer_data.engine import tables
from caer_data.engine.hashing import shuffle_key

Pairs = Collection[tuple[str, str]]


def is_uneven(assignments: pd.DataFrame, present: Collection[str]) -> bool:
    """Return whether removed clips have left some raters with more to do than others.

    Only raters who were assigned clips together are compared. Those who joined late keep fewer.

    Args:
        assignments: `tables.ASSIGNMENTS`.
        present: keys of the clips that exist.
    """
    return any(
        max(loads.values()) - min(loads.values()) > 1 for loads in _loads(assignments, present)
    )


def level(
    assignments: pd.DataFrame, present: Collection[str], answered: Pairs, checks: Pairs, seed: int
) -> pd.DataFrame:
    """Move as few unanswered clips as needed from raters with too many to raters with too few.

    Nobody gets a clip twice. A moved clip comes last in its new rater's order. Clips of a second
    round, or taken over from somebody who left, are not moved.

    Args:
        assignments: `tables.ASSIGNMENTS`.
        present: keys of the clips that exist.
        answered: pairs of clip and rater that stay because they are answered.
        checks: pairs of clip and rater that stay because they are gold clips or repeats.
        seed: the recipe's seed, which breaks ties.

    Returns:
        The same table. Moved rows have another rater and no name on the server yet.
    """
    rows = tables.check(tables.ASSIGNMENTS, assignments).to_pylist()
    holders: dict[str, set[str]] = {}
    for clip, rater in (*checks, *((row["clip_key"], row["rater"]) for row in rows)):
        holders.setdefault(clip, set()).add(rater)
    following = {rater: int(last) + 1 for rater, last in _last_positions(assignments).items()}
    fixed = {*answered, *checks}
    movable = [
        row
        for row in rows
        if row["clip_key"] in present
        and row["block"] != SECOND_ROUND
        and row["replaces"] is None
        and (row["clip_key"], row["rater"]) not in fixed
    ]
    movable.sort(key=lambda row: shuffle_key(seed, "level", row["rater"], row["clip_key"]))
    for loads in _loads(assignments, present):
        for row in movable:
            rater, clip = row["rater"], row["clip_key"]
            free = [other for other in loads if other not in holders[clip]]
            taker = min(free, key=lambda other: (loads[other], other), default=None)
            if taker is None or rater not in loads or loads[rater] - loads[taker] < 2:
                continue
            row.update(rater=taker, position=following[taker], presentation=None)
            following[taker] += 1
            holders[clip] = holders[clip] - {rater} | {taker}
            loads[rater] -= 1
            loads[taker] += 1
    return tables.frame(tables.ASSIGNMENTS, rows)


def _last_positions(assignments: pd.DataFrame) -> dict[str, int]:
    return {
        str(k): int(v)
        for k, v in assignments.groupby("rater", observed=True)["position"].max().items()
    }


def _loads(assignments: pd.DataFrame, present: Collection[str]) -> list[dict[str, int]]:
    """Return the number of existing clips by rater, for each group that shares blocks."""
    rows = assignments[assignments["block"] != SECOND_ROUND]
    left = set(rows["replaces"].dropna())
    companies: list[tuple[set[str], set[int]]] = []
    own = rows[rows["replaces"].isna()]
    for block in sorted(set(own["block"].astype(int))):
        people = set(own.loc[own["block"] == block, "rater"]) - left
        if companies and people <= companies[-1][0]:
            companies[-1][1].add(block)
        else:
            companies.append((people, {block}))
    counted = rows[rows["clip_key"].isin(list(present))]
    found = []
    for people, blocks in companies:
        loads = counted.loc[counted["block"].isin(list(blocks)), "rater"].value_counts()
        found.append({rater: int(loads.get(rater, 0)) for rater in sorted(people)})
    return [loads for loads in found if loads]
