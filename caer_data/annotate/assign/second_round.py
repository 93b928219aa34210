"""A second round: clips whose label is in doubt, rated again by raters who have not seen them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from caer_data.annotate.assign import clip_lists
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import shuffle_key
from caer_data.engine.ledger import Ledger

SECOND_ROUND: Final = -1
"""Block number of rows of a second round; blocks of the balanced design are never negative."""


def read_clips(path: Path, assignments: pd.DataFrame, ledger: Ledger) -> list[str]:
    """Return the keys of the clips in a CSV file, without duplicates and in order.

    Raises:
        CaerError: see `clip_lists.read`; or a clip was never assigned.
    """
    return clip_lists.read_assigned(path, set(assignments["clip_key"].dropna()), ledger)


def reassigned(assignments: pd.DataFrame) -> set[str]:
    """Return the keys of clips that are in their second round."""
    return set(assignments.loc[assignments["block"] == SECOND_ROUND, "clip_key"])


def reassign(
    assignments: pd.DataFrame,
    clips: Sequence[str],
    raters: Sequence[str],
    seed: int,
    seen: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Reassign clips to the same number of other raters; the earlier answers no longer count.

    The new rows have block -1, which marks the second round. Clips already in their second round
    are skipped, so a second call changes nothing. Raters with the fewest clips come first. Raters
    who were shown a clip for another reason, according to `seen`, pairs (clip_key, rater), do not
    get it.

    Raises:
        CaerError: a clip has too few raters who have not seen it.
    """
    rows: list[dict[str, Any]] = tables.check(tables.ASSIGNMENTS, assignments).to_pylist()
    of_clip: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        of_clip.setdefault(row["clip_key"], []).append(row)
    loads = Counter(row["rater"] for row in rows)
    left = {row["replaces"] for row in rows}
    following = {r: 1 + max(x["position"] for x in rows if x["rater"] == r) for r in loads}
    for clip in clips:
        old = of_clip[clip]
        if any(row["block"] == SECOND_ROUND for row in old):
            continue
        had_it = {row["rater"] for row in old} | left | {r for key, r in seen if key == clip}
        fresh = sorted(
            (r for r in raters if r not in had_it), key=lambda r: _rank(loads, r, clip, seed)
        )
        if len(fresh) < len(old):
            raise CaerError(
                f"clip {clip} needs {len(old)} raters who have not seen it to be rated again, "
                f"but there are only {len(fresh)}; add raters to the raters file"
            )
        for row, rater in zip(sorted(old, key=lambda x: str(x["rater"])), fresh, strict=False):
            loads[row["rater"]] -= 1
            loads[rater] += 1
            position = following.get(rater, 0)
            following[rater] = position + 1
            row.update(rater=rater, position=position, block=SECOND_ROUND, presentation=None)
    return tables.frame(tables.ASSIGNMENTS, rows)


def _rank(loads: Counter[str], rater: str, clip: str, seed: int) -> tuple[int, str]:
    return loads[rater], shuffle_key(seed, clip, rater)
