"""The target's box in each frame of a clip, in pixels of the clip."""

from __future__ import annotations

import numpy as np
import pandas as pd

from caer_data.engine import tables
from caer_data.export.manifest import BOXES

_SIDES = ["x1", "y1", "x2", "y2"]


def of_targets(clips: pd.DataFrame, sources: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Boxes of every clip's target, as `BOXES`, by clip and frame.

    A clip's frame `i` is the source's frame `start_frame + i`.

    Args:
        clips: labelled clips with `start_frame, frames, width, height`.
        sources: `video_id, height` of their videos.
        seen: the targets' boxes in pixels of the source frame (`target_boxes.boxes_of_targets`).
    """
    kept = clips.merge(
        sources[["video_id", "height"]].rename(columns={"height": "source_height"}),
        on="video_id",
        validate="m:1",
    )
    boxes = _by_frame(kept, seen)
    scale = (boxes.height / boxes.source_height).to_numpy(float)
    for side in _SIDES:
        limit = boxes["width" if side.startswith("x") else "height"].to_numpy(float)
        pixels = boxes[side].to_numpy(float) * scale
        boxes[side] = np.clip(pixels, 0, limit).astype("float32")
    visible = (boxes.x2 - boxes.x1 >= 1) & (boxes.y2 - boxes.y1 >= 1)
    boxes = boxes.loc[visible, BOXES.names].sort_values(["clip_id", "frame"], ignore_index=True)
    return boxes if len(boxes) else tables.empty(BOXES)


_OF_CLIP = ["clip_id", "width", "height", "source_height"]


def _by_frame(clips: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    columns = [*_OF_CLIP, "start_frame", "frames"]
    pairs = clips[columns].merge(seen[["clip_id", "frame", "interpolated", *_SIDES]], on="clip_id")
    pairs["frame"] = (pairs["frame"] - pairs["start_frame"]).astype("int64")
    return pairs[(pairs["frame"] >= 0) & (pairs["frame"] < pairs["frames"])]
