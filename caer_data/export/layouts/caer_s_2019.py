"""CAER-S as it was drawn in 2019: as many pictures of each class, 70/30 at random. It leaks.

Frames of one clip come to lie in train and in test, so that a model that remembers the clip scores
far above what it would on new clips. It is there to repeat published figures, not to make new ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import shuffle_key
from caer_data.export import frames
from caer_data.export.layouts import Finished, Wanted
from caer_data.export.layouts.caer_s import picture_paths, write_lists

NAME = "caer-s-2019"

TRAIN_SHARE: Final = 0.7
"""49,007 of the release's 69,999 pictures are in its train folder."""


def plan(wanted: Wanted) -> pd.DataFrame:
    """The same number of pictures of each class, assigned to train and test one by one.

    There are as many in all as `caer-s` has, unless a class has too few frames with a box: all
    classes then get as many as that one.
    """
    clips = wanted.clips
    total = int(frames.number(clips, wanted.settings.frames_per_clip).sum())
    per_class = max(1, total // clips["emotion"].nunique())
    drawn = []
    for emotion, of_class in clips.groupby("emotion", sort=True):
        needed = pd.Series(-(-per_class // len(of_class)), index=of_class.index)
        # clips without enough boxes are made up for by the others
        rows = frames.stretches(of_class, wanted.boxes, needed * 2)
        drawn.append(_shuffled(rows, wanted.seed).assign(emotion=emotion))
    per_class = min(per_class, *(len(rows) for rows in drawn), per_class)
    train = round(per_class * TRAIN_SHARE)
    if not 0 < train < per_class:
        raise CaerError(
            f"layout {NAME}: a class has {per_class} frame(s) with a box, too few for train and "
            "test; have more clips rated, or leave this layout out"
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
