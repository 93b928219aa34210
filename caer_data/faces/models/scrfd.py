"""SCRFD, InsightFace's detector (Guo et al. 2021, arXiv:2105.04714), decoded here.

For each of three strides the network gives, for two anchors in each cell, a score and the distances
from the cell's corner to the four sides of the box and to five points, all in strides.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from caer_data.engine.errors import CaerError
from caer_data.faces.models import onnx, weights
from caer_data.faces.models.geometry import Reals, detections, pad, resize
from caer_data.faces.models.interface import Detections, Floats, Picture, Settings

_STRIDES = (8, 16, 32)
_ANCHORS = 2
_MAX_IOU = 0.4
_SMALLER = 4  # factor by which the picture is reduced for the second search


class ScrfdDetector:
    """Finds faces of at least 12 px in the resized picture, with five points.

    The network misses faces that fill its picture, so pictures are also searched at a small size.
    """

    name = "scrfd"
    min_score = 0.5
    weak_score = 0.35
    sure_score = 0.7
    close_score = 0.55

    def __init__(self, model: onnx.OnnxModel, size: int) -> None:
        self.size = size
        self.provider = model.provider
        self.warnings = model.warnings
        self._session = model.session
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 3 * len(_STRIDES):
            raise CaerError(
                "faces.weights: the inputs or outputs of this SCRFD model are not supported; use a "
                "model with five points (det_500m, det_2.5g, det_10g)"
            )
        self._input = inputs[0].name

    def detect(
        self, pictures: Sequence[Picture], min_score: float, size: int | None = None
    ) -> list[Detections]:
        """Find faces; see `interface.Detector`."""
        return [self._detect(picture, min_score, size or self.size) for picture in pictures]

    def _detect(self, picture: Picture, min_score: float, size: int) -> Detections:
        parts = [
            part
            for long_side in (size, max(size // _SMALLER, _STRIDES[-1]))
            for part in self._look(picture, min_score, long_side)
        ]
        boxes, scores, points = (np.concatenate(column) for column in zip(*parts, strict=True))
        return detections(boxes, scores, _MAX_IOU, points)

    def _look(
        self, picture: Picture, min_score: float, long_side: int
    ) -> list[tuple[Reals, Reals, Reals]]:
        """Return boxes, scores and points of each stride at one size, in pixels of the picture."""
        resized, scale_x, scale_y = resize(picture, long_side)
        padded = pad(resized, _STRIDES[-1])
        blob = cv2.dnn.blobFromImage(padded, 1 / 128, mean=(127.5, 127.5, 127.5), swapRB=True)
        outputs = [np.asarray(o) for o in self._session.run(None, {self._input: blob})]
        outputs = [output.reshape(-1, output.shape[-1]) for output in outputs]
        zoom = np.array((scale_x, scale_y))
        found = []
        for index, stride in enumerate(_STRIDES):
            of_stride = outputs[index :: len(_STRIDES)]
            boxes, scores, points = _decode(of_stride, padded.shape, stride, min_score)
            found.append((boxes / np.tile(zoom, 2), scores, points / zoom))
        return found


def _decode(
    outputs: list[Floats], shape: tuple[int, ...], stride: int, min_score: float
) -> tuple[Floats, Floats, Floats]:
    """Return boxes (n, 4), scores (n,) and points (n, 5, 2) of one stride, in resized pixels."""
    scores, sides, points = outputs
    rows, columns = shape[0] // stride, shape[1] // stride
    if len(scores) != rows * columns * _ANCHORS:
        raise CaerError("faces.weights: the SCRFD model has an unsupported number of anchors")
    sure = np.flatnonzero(scores[:, 0] >= min_score)
    cells = sure // _ANCHORS
    centres = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
    sides, offsets = sides[sure], points[sure].reshape(-1, 5, 2)
    corners = np.concatenate([centres - sides[:, :2], centres + sides[:, 2:]], axis=1)
    return corners * stride, scores[sure, 0], (centres[:, None] + offsets) * stride


def check(settings: Settings) -> None:
    """Raise a CaerError if there is no known weight file."""
    weights.local(settings, ScrfdDetector.name)


def create(settings: Settings, threads: int) -> ScrfdDetector:
    """Return the loaded detector; see `choose.create_detector`."""
    file = weights.local(settings, ScrfdDetector.name)
    return ScrfdDetector(
        onnx.load(file, settings.provider, threads, one_by_one=True), settings.detector_size
    )
