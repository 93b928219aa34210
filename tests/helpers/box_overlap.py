"""Comparing boxes."""

import numpy as np


def overlap(a, b):
    """Intersection over union of two boxes x1, y1, x2, y2."""
    shared = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    return shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)
