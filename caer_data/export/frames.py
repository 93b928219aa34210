"""Choose which frames of a clip become pictures: one per stretch of time, the sharpest."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # workers do not need pandas, and start faster without it
    import pandas as pd

_PART: Final = 1 << 20
"""Number of boxes processed at a time."""

SPACING_S: Final = 0.5
"""Minimum seconds per picture, because pictures closer together are nearly the same. With at most
six pictures per clip, this gives the paper's roughly 70 K pictures from its 13.2 K clips."""


def number(clips: pd.DataFrame, most: int) -> pd.Series:
    """Return the number of pictures per clip: one per `SPACING_S`, from one to `most`."""
    rates = {text: float(Fraction(text)) for text in clips["fps"].unique()}
    seconds = clips["frames"] / clips["fps"].map(rates)
    return (seconds / SPACING_S).astype(int).clip(1, most)


def stretches(clips: pd.DataFrame, boxes: pd.DataFrame, pictures: pd.Series) -> pd.DataFrame:
    """Divide each clip into equal stretches, and return those in which the target has a box.

    Args:
        clips: `clip_id, frames`.
        boxes: `BOXES` of these clips.
        pictures: number of stretches of each clip, indexed like `clips`.

    Returns:
        `clip_id, from_frame, to_frame` (exclusive), by clip and time. Each stretch gives one
        picture, so the number of pictures does not depend on their content.
    """
    import pandas as pd

    clip_ids = clips["clip_id"].to_numpy(object)
    by_name = np.argsort(clip_ids, kind="stable")
    cells = boxes["clip_id"].array
    named = cells if isinstance(cells, pd.Categorical) else pd.Categorical(cells)
    clip_of_word = pd.Index(clip_ids[by_name]).get_indexer(named.categories)
    frames = clips["frames"].to_numpy(np.int64)[by_name]
    counts = np.minimum(pictures.to_numpy(np.int64)[by_name], frames)
    found = [np.zeros(0, np.int64)]
    for at in range(0, len(boxes), _PART):
        clip = clip_of_word[named.codes[at : at + _PART]]
        own = clip >= 0
        clip, frame = clip[own], boxes["frame"].iloc[at : at + _PART].to_numpy(np.int64)[own]
        both = clip << 32 | frame * counts[clip] // frames[clip]
        new = np.ones(len(both), bool)  # consecutive boxes share a stretch, so few are left
        new[1:] = both[1:] != both[:-1]
        found.append(both[new])
    every = np.unique(np.concatenate(found))
    clip, stretch = every >> 32, every & (1 << 32) - 1
    first = -(-stretch * frames[clip] // counts[clip])
    end = -(-(stretch + 1) * frames[clip] // counts[clip])
    names = clips["clip_id"].iloc[by_name[clip]].reset_index(drop=True)
    return pd.DataFrame({"clip_id": names, "from_frame": first, "to_frame": end})


def sharpness(luma: npt.NDArray[np.uint8], box: npt.NDArray[Any]) -> float:
    """Return the variance of the Laplacian of a face, a measure of sharpness.

    It is the focus measure of Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy",
    ICPR 2000. It is only compared between frames within about half a second, during which the size
    of a face hardly changes.

    Args:
        luma: brightness of the frame, shape (height, width).
        box: x1, y1, x2, y2 in pixels.
    """
    x1, y1, x2, y2 = pixels(box, luma.shape[1], luma.shape[0])
    deviation = cv2.meanStdDev(cv2.Laplacian(luma[y1:y2, x1:x2], cv2.CV_16S))[1]
    return float(deviation[0, 0]) ** 2


def pixels(box: npt.NDArray[Any], width: int, height: int) -> tuple[int, int, int, int]:
    """Return the whole pixels that a box covers, inside the picture and at least one by one."""
    x1 = min(max(math.floor(box[0]), 0), width - 1)
    y1 = min(max(math.floor(box[1]), 0), height - 1)
    x2 = min(max(math.ceil(box[2]), x1 + 1), width)
    y2 = min(max(math.ceil(box[3]), y1 + 1), height)
    return x1, y1, x2, y2
