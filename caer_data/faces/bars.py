"""Black bars above and below a wide picture, which do not count as picture height."""

from __future__ import annotations

import cv2
import numpy as np

from caer_data.faces.samples import Samples

_LOOKS = 60  # number of samples per video
_BLACK = 24  # out of 255; black including encoding noise
_ALMOST_ALL = 95  # percentile of a row, so that a logo or a stray pixel does not end a bar
_DARK = 0.6  # share of black rows above which a picture is too dark to show bars
_MIN_SHARE = 0.02  # share of the height; less is an edge, not a bar


def find_bars(samples: Samples) -> tuple[float, float]:
    """Return the heights of the black bars at the top and the bottom, as shares of the frame.

    At least half of the samples that are not dark must show a bar, so that subtitles inside it do
    not matter.
    """
    count = len(samples.frames)
    indices = np.unique(np.linspace(0, count - 1, min(count, _LOOKS)).astype(int))
    runs = [_black_edges(samples.picture(int(samples.frames[index]))) for index in indices]
    seen = np.array([run for run in runs if sum(run) < _DARK])
    if not len(seen):
        return 0.0, 0.0
    top, bottom = (
        float(share) if share >= _MIN_SHARE else 0.0 for share in np.median(seen, axis=0)
    )
    return top, bottom


def _black_edges(picture: np.ndarray) -> tuple[float, float]:
    """Return the shares of a picture's rows that are black, from the top and from the bottom."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    bright = np.flatnonzero(np.percentile(grey, _ALMOST_ALL, axis=1) > _BLACK)
    rows = len(grey)
    if not len(bright):
        return 1.0, 0.0
    return bright[0] / rows, (rows - 1 - bright[-1]) / rows
