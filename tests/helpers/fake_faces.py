"""A detector and an embedder for pictures in which a face is a bright square."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from caer_data.faces.models.interface import Detections
from caer_data.faces.samples import Samples, SampleWriter, encoded


class SquareDetector:
    """Finds bright squares; a face's brightness tells who it is."""

    name = "squares"
    min_score = 0.0
    weak_score = 0.0
    sure_score = 0.0
    close_score = 0.0
    provider = "cpu"

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.calls: list[tuple[int, int | None]] = []

    def detect(
        self, pictures: Sequence[np.ndarray], min_score: float, size: int | None = None
    ) -> list[Detections]:
        self.calls.append((len(pictures), size))
        return [self._one(picture) for picture in pictures]

    def _one(self, picture: np.ndarray) -> Detections:
        grey = picture.max(axis=2)
        count, _, stats, _ = cv2.connectedComponentsWithStats((grey > 90).astype(np.uint8))
        boxes = [(x, y, x + w, y + h) for x, y, w, h, area in stats[1:count] if area >= 100]
        array = np.array(boxes, np.float32).reshape(-1, 4)
        return Detections(array, np.ones(len(array), np.float32))


class BrightnessEmbedder:
    """A vector of a face's brightness alone."""

    name = "brightness"
    dimensions = 2
    threshold = 0.1
    track_threshold = 0.1
    provider = "cpu"

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def align(self, picture: np.ndarray, faces: Detections) -> np.ndarray:
        x1, y1, x2, y2 = faces.boxes[0].astype(int)
        return cv2.resize(picture[y1:y2, x1:x2], (8, 8), interpolation=cv2.INTER_AREA)[None]

    def embed(self, chips: np.ndarray) -> np.ndarray:
        bright = chips.mean(axis=(1, 2, 3)) / 255
        return np.stack([bright, 1 - bright], axis=1).astype(np.float32)


def spooled(folder, pictures: dict[int, np.ndarray]) -> Samples:
    """Samples of these frames."""
    writer = SampleWriter(folder, 1)
    for frame, picture in sorted(pictures.items()):
        writer.add(frame, encoded(picture))
    writer.close()
    return Samples(folder)


def scene(*faces: tuple[int, int, int, int], width: int = 640, height: int = 360) -> np.ndarray:
    """A dark picture with faces (x, y, side, brightness)."""
    picture = np.full((height, width, 3), 30, np.uint8)
    for x, y, side, bright in faces:
        picture[max(0, y) : y + side, max(0, x) : x + side] = bright
    return picture
