"""A second round: clips whose label is in doubt, rated again by raters who have not seen them."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.ledger import Ledger

SECOND_ROUND: Final = -1
"""Block of the rows of a second round, which no block of the balanced design has."""


def read_clips(path: Path, assignments: pd.DataFrame, ledger: Ledger) -> list[str]:
    """Keys of the clips of a CSV (column `clip_key`, else `clip_id`), each once, in order.

    Raises:
        CaerError: the file cannot be read, has no such column, or names a clip that was not dealt,
            or one whose name has meant several (with its row).
    """
    dealt, meant = set(assignments["clip_key"]), ledger.named()
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if not {"clip_id", "clip_key"} & set(reader.fieldnames or []):
                raise CaerError(f"{path}:1: there is no column clip_key or clip_id")
            clips: list[str] = []
            for row in reader:
                key = row.get("clip_key")
                keys = {key} & dealt if key else meant.get(str(row.get("clip_id")), set()) & dealt
                if not keys:
                    raise CaerError(
                        f"{path}:{reader.line_num}: no clip '{key or row['clip_id']}' was dealt; "
                        "push it first, or remove the row"
                    )
                if len(keys) > 1:
                    raise CaerError(
                        f"{path}:{reader.line_num}: '{row['clip_id']}' has been the name of "
                        f"{len(keys)} clips, as builds differed; give the column clip_key"
                    )
                clips += keys
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CaerError(f"{path}: cannot be read as a CSV file ({error})") from error
    return list(dict.fromkeys(clips))


def dealt_again(assignments: pd.DataFrame) -> set[str]:
    """Clips that are in their second round."""
    return set(assignments.loc[assignments["block"] == SECOND_ROUND, "clip_key"])


def deal_again(
    assignments: pd.DataFrame, clips: Sequence[str], raters: Sequence[str], seed: int
) -> pd.DataFrame:
    """Deal clips to as many other raters as they had; the earlier answers no longer count.

    The new rows are of block -1, which says that the clip is in its second round: it is then left
    alone, so that doing this twice changes nothing. Those with the fewest clips come first.

    Raises:
        CaerError: too few raters have not seen a clip.
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
        seen = {row["rater"] for row in old} | left
        fresh = sorted(
            (r for r in raters if r not in seen), key=lambda r: _rank(loads, r, clip, seed)
        )
        if len(fresh) < len(old):
            raise CaerError(
                f"clip {clip} can be rated again only by {len(old)} raters who have not seen it, "
                f"but there are {len(fresh)}; add raters to the raters file"
            )
        for row, rater in zip(sorted(old, key=lambda x: str(x["rater"])), fresh, strict=False):
            loads[row["rater"]] -= 1
            loads[rater] += 1
            position = following.get(rater, 0)
            following[rater] = position + 1
            row.update(rater=rater, position=position, block=SECOND_ROUND, presentation=None)
    return tables.frame(tables.ASSIGNMENTS, rows)


def _rank(loads: Counter[str], rater: str, clip: str, seed: int) -> tuple[int, str]:
    return loads[rater], hashlib.sha256(f"{seed}\0{clip}\0{rater}".encode()).hexdigest()
