"""ArcFace, InsightFace's embedder (Deng et al. 2019, arXiv:1801.07698)."""

from __future__ import annotations

import cv2
import numpy as np

from caer_data.engine.errors import CaerError
from caer_data.engine.face_models import giving_points
from caer_data.faces.models import onnx, weights
from caer_data.faces.models.align import chip
from caer_data.faces.models.interface import Chips, Detections, Floats, Picture, Settings

_CHIP = 112

# Positions of the eyes, nose and mouth corners in the network's training data.
_PLACES = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655),
     (70.7299, 92.2041)],
    dtype=np.float32,
)  # fmt: skip


class ArcfaceEmbedder:
    """Embeds faces with five known points as vectors of length 1.

    The threshold corresponds to a cosine similarity of 0.35. This is a common value; it was not
    measured, because the weights were not available.
    """

    name = "arcface"
    file = "w600k_*.onnx"
    threshold = 1.14
    track_threshold = 1.0
    middle, reach = 127.5, 127.5  # scale colours to -1 to 1

    def __init__(self, model: onnx.OnnxModel) -> None:
        self.provider = model.provider
        self.warnings = model.warnings
        self._session = model.session
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        fits = len(inputs) == 1 and len(outputs) == 1 and len(outputs[0].shape) == 2
        if not fits or list(inputs[0].shape[1:]) != [3, _CHIP, _CHIP]:
            raise CaerError(
                "faces.weights: this model does not convert pictures of 112 by 112 pixels to "
                f"vectors, as {self.file} does"
            )
        self._input = inputs[0].name
        self._one_by_one = isinstance(inputs[0].shape[0], int)
        self.dimensions = int(outputs[0].shape[1])

    def align(self, picture: Picture, faces: Detections) -> Chips:
        """Crop faces by their points; see `interface.Embedder`.

        Raises:
            CaerError: the detector did not return points.
        """
        if not len(faces):
            return np.zeros((0, _CHIP, _CHIP, 3), np.uint8)
        if faces.points is None:
            raise CaerError(
                f"faces.embedder: '{self.name}' needs a detector that returns five points: "
                f"{', '.join(giving_points())}"
            )
        return np.stack([chip(picture, points, _PLACES, _CHIP) for points in faces.points])

    def embed(self, chips: Chips) -> Floats:
        """Embed aligned faces; see `interface.Embedder`."""
        if not len(chips):
            return np.zeros((0, self.dimensions), dtype=np.float32)
        mean = (self.middle,) * 3
        blob = cv2.dnn.blobFromImages(list(chips), 1 / self.reach, mean=mean, swapRB=True)
        batches = np.split(blob, len(blob)) if self._one_by_one else [blob]
        vectors = np.concatenate(
            [self._session.run(None, {self._input: batch})[0] for batch in batches]
        ).astype(np.float32)
        unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return unit


def check(settings: Settings) -> None:
    """Raise a CaerError if there is no known weight file."""
    weights.local(settings, ArcfaceEmbedder.name)


def create(settings: Settings, threads: int) -> ArcfaceEmbedder:
    """Return the loaded embedder; see `choose.create_embedder`."""
    file = weights.local(settings, ArcfaceEmbedder.name)
    return ArcfaceEmbedder(onnx.load(file, settings.provider, threads))
