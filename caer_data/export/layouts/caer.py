"""The layout of CAER as released: `CAER/{train,validation,test}/{Anger,...}/0001.mp4`."""

from __future__ import annotations

from typing import Final

import pandas as pd

from caer_data.export.layouts import (
    Finished,
    Wanted,
    class_folders,
    label_lists,
    numbered_paths,
)

NAME = "caer"

COLUMNS: Final = ("split", "path", "sha256", "label")


def plan(wanted: Wanted) -> pd.DataFrame:
    """Return one video file per clip; avi and mp4 differ only in the container."""
    rows = wanted.clips[["clip_id", "split", "emotion"]].copy()
    settings = wanted.settings
    rows["path"] = numbered_paths(rows, "CAER", settings.container, settings.spelling)
    return rows.drop(columns="emotion").assign(layout=NAME)


def finish(finished: Finished) -> None:
    """Create folders of empty classes, and write lists of clips if the spelling is `peers`."""
    class_folders(finished, "CAER", "video")
    if finished.spelling == "peers" and finished.media:
        label_lists(finished, "CAER")
