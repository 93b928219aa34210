"""Columns of a frame of clips that an audit uses, most of them optional."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from caer_data.engine.errors import CaerError
from caer_data.export.manifest import SPLITS

_TEXTS: Final = ("layout", "path", "emotion", "shot_id", "video_id", "show", "person_id",
                 "identity", "fps", "perceptual_hash")  # fmt: skip
_NUMBERS: Final = ("frame", "start_pts", "end_pts", "start_s", "end_s", "face_height")

COLUMNS: Final = ("clip_id", "split", *_TEXTS, *_NUMBERS)
"""All columns that an audit and its list of pairs use."""


_PART: Final = 1 << 18
"""Number of rows compared at a time."""


def distinct(rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Do the same as `rows.drop_duplicates(names)`, comparing the rows of some clips at a time.

    Args:
        rows: rows with a `clip_id`.
        names: columns to compare, `clip_id` among them.
    """
    clip = rows["clip_id"].astype("category").cat.codes.to_numpy()
    order = np.argsort(clip, kind="stable")
    kept = np.zeros(len(rows), bool)
    start = 0
    while start < len(order):
        last = clip[order[min(start + _PART, len(order)) - 1]]
        end = int(np.searchsorted(clip, last, "right", sorter=order))
        own = order[start:end]
        kept[own] = ~rows[names].iloc[own].duplicated().to_numpy()
        start = end
    return rows[kept]


def with_all_columns(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the manifest with all columns; missing ones are added and empty.

    Raises:
        CaerError: `clip_id` or `split` is missing, or a split has an unknown name.
    """
    missing = [name for name in ("clip_id", "split") if name not in manifest]
    if missing:
        raise CaerError(
            f"audit: the frame lacks the column{'s' * (len(missing) > 1)} {' and '.join(missing)}; "
            "one row per clip needs "
            "clip_id and split"
        )
    strange = sorted({str(name) for name in manifest["split"].unique()} - set(SPLITS))
    if strange:
        raise CaerError(
            f"audit: the column split contains {', '.join(strange[:5])}; use {', '.join(SPLITS)}"
        )
    texts = [name for name in _TEXTS if name not in manifest]
    numbers = [name for name in _NUMBERS if name not in manifest]
    return manifest.assign(**dict.fromkeys(texts), **dict.fromkeys(numbers, np.nan))
