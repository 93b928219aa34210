"""Assign clips to raters: balanced assignment, later additions, and raters who leave.

Nothing here is random. Orders are shuffled by hashes of the seed and the names, so the same seed,
clips and raters give the same table on every machine and in every version.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from math import comb
from pathlib import Path
from typing import Any

import pandas as pd

from caer_data.annotate.assign import design
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import shuffle_key, shuffled
from caer_data.engine.recipe import Annotate

_ADDRESS = re.compile(r"[^\s@,;:<>()\"'=]+@[\w-]+(\.[\w-]+)+")
_Row = dict[str, Any]
# A larger block would have more clips than CAER itself and would never be filled.
_MAX_BLOCK = 20_000


def read_raters(path: Path, raters_per_clip: int = 3) -> list[str]:
    """Return raters' e-mail addresses from a file, in lower case and in the file's order.

    The file has one address per line. Blank lines and comments are skipped. A comment begins with a
    `#` at the start of a line or after a space.

    Raises:
        CaerError: the file cannot be read, an address is invalid or occurs twice, or there are
            fewer raters than each clip needs.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise CaerError(f"{path}: no such file; write one e-mail address per line") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CaerError(f"{path}: cannot be read as a text file ({error})") from error
    first_line: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        address = re.split(r"(?:^|\s)#", line)[0].strip().lower()
        if not address:
            continue
        check_address(address, f"{path}:{number}")
        if address in first_line:
            raise CaerError(
                f"{path}:{number}: {address} is already on line {first_line[address]}; "
                "remove one of the two"
            )
        first_line[address] = number
    if len(first_line) < raters_per_clip:
        raise CaerError(
            f"{path}:{max(len(lines), 1)}: {len(first_line)} raters, but each clip needs "
            f"{raters_per_clip}; add addresses"
        )
    return list(first_line)


def check_address(address: str, where: str) -> None:
    """Raise a CaerError unless the text looks like one e-mail address; `where` begins the error."""
    if len(address) > 254 or not _ADDRESS.fullmatch(address):
        raise CaerError(f"{where}: '{address}' is not an e-mail address; write one per line")


def assign(
    clips: Iterable[str],
    raters: Sequence[str],
    existing: pd.DataFrame,
    settings: Annotate,
    seed: int,
) -> pd.DataFrame:
    """Assign all unassigned clips; return the complete `tables.ASSIGNMENTS`, old rows first.

    Each clip goes to `settings.raters_per_clip` raters. After every clip, the raters' loads differ
    by at most one. In a block of C(N, k) clips, every pair of raters shares equally many clips
    (`caer_data.annotate.assign.design`). The seed shuffles the order of the clips, the raters'
    roles in the design, and each rater's own order.

    `clips` may include assigned clips, which keep their raters. An unfinished block is continued.
    If the raters have changed, a new block begins, in which raters with fewer clips come first.
    Raters whose clips `replace` gave away get no more. New rows have the clip's key, but neither
    its name nor its anchor yet.

    Raises:
        CaerError: there are fewer raters than a clip needs, or so many that no block could be
            filled.
    """
    per_clip = settings.raters_per_clip
    people = sorted({rater.lower() for rater in raters} - set(existing["replaces"].dropna()))
    size = comb(len(people), per_clip)
    if not 1 <= size <= _MAX_BLOCK:
        raise CaerError(
            f"{len(people)} raters with {per_clip} per clip cannot be balanced: there must be at "
            f"least {per_clip}, and few enough for at most {_MAX_BLOCK} combinations; change "
            "the number of raters, or annotate.raters_per_clip in the recipe"
        )
    order = design.block(len(people), per_clip)
    number, index = _resume_at(existing, people, order, seed)
    loads = Counter(existing["rater"])
    rows: list[_Row] = []
    for clip_key in shuffled(set(clips) - set(existing["clip_key"]), seed, "clips"):
        if index == size:
            number, index = number + 1, 0
        if index == 0:
            names = _names(people, order, loads, seed, number)
        elif not rows:
            names = _names(people, order, _loads_before(existing, number), seed, number)
        chosen = sorted(names[i] for i in order[index])
        loads.update(chosen)
        rows += [{"clip_key": clip_key, "rater": rater, "block": number} for rater in chosen]
        index += 1
    fresh = tables.frame(tables.ASSIGNMENTS, _with_positions(rows, existing, seed))
    return pd.concat([existing, fresh], ignore_index=True) if len(existing) else fresh


def replace(
    assignments: pd.DataFrame,
    answered: set[tuple[str, str]],
    old: str,
    new: str | None,
    seed: int,
    seen: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Return assignments in which another rater, or all others, take over from one who leaves.

    Clips in `answered`, pairs (clip_key, rater), stay with `old`. The others go to `new`. If `new`
    is None or already has the clip, it goes to the rater with the fewest clips. Nobody gets a clip
    twice, or one that they were shown for another reason according to `seen`, pairs (clip_key,
    rater). New clips follow a rater's earlier ones. A second call with the same raters changes
    nothing.

    Raises:
        CaerError: `old` was never assigned a clip; `new` is the same rater, has left before, or is
            not an address; or all others already have one of the clips.
    """
    old = old.lower()
    new = new.lower() if new is not None else None
    left_before = set(assignments["replaces"].dropna())
    if old not in left_before | set(assignments["rater"]):
        raise CaerError(
            f"{old}: no clips are assigned to this rater, so there is nothing to take over"
        )
    if new is not None:
        check_address(new, "the new rater")
    if new == old:
        raise CaerError(f"{old}: old and new rater are the same; give another address")
    if new in left_before:
        raise CaerError(f"{new}: this rater has left before; give another address")
    loads = Counter(assignments["rater"])
    others = sorted(set(loads) - left_before - {old} | ({new} if new else set()))
    holders = assignments.groupby("clip_key", observed=True)["rater"].agg(set).to_dict()
    for clip_key, rater in seen:
        holders.setdefault(clip_key, set()).add(rater)
    old_clips = assignments.loc[assignments["rater"] == old, "clip_key"]
    leaving = [clip_key for clip_key in old_clips if (clip_key, old) not in answered]
    taken: list[_Row] = []
    for clip_key in shuffled(leaving, seed, "replace", old):
        free = [rater for rater in others if rater not in holders[clip_key]]
        if not free:
            raise CaerError(
                f"{old}: every other rater already has clip {clip_key}; name a new rater instead"
            )
        chosen = (
            new if new in free else min(free, key=lambda r: (loads[r], shuffle_key(seed, old, r)))
        )
        loads[chosen] += 1
        taken.append({"clip_key": clip_key, "rater": chosen, "replaces": old})
    given = {row["clip_key"]: row for row in _with_positions(taken, assignments, seed)}
    gone = assignments[(assignments["rater"] == old) & assignments["clip_key"].isin(list(given))]
    rows = [
        {**given[clip_key], "block": block}
        for clip_key, block in zip(gone["clip_key"], gone["block"], strict=True)
    ]
    fresh = tables.frame(tables.ASSIGNMENTS, rows).set_axis(gone.index)
    return pd.concat([assignments.drop(gone.index), fresh]).sort_index()


def _resume_at(
    existing: pd.DataFrame, people: list[str], order: tuple[design.Subset, ...], seed: int
) -> tuple[int, int]:
    """Return the block and place of the next clip: the last block if it has the same raters."""
    if existing.empty:
        return 0, 0
    number = int(existing["block"].max())
    last = existing[existing["block"] == number]
    assigned = last.groupby("clip_key", sort=False, observed=True)["rater"].agg(sorted).tolist()
    names = _names(people, order, _loads_before(existing, number), seed, number)
    planned = [sorted(names[i] for i in subset) for subset in order[: len(assigned)]]
    return (number, len(assigned)) if assigned == planned else (number + 1, 0)


def _loads_before(existing: pd.DataFrame, number: int) -> Counter[str]:
    return Counter(existing.loc[existing["block"] < number, "rater"])


def _names(
    people: list[str],
    order: tuple[design.Subset, ...],
    loads: Counter[str],
    seed: int,
    number: int,
) -> dict[int, str]:
    """Return the raters by their index in a block: fewest clips first, ties shuffled."""
    first_seen = list(dict.fromkeys(chain.from_iterable(order)))
    fewest_first = sorted(people, key=lambda r: (loads[r], shuffle_key(seed, "block", number, r)))
    return dict(zip(first_seen, fewest_first, strict=True))


def _with_positions(rows: list[_Row], existing: pd.DataFrame, seed: int) -> list[_Row]:
    """Shuffle each rater's new clips and number them after the rater's earlier ones."""
    following = (existing.groupby("rater", observed=True)["position"].max() + 1).to_dict()
    ranked = sorted(rows, key=lambda row: shuffle_key(seed, "order", row["rater"], row["clip_key"]))
    position: dict[tuple[str, str], int] = {}
    for row in ranked:
        rater = row["rater"]
        position[row["clip_key"], rater] = following.get(rater, 0)
        following[rater] = following.get(rater, 0) + 1
    return [{**row, "position": position[row["clip_key"], row["rater"]]} for row in rows]
