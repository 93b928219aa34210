"""Resizing pictures for a detector, and suppressing overlapping boxes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.faces.models.interface import Detections, Picture

Reals = npt.NDArray[Any]


def resize(picture: Picture, long_side: int) -> tuple[Picture, float, float]:
    """Scale a picture to a long side; return it with the horizontal and vertical scale."""
    height, width = picture.shape[:2]
    scale = long_side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return picture, 1.0, 1.0
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized: Picture = cv2.resize(picture, size, interpolation=how)
    return resized, size[0] / width, size[1] / height


def pad(picture: Picture, stride: int, least: int = 0) -> Picture:
    """Pad with black at the right and bottom to multiples of `stride`, at least `least` pixels."""
    height, width = picture.shape[:2]
    below = max(-height % stride, least - height)
    right = max(-width % stride, least - width)
    padded: Picture = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_CONSTANT)
    return padded


def best_first(boxes: Reals, scores: Reals) -> npt.NDArray[np.intp]:
    """Return the order by descending score; ties are sorted by position, for reproducibility."""
    return np.lexsort((boxes[:, 0], boxes[:, 1], -scores))


def shared_areas(a: Reals, b: Reals) -> Any:
    """Return the area of the intersection of every pair: (n, 4) and (m, 4) give (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.prod(np.maximum(high - low, 0), axis=2)


def iou(a: Reals, b: Reals) -> npt.NDArray[np.float64]:
    """Return the intersection over union of every pair: (n, 4) and (m, 4) give (n, m)."""
    shared = shared_areas(a, b)
    area = [np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (a, b)]
    union = area[0][:, None] + area[1][None, :] - shared
    result: npt.NDArray[np.float64] = shared / np.maximum(union, 1e-9)
    return result


def suppress(boxes: Reals, scores: Reals, max_iou: float) -> npt.NDArray[np.intp]:
    """Return the indexes of the boxes to keep (non-maximum suppression), best first.

    A box is dropped if its intersection over union with a better one exceeds `max_iou`.
    """
    order = best_first(boxes, scores)
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    kept: list[int] = []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(int(first))
        shared = shared_areas(boxes[first : first + 1], boxes[rest])[0]
        union = areas[first] + areas[rest] - shared
        order = rest[shared <= max_iou * np.maximum(union, 1e-9)]
    return np.array(kept, dtype=np.intp)


def detections(
    boxes: Reals, scores: Reals, max_iou: float, points: Reals | None = None
) -> Detections:
    """Suppress overlapping boxes and return the rest, best first."""
    kept = suppress(boxes, scores, max_iou)
    return Detections(
        np.ascontiguousarray(boxes[kept], dtype=np.float32),
        np.ascontiguousarray(scores[kept], dtype=np.float32),
        None if points is None else np.ascontiguousarray(points[kept], dtype=np.float32),
    )
