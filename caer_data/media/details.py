"""Comparison of pictures in detail, of what the small pictures of fingerprints do not show.

Cards with different text, or two takes before one camera, hardly differ in 32x18 pixels. Here,
larger pictures are laid over each other, and their structure is compared part by part.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.media.fingerprints import DETAIL
from caer_data.media.frame import Picture
from caer_data.media.overlapping import Place

_WIDTH, _HEIGHT = DETAIL
_PART: Final = 6, 12  # height and width of a part, px
_SHOWN: Final = 0.9  # minimum share of a part that both pictures show
_STRUCTURE: Final = 2.0  # standard deviation (out of 255); pictures with less cannot be compared
_FITTED: Final = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
_BLUR: Final = 3  # px; size of the filter before pictures are laid over each other

Rows = npt.NDArray[np.float32]


def alike(one: Picture, other: Picture, place: Place) -> float | None:
    """Return how alike two pictures of size `DETAIL` are, at most 1.

    This is the correlation of brightness without the means of the rows and columns of each part:
    all lines of text have bright rows and dark ones, and all pictures lit from above have a
    gradient.

    Args:
        one: a picture.
        other: another picture.
        place: how they overlap, roughly.

    Returns:
        The correlation; None if the part that both show is almost without structure.
    """
    turned = cv2.flip(other, 1) if place.mirrored else other
    ordered = (one, turned) if place.inside else (turned, one)
    outer, inner = (np.asarray(picture, np.float32) for picture in ordered)
    scores = [_correlation(outer, inner, warp) for warp in _warps(outer, inner, place)]
    return max((score for score in scores if score is not None), default=None)


def _warps(outer: Rows, inner: Rows, place: Place) -> list[Rows]:
    """Return transformations of the outer picture's pixels into the inner's: roughly, fitted."""
    left, top, right, bottom = place.box
    across, down = 1 / (right - left), 1 / (bottom - top)
    rough = np.array(
        [
            [across, 0, (0.5 - left * _WIDTH) * across - 0.5],
            [0, down, (0.5 - top * _HEIGHT) * down - 0.5],
        ],
        np.float32,
    )
    try:
        _, fitted = cv2.findTransformECC(
            outer, inner, rough.copy(), cv2.MOTION_AFFINE, _FITTED, None, _BLUR
        )
    except cv2.error:  # it does not converge, as for different pictures
        return [rough]
    return [rough, np.asarray(fitted, np.float32)]


def _correlation(outer: Rows, inner: Rows, warp: Rows) -> float | None:
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(inner, warp, DETAIL, flags=how)
    covered = cv2.warpAffine(np.ones_like(inner), warp, DETAIL, flags=how)
    shown = _parts(covered > 0.99).mean(axis=(1, 2)) >= _SHOWN
    first, second = (_structure(_parts(side)[shown]) for side in (outer, laid))
    energy = [np.einsum("nij,nij->n", side, side) for side in (first, second)]
    pixels = first.size
    if not pixels or min(float(e.sum()) for e in energy) < _STRUCTURE**2 * pixels:
        return None
    scale = float(np.sqrt(energy[0] * energy[1]).sum())
    return float(np.vdot(first, second)) / max(scale, 1e-3)


def _parts(picture: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return the parts of a picture, shape (n, *_PART)."""
    high, wide = _PART
    grid = picture.reshape(_HEIGHT // high, high, _WIDTH // wide, wide)
    return grid.swapaxes(1, 2).reshape(-1, high, wide)


def _structure(parts: npt.NDArray[np.generic]) -> Rows:
    """Return parts without the means of their rows and columns."""
    made = parts.astype(np.float32)
    made -= made.mean(axis=2, keepdims=True)
    return np.asarray(made - made.mean(axis=1, keepdims=True), np.float32)
