"""Anchors in tables: conversion between rows and `identity.Anchor`.

Every row about a clip carries the clip's anchor in columns of its own. `verdicts` is the only way
to find out what became of that clip: if the row's key still exists, it is the same clip; otherwise
the row is resolved by its anchor (`identity.resolve`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine import identity, tables
from caer_data.engine.identity import Anchor, Box, Resolution

COLUMNS: Final = [column.name for column in (*tables.ANCHOR, *tables.BOX)]
_SIDES: Final = [column.name for column in tables.BOX]

READ: Final = [
    "clip_key", "status", "start_frame", "end_frame",
    *(name for name in COLUMNS if name in tables.CLIPS.names),
]  # fmt: skip
"""Columns of the table `clips` that `of_clips` and `verdicts` use."""


def present(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips that the dataset contains: those kept, and those of absent videos."""
    return clips[clips["status"].isin(tables.PRESENT)]


def are_present(rows: pd.DataFrame, clips: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return for each row whether the dataset contains the clip with its `clip_key`."""
    today = pd.Index(present(clips)["clip_key"].dropna().unique())
    return np.asarray(today.get_indexer(rows["clip_key"]) >= 0)


def of_clips(clips: pd.DataFrame) -> dict[str, Anchor]:
    """Return the anchors of the clips that the dataset contains, by key."""
    held = present(clips)
    held = held[held["clip_key"].notna()]
    spans = held.assign(frames=held["end_frame"] - held["start_frame"])
    found = of_rows(spans)
    return {k: a for k, a in zip(held["clip_key"], found, strict=True) if a is not None}


def of_rows(rows: pd.DataFrame) -> list[Anchor | None]:
    """Return the anchor of each row; None for a row without one."""
    return [_anchor(values) for values in rows[COLUMNS].itertuples(index=False, name=None)]


def columns_of(found: Sequence[Anchor | None], index: pd.Index) -> pd.DataFrame:
    """Return anchors as a data frame with the columns `COLUMNS`."""
    rows = [_cells(anchor) for anchor in found]
    data = pd.DataFrame(rows, columns=COLUMNS, index=index)
    whole = dict.fromkeys(("start_pts", "end_pts", "frames"), "Int64")
    return data.astype({"video_key": object, **whole, **dict.fromkeys(_SIDES, "float64")})


def stamp(rows: pd.DataFrame, known: dict[str, Anchor]) -> pd.DataFrame:
    """Return the rows; those without an anchor get that of their `clip_key`."""
    found = [
        anchor if anchor is not None else known.get(key)
        for key, anchor in zip(rows["clip_key"], of_rows(rows), strict=True)
    ]
    return rows.assign(**columns_of(found, rows.index))


def verdicts(rows: pd.DataFrame, clips: pd.DataFrame) -> list[Resolution | None]:
    """Return what became of each row's clip; None if it is not about a clip of this dataset.

    Args:
        rows: rows of any table, with `clip_key` and `COLUMNS`.
        clips: the table `clips`.
    """
    keys = rows["clip_key"].to_numpy(object)
    other = np.flatnonzero(~are_present(rows, clips))
    found = of_rows(rows.iloc[other])
    known = of_clips(clips) if any(found) else {}
    answers = iter(identity.resolve([anchor for anchor in found if anchor], known))
    result: list[Resolution | None] = [Resolution("same", key) for key in keys]
    for at, anchor in zip(other.tolist(), found, strict=True):
        result[at] = next(answers) if anchor else None
    return result


def _anchor(values: tuple[Any, ...]) -> Anchor | None:
    video_key, start, end, frames, *sides = values
    if any(pd.isna(value) for value in (video_key, start, end, frames)):
        return None
    box = None if any(pd.isna(side) for side in sides) else Box(*map(float, sides))
    return Anchor(str(video_key), int(start), int(end), int(frames), box)


def _cells(anchor: Anchor | None) -> list[Any]:
    if anchor is None:
        return [None] * len(COLUMNS)
    box = anchor.box
    sides = [None] * len(_SIDES) if box is None else [box.x1, box.y1, box.x2, box.y2]
    return [anchor.video_key, anchor.start_pts, anchor.end_pts, anchor.frames, *sides]
