"""What a face detector and a face embedder are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""A picture, BGR, shape (height, width, 3), values 0 to 255."""


@dataclass(frozen=True)
class Detections:
    """Faces found in one picture, best first: equally long arrays.

    Attributes:
        boxes: (n, 4) float32, x1, y1, x2, y2 in pixels of the picture, right and bottom exclusive.
        scores: (n,) float32, higher is surer, on the detector's own scale.
        points: (n, 5, 2) float32 eye, eye, nose, mouth corner, mouth corner in pixels, or None
            where the detector does not give them.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.scores)


class Detector(Protocol):
    """Finds faces in pictures."""

    name: str
    min_score: float
    """Score from which a detection counts as a face, unless the recipe says otherwise."""

    def detect(self, pictures: Sequence[Picture], min_score: float) -> list[Detections]:
        """Find faces in pictures of one common size."""
        ...


class Embedder(Protocol):
    """Turns faces into vectors that lie close together for one person."""

    name: str
    dimensions: int
    threshold: float
    """Distance under which two faces are taken for one person, where the model separates best."""

    def embed(
        self, picture: Picture, faces: Detections
    ) -> npt.NDArray[np.float32]:
        """Embed the faces of one picture: (n, dimensions), compared by Euclidean distance."""
        ...
