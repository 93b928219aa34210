"""YuNet (Wu et al. 2023, doi:10.1007/s11633-023-1423-y), run with OpenCV's own class."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from caer_data.engine.errors import CaerError
from caer_data.faces.models import weights
from caer_data.faces.models.geometry import detections, pad, resize
from caer_data.faces.models.interface import Detections, Picture, Settings
from caer_data.faces.models.weights import ModelFile

_MAX_IOU = 0.3
_MAX_FACES = 5000
_STRIDE = 32
_MIN_SIDE = 64  # px; with one row or column of cells, OpenCV reads uninitialised memory


class YunetDetector:
    """Finds faces of at least 10 px in the resized picture, with five points."""

    name = "yunet"
    min_score = 0.6
    weak_score = 0.5
    sure_score = 0.7
    close_score = 0.55
    provider = "cpu"

    def __init__(self, file: ModelFile, size: int) -> None:
        self.size = size
        self.warnings: list[str] = []
        content = np.frombuffer(file.data, dtype=np.uint8)
        try:
            self._detector = cv2.FaceDetectorYN.create(
                "onnx", content, np.empty(0, np.uint8), (640, 640), 0.0, _MAX_IOU, _MAX_FACES
            )
        except cv2.error as error:
            raise CaerError(f"{file.path}: OpenCV cannot load this YuNet model") from error

    def detect(
        self, pictures: Sequence[Picture], min_score: float, size: int | None = None
    ) -> list[Detections]:
        """Find faces; see `interface.Detector`."""
        return [self._detect(picture, min_score, size or self.size) for picture in pictures]

    def _detect(self, picture: Picture, min_score: float, size: int) -> Detections:
        resized, scale_x, scale_y = resize(picture, size)
        padded = pad(resized, _STRIDE, _MIN_SIDE)
        self._detector.setInputSize((padded.shape[1], padded.shape[0]))
        self._detector.setScoreThreshold(min_score)
        _, found = self._detector.detect(padded)
        rows = np.zeros((0, 15)) if found is None else found
        zoom = np.array((scale_x, scale_y))
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1) / np.tile(zoom, 2)
        points = rows[:, 4:14].reshape(-1, 5, 2) / zoom
        return detections(boxes, rows[:, 14], _MAX_IOU, points)


def check(settings: Settings) -> None:
    """Raise a CaerError if there is no known weight file."""
    weights.local(settings, YunetDetector.name)


def create(settings: Settings, threads: int) -> YunetDetector:
    """Return the loaded detector; see `choose.create_detector`.

    OpenCV's number of threads is set for the whole process.
    """
    cv2.setNumThreads(1)  # more threads could change the last digits
    return YunetDetector(weights.local(settings, YunetDetector.name), settings.detector_size)
