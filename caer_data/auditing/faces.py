"""Embed the largest face of an entry, for `--faces`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from caer_data.auditing.media import Item, bgr

if TYPE_CHECKING:
    from caer_data.engine.worker import Progress

MAX_ENTRIES = 20_000
"""Maximum number of entries searched for faces, because all pairs of faces are compared."""


@cache
def _models() -> tuple[Any, Any]:
    from caer_data.engine.recipe import Faces
    from caer_data.faces.models import create_detector, create_embedder

    return create_detector(Faces(), 1), create_embedder(Faces(), 1)


def threshold() -> float:
    """Return the distance below which two faces count as the same person's."""
    return float(_models()[1].threshold)


def embed(item: Item, second: float, progress: Progress) -> npt.NDArray[np.float32] | None:
    """Return the embedding of the largest face; None if no face is found.

    Raises:
        CaerError: the entry cannot be read.
    """
    detector, embedder = _models()
    picture = bgr(item, second)
    (faces,) = detector.detect([picture], detector.min_score)
    if not len(faces):
        return None
    boxes = faces.boxes
    largest = int(np.argmax((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])))
    only = type(faces)(
        boxes[[largest]],
        faces.scores[[largest]],
        None if faces.points is None else faces.points[[largest]],
    )
    return np.asarray(embedder.embed(embedder.align(picture, only))[0], np.float32)
