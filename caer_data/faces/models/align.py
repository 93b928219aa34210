"""Alignment of faces: mapping their points to fixed positions in a small square picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from caer_data.faces.models.interface import Floats, Picture


def chip(picture: Picture, points: Floats, places: Floats, size: int) -> Picture:
    """Return a square chip of a picture in which the points are as close as possible to `places`.

    Args:
        picture: the whole picture.
        points: (n, 2) in pixels of the picture.
        places: target positions, (n, 2) in pixels of the chip.
        size: side of the chip in pixels.
    """
    cut: Picture = cv2.warpAffine(picture, similarity(points, places), (size, size))
    return cut


def similarity(points: Floats, places: Floats) -> Any:
    """Return the similarity transform (2, 3) from points to places with the least squared error.

    In complex numbers the transform is `a * z + b`, for which least squares has a closed form.
    """
    source = points[:, 0].astype(float) + 1j * points[:, 1].astype(float)
    target = places[:, 0].astype(float) + 1j * places[:, 1].astype(float)
    centred = source - source.mean()
    spread = max(float(np.sum(np.abs(centred) ** 2)), 1e-9)
    a = complex(np.sum(np.conj(centred) * (target - target.mean())) / spread)
    b = complex(target.mean() - a * source.mean())
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
