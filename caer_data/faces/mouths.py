"""The lower half of a face in every frame, the input of active speaker detection."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.media.frame import DecodedFrame

SIDE: Final = 112
"""Side of the picture, px."""
Mouth = npt.NDArray[np.uint8]
"""Grey, shape (112, 112)."""

# Distances from the middle of the box, in halves of its longer side. LR-ASD was trained on the
# middle half of a square that is 1.4 times as large as the box and extends further down.
_ABOVE, _BELOW, _BESIDE = 0.3, 1.1, 0.7


def mouth_of(frame: DecodedFrame, box: npt.NDArray[np.float32]) -> Mouth:
    """Return the lower face cropped from a frame; outside the frame its edge is repeated.

    Args:
        frame: the frame.
        box: box of the face, px of the displayed frame.
    """
    width, height = frame.info.width, frame.info.height
    x, y = float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2
    half = max(float(box[2] - box[0]), float(box[3] - box[1]), 2.0) / 2
    x1, x2 = (
        round(x - _BESIDE * half),
        max(round(x + _BESIDE * half), round(x - _BESIDE * half) + 1),
    )
    y1, y2 = round(y - _ABOVE * half), max(round(y + _BELOW * half), round(y - _ABOVE * half) + 1)
    left, top = min(max(x1, 0), width - 1), min(max(y1, 0), height - 1)
    right, bottom = min(max(x2, left + 1), width), min(max(y2, top + 1), height)
    grey = cv2.cvtColor(frame.part(left, top, right, bottom), cv2.COLOR_BGR2GRAY)
    edges = top - y1, y2 - bottom, left - x1, x2 - right
    grey = cv2.copyMakeBorder(grey, *(max(0, n) for n in edges), cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)
