"""CAER-S as drawn in 2019: equally many pictures per class, split 70/30 at random. It leaks.

Frames of one clip are in both train and test, so a model that memorises clips scores far higher
than on new clips. This layout is for reproducing published figures, not for new ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import shuffle_key
from caer_data.export import frames
from caer_data.export.layouts import Finished, Wanted, caer_s
from caer_data.export.layouts.caer_s import picture_paths, write_lists

NAME = "caer-s-2019"

COLUMNS: Final = caer_s.COLUMNS

TRAIN_SHARE: Final = 0.7
"""Share of train: 49,007 of the 69,999 pictures in the original release."""


def plan(wanted: Wanted) -> pd.DataFrame:
    """Return equally many pictures per class, each assigned to train or test at random.

    The total is that of `caer-s`, unless a class has too few frames with a box. In that case, all
    classes get as many as that class.
    """
    clips = wanted.clips
    total = int(frames.number(clips, wanted.settings.frames_per_clip).sum())
    per_class = max(1, total // clips["emotion"].nunique())
    drawn = []
    for emotion, of_class in clips.groupby("emotion", sort=True, observed=True):
        needed = pd.Series(-(-per_class // len(of_class)), index=of_class.index)
        # other clips compensate for clips with too few boxes
        rows = frames.stretches(of_class, wanted.boxes, needed * 2)
        drawn.append(_shuffled(rows, wanted.seed).assign(emotion=emotion))
    per_class = min(per_class, *(len(rows) for rows in drawn), per_class)
    train = round(per_class * TRAIN_SHARE)
    if not 0 < train < per_class:
        raise CaerError(
            f"layout {NAME}: a class has {per_class} frame(s) with a box, too few for train and "
            "test; have more clips rated, or omit this layout"
        )
    parts = [rows.head(per_class) for rows in drawn]
    parts = [p.assign(split=np.where(np.arange(len(p)) < train, "train", "test")) for p in parts]
    rows = pd.concat(parts).sort_values(["emotion", "clip_id", "from_frame"], ignore_index=True)
    return picture_paths(rows, "CAER-S-2019", wanted.settings.spelling).assign(layout=NAME)


def finish(finished: Finished) -> None:
    """Write the box lists."""
    write_lists(finished, "CAER-S-2019")


def _shuffled(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    pairs = zip(rows["clip_id"], rows["from_frame"], strict=True)
    order = [shuffle_key(clip_id, seed, frame, separator="/") for clip_id, frame in pairs]
    return rows.iloc[np.argsort(np.array(order))]
