"""dlib's max-margin face detector, which is always installed and finds faces at every angle."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.faces.models import embedded, weights
from caer_data.faces.models.geometry import detections, resize
from caer_data.faces.models.interface import Detections, Picture, Settings
from caer_data.faces.models.onnx import OnnxModel

_STEP = 25 / 36  # scale from one pyramid level to the next: every second level of dlib's
_EDGE = 11  # black pixels around each level, as in dlib's own pyramid

_STRIDE = 8
_OFFSET = 14
"""A cell of the network's output is the score of the window centred at `_STRIDE * cell + _OFFSET`.
"""


class MmodDetector:
    """Finds faces of at least 80 px in the resized picture."""

    name = "mmod"
    min_score = 0.0
    weak_score = 0.0
    sure_score = 0.0  # every track
    close_score = 0.0

    def __init__(self, model: OnnxModel, size: int, step: float = _STEP) -> None:
        """Create a detector.

        Args:
            model: see `dlib_graphs.detector_graph`.
            size: long side in pixels to which pictures are resized.
            step: scale from one pyramid level to the next. dlib's is 5/6. The default skips every
                second level, which is 1.7 times as fast, misses one more face in a hundred, and
                makes the height of boxes noisier (11 instead of 9 %).
        """
        self.size = size
        self.step = step
        self.provider = model.provider
        self.warnings = model.warnings
        self._session = model.session
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._window = int(metadata["window"])
        self._max_iou = float(metadata["max_iou"])

    def detect(
        self, pictures: Sequence[Picture], min_score: float, size: int | None = None
    ) -> list[Detections]:
        """Find faces; see `interface.Detector`."""
        if not pictures:
            return []
        full_height, full_width = pictures[0].shape[:2]
        level = [resize(picture, size or self.size)[0] for picture in pictures]
        found: list[list[npt.NDArray[np.float32]]] = [[] for _ in pictures]
        while min(level[0].shape[:2]) >= self._window // 2:
            height, width = level[0].shape[:2]
            zoom = np.array((width / full_width, height / full_height), dtype=np.float32)
            for index, rows in enumerate(self._windows(level, min_score)):
                rows[:, :4] /= np.tile(zoom, 2)
                found[index].append(rows)
            smaller = round(width * self.step), round(height * self.step)
            level = [cv2.resize(p, smaller, interpolation=cv2.INTER_LINEAR) for p in level]
        return [self._result(rows) for rows in found]

    def _windows(self, level: list[Picture], min_score: float) -> list[npt.NDArray[np.float32]]:
        """Return the windows of one pyramid level, per picture as rows x1, y1, x2, y2, score."""
        edges = (_EDGE, _EDGE, _EDGE, _EDGE)
        padded = np.stack([cv2.copyMakeBorder(p, *edges, cv2.BORDER_CONSTANT) for p in level])
        scores = self._session.run(None, {"pictures": padded})[0]
        result = []
        half = self._window / 2
        for picture in scores:
            y, x = np.nonzero(picture >= min_score)
            cells = np.stack([x, y], axis=1)
            # Add half a pixel: a centre is the middle of its pixel, and a box begins at pixel
            # edges.
            centres = cells * _STRIDE + (_OFFSET - _EDGE + 0.5)
            result.append(
                np.concatenate(
                    [centres - half, centres + half, picture[y, x, None]], axis=1
                ).astype(np.float32)
            )
        return result

    def _result(self, rows: list[npt.NDArray[np.float32]]) -> Detections:
        every = np.concatenate(rows) if rows else np.zeros((0, 5), dtype=np.float32)
        return detections(every[:, :4], every[:, 4], self._max_iou)


def check(settings: Settings) -> None:
    """Raise a CaerError if the model file is not installed."""
    weights.embedded(embedded.DETECTOR)


def create(settings: Settings, threads: int) -> MmodDetector:
    """Return the loaded detector; see `choose.create_detector`."""
    model = embedded.load(embedded.DETECTOR, settings.provider, threads)
    return MmodDetector(model, settings.detector_size)
