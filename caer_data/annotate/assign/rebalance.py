"""Level the raters' loads after a build dropped clips that were assigned."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from caer_data.annotate.assign.second_round import SECOND_ROUND
from caer_data.engine import tables
from caer_data.engine.hashing import shuffle_key

Pairs = Collection[tuple[str, str]]


def is_uneven(assignments: pd.DataFrame, present: Collection[str]) -> bool:
    """Whether removed clips have left some raters with more to do than others.

    Only raters who were assigned clips together are compared: those who joined late keep fewer.

    Args:
        assignments: `tables.ASSIGNMENTS`.
        there: keys of the clips that exist.
    """
    return any(
        max(loads.values()) - min(loads.values()) > 1 for loads in _loads(assignments, present)
    )


def level(
    assignments: pd.DataFrame, present: Collection[str], answered: Pairs, checks: Pairs, seed: int
) -> pd.DataFrame:
    """Move unanswered clips from raters with too many to raters with too few, as few as needed.

    Nobody gets a clip twice; a moved clip comes last in its new order. Clips that were reassigned
    or instead of somebody who left stay where they are.

    Args:
        assignments: `tables.ASSIGNMENTS`.
        there: keys of the clips that exist.
        answered: pairs of clip and rater; these stay.
        checks: pairs of clip and rater shown as gold clips or repeats; these stay, too.
        seed: of the recipe; decides among equals.

    Returns:
        The same table with other raters in some rows, whose name on the server is empty.
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
    return {str(k): int(v) for k, v in assignments.groupby("rater")["position"].max().items()}


def _loads(assignments: pd.DataFrame, present: Collection[str]) -> list[dict[str, int]]:
    """Clips that exist, by rater: one table for each group that was assigned blocks together."""
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
