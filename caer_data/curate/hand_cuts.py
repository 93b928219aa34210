"""Applies cuts that were added, removed or moved by hand to the shots that a detector found.

The detector's artifact is not changed. Decisions refer to times, not shots, so that they also apply
to the results of another detector or recipe. Neither removing a cut that was not found nor adding
one that exists has any effect.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine import tables
from caer_data.engine.decisions import Decision
from caer_data.engine.identity import END_TOLERANCE

KINDS: Final = ("cut_add", "cut_remove", "cut_move")

Cut = tuple[str, int, int | None]
"""Kind, timestamp, and for `cut_move` the new timestamp."""


def by_video(rows: Iterable[Decision]) -> dict[str, tuple[Cut, ...]]:
    """Return the decisions about cuts, in order, by the hash of their video."""
    found: defaultdict[str, tuple[Cut, ...]] = defaultdict(tuple)
    for row in rows:
        if row.kind in KINDS:
            found[row.about[0].video_key] += ((row.kind, row.about[0].start_pts, row.content),)
    return dict(found)


def applied(
    shots: pd.DataFrame, pts: npt.NDArray[np.int64], time_base: Fraction, cuts: Sequence[Cut]
) -> pd.DataFrame:
    """Return the shots of one video after applying decisions about its cuts.

    Args:
        shots: its rows of `shots`, without the video's name, in order.
        pts: timestamp of every frame, in the time base, shape (frames,).
        time_base: seconds of one unit of the timestamps.
        cuts: the decisions, in order.

    Returns:
        Rows of `shots`, renumbered.
    """
    if not cuts or shots.empty:
        return shots
    found = [int(start) for start in shots["start_frame"].iloc[1:]]
    known = {
        int(row.start_frame): {name: _filled(getattr(row, name)) for name in ("cut", "cut_score")}
        for row in tables.rows(shots)
    }
    for kind, at, to in cuts:
        if kind != "cut_add":
            found = _without(found, _frame_at(pts, at))
        if kind != "cut_remove":
            found = _with(found, _frame_at(pts, at if to is None else to), len(pts))
    end = int(shots["end_frame"].iloc[-1])
    edges = [0, *sorted(found), end]
    times = np.append(pts[:end], int(shots["end_pts"].iloc[-1]))
    return tables.frame(
        tables.SHOTS,
        [
            {
                "shot_id": f"s{number:04d}",
                "video_id": "",
                "start_frame": first,
                "end_frame": last,
                "start_pts": int(times[first]),
                "end_pts": int(times[last]),
                "start_s": float(int(times[first] - pts[0]) * time_base),
                "end_s": float(int(times[last] - pts[0]) * time_base),
                **known.get(first, {"cut": "by_hand"}),
            }
            for number, (first, last) in enumerate(pairwise(edges), 1)
        ],
    )


def _filled(cell: Any) -> Any:
    return None if pd.isna(cell) else cell


def _frame_at(pts: npt.NDArray[np.int64], at: int) -> int:
    """Return the frame with the nearest timestamp."""
    return int(np.abs(pts - at).argmin())


def _without(cuts: list[int], frame: int) -> list[int]:
    return [cut for cut in cuts if abs(cut - frame) > END_TOLERANCE]


def _with(cuts: list[int], frame: int, frames: int) -> list[int]:
    """Return cuts with one added, unless it is at an end of the video or exists already."""
    near = any(abs(cut - frame) <= END_TOLERANCE for cut in cuts)
    return cuts if near or not 0 < frame < frames else [*cuts, frame]
