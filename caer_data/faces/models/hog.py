"""dlib's histogram-of-gradients detector, which is fast but finds only upright, frontal faces."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from caer_data.faces.models.geometry import best_first, resize
from caer_data.faces.models.interface import Detections, Picture, Settings
from caer_data.faces.models.weights import import_dlib

_NEEDS_DLIB = "the face detector 'hog'"


class HogDetector:
    """Finds faces of at least 80 px in the resized picture.

    Pictures are converted to grey, on which the detector is faster and finds more faces.
    """

    name = "hog"
    min_score = 0.0
    weak_score = 0.0
    sure_score = 0.0  # every track
    close_score = 0.0
    provider = "cpu"

    def __init__(self, size: int) -> None:
        self.size = size
        self.warnings: list[str] = []
        self._detector = import_dlib(_NEEDS_DLIB).get_frontal_face_detector()

    def detect(
        self, pictures: Sequence[Picture], min_score: float, size: int | None = None
    ) -> list[Detections]:
        """Find faces; see `interface.Detector`."""
        return [self._detect(picture, min_score, size or self.size) for picture in pictures]

    def _detect(self, picture: Picture, min_score: float, size: int) -> Detections:
        resized, scale_x, scale_y = resize(picture, size)
        grey = cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY)
        rectangles, scores, _ = self._detector.run(grey, 0, min_score)
        corners = [(r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in rectangles]
        zoom = np.array((scale_x, scale_y, scale_x, scale_y), dtype=np.float32)
        boxes = np.array(corners, dtype=np.float32).reshape(-1, 4) / zoom
        surest = np.array(scores, dtype=np.float32)
        order = best_first(boxes, surest)
        return Detections(boxes[order], surest[order])


def check(settings: Settings) -> None:
    """Raise a CaerError if dlib does not load."""
    import_dlib(_NEEDS_DLIB)


def create(settings: Settings, threads: int) -> HogDetector:
    """Return the loaded detector; see `choose.create_detector`."""
    return HogDetector(settings.detector_size)
