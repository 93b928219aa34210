"""Find labelled clips that show the same footage, and remove repeats."""

from __future__ import annotations

import pandas as pd

from caer_data.curate import repeats
from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.export.manifest import REPEATED


def of_clips(dataset: Dataset, clips: pd.DataFrame) -> pd.DataFrame | None:
    """Return pairs of clips that share footage for at least half of the shorter one.

    Args:
        dataset: has the table `repeats`.
        clips: `clip_id, shot_id, start_s, end_s`.

    Returns:
        `REPEATED`, the later clip first; None if the dataset was not searched for repeats.
    """
    if not dataset.has(tables.REPEATS):
        return None
    pairs = repeats.same_clips(clips, dataset.repeats)
    best = pairs.sort_values(["clip_id", "of_clip_id", "seconds"], ascending=[True, True, False])
    listed = best.drop_duplicates(["clip_id", "of_clip_id"])
    return tables.to_pandas(tables.check(REPEATED, listed))


def needed(found: pd.DataFrame | None, option: str) -> pd.DataFrame:
    """Return the repeats of a dataset, for options that need them.

    Raises:
        CaerError: the dataset was not searched for repeats.
    """
    if found is None:
        raise CaerError(
            f"{option}: the dataset was built by an older version and has no table of repeats; run "
            "'caer-data build' again"
        )
    return found


def without(clips: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return the clips with only one of each set with the same footage.

    The clip that repeats no other is kept, otherwise the first.

    Args:
        clips: `clip_id, video_id, start_s`.
        found: see `of_clips`.
    """
    partners: dict[str, set[str]] = {}
    for one, other in zip(found["clip_id"], found["of_clip_id"], strict=True):
        partners.setdefault(one, set()).add(other)
        partners.setdefault(other, set()).add(one)
    later = set(found["clip_id"])
    ordered = clips.assign(later=clips["clip_id"].isin(later)).sort_values(
        ["later", "video_id", "start_s"], kind="stable"
    )
    stays: set[str] = set()
    for clip in ordered["clip_id"]:
        if not partners.get(clip, set()) & stays:
            stays.add(clip)
    return clips[clips["clip_id"].isin(stays)].reset_index(drop=True)
