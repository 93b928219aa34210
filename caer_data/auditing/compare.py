"""Find entries of any dataset that show the same footage, and faces that they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.auditing.media import Look
from caer_data.engine import tables
from caer_data.export.manifest import REPEATED, SPLITS
from caer_data.media import passages
from caer_data.media.fingerprints import RATE

_ROWS: Final = 1024  # faces compared with all others at a time
PARTNERS: Final = 6
"""Number of nearest entries with which each entry is compared closely."""


def repeated(
    entries: pd.DataFrame, looks: Mapping[int, Look], apart: bool, jobs: int = 1
) -> pd.DataFrame:
    """Return pairs with the same footage, as `REPEATED`, in seconds from the source's start.

    Args:
        entries: `clip_id, split, start_s`; `start_s` counts from the source's start.
        looks: fingerprints by row of the entries.
        apart: whether to compare only entries of different splits.
        jobs: processes for comparisons; results do not depend on it.
    """
    indices = sorted(looks)
    strips = [looks[index].strip for index in indices]
    sides = [SPLITS.index(entries["split"].iloc[index]) for index in indices] if apart else None
    began = entries["start_s"].fillna(0.0).to_numpy(float)
    near = passages.near_among(sum(len(strip.times) for strip in strips))
    rows = []
    for one, other, match in passages.shared(strips, sides, PARTNERS, near, jobs):
        names = [entries["clip_id"].iloc[indices[at]] for at in (one, other)]
        if names[0] != names[1] and passages.repeated(match, strips[one], strips[other]):
            rows.append(
                {
                    "clip_id": names[0],
                    "of_clip_id": names[1],
                    "start_s": began[indices[one]] + match.one[0],
                    "of_start_s": began[indices[other]] + match.other[0],
                    "seconds": match.length + (1 / RATE if match.length else 0.0),
                    "score": min(match.picture, 1.0),
                    "mirrored": match.place.mirrored,
                }
            )
    found = tables.frame(REPEATED, rows)
    return found.drop_duplicates(["clip_id", "of_clip_id"], ignore_index=True)


def same_faces(
    vectors: npt.NDArray[np.float32], sides: npt.NDArray[np.int64], threshold: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return for each face the nearest face of another split, if it is close enough.

    Args:
        vectors: one embedding per face, (n, dimensions).
        sides: split of each face.
        threshold: distance below which two faces count as the same person's.

    Returns:
        Index of the nearest face, or -1, and its distance; both (n,).
    """
    nearest = np.full(len(vectors), -1, np.int64)
    distance = np.full(len(vectors), np.inf)
    squares = (vectors**2).sum(axis=1)
    for start in range(0, len(vectors), _ROWS):
        rows = slice(start, start + _ROWS)
        apart = squares[rows, None] + squares[None] - 2 * vectors[rows] @ vectors.T
        apart[sides[rows, None] == sides[None]] = np.inf
        best = apart.argmin(axis=1)
        found = np.sqrt(np.maximum(apart[np.arange(len(best)), best], 0))
        near = found < threshold
        nearest[rows] = np.where(near, best, -1)
        distance[rows] = found
    return nearest, distance
