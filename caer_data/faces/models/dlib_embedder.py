"""dlib's face embedder: the embedded default."""

from __future__ import annotations

import numpy as np

from caer_data.faces.models import embedded, weights
from caer_data.faces.models.align import chip
from caer_data.faces.models.dlib_graphs import CHIP
from caer_data.faces.models.interface import Chips, Detections, Floats, Picture, Settings
from caer_data.faces.models.onnx import OnnxModel

_PADDING = 0.25

# Positions of the eyes, nose and mouth corners in dlib's own alignment.
_PLACES = np.array([(47, 47), (103, 47), (76, 78), (51, 103), (98, 102)], np.float32)


_NEEDS_DLIB = "the face embedder 'dlib'"


class DlibEmbedder:
    """Embeds faces as vectors of 128 numbers.

    A face is aligned and cropped to 150 by 150 pixels, using the detector's five points, or those
    of dlib's shape predictor if the detector returns none.
    """

    name = "dlib"
    dimensions = 128
    track_threshold = 0.42
    threshold = 0.5  # dlib's 0.6 would accept one in nine pairs of different persons

    def __init__(self, model: OnnxModel) -> None:
        self.provider = model.provider
        self.warnings = model.warnings
        self._session = model.session
        self._dlib = weights.import_dlib(_NEEDS_DLIB)
        self._predictor = self._dlib.shape_predictor(str(weights.embedded(embedded.PREDICTOR)))

    def align(self, picture: Picture, faces: Detections) -> Chips:
        """Crop faces as dlib's `get_face_chip` does; see `interface.Embedder`."""
        if not len(faces):
            return np.zeros((0, CHIP, CHIP, 3), np.uint8)
        if faces.points is not None:
            return np.stack([chip(picture, points, _PLACES, CHIP) for points in faces.points])
        picture = np.ascontiguousarray(picture)
        shapes = self._dlib.full_object_detections()
        for x1, y1, x2, y2 in faces.boxes.round().astype(int).tolist():
            box = self._dlib.rectangle(x1, y1, x2 - 1, y2 - 1)
            shapes.append(self._predictor(picture, box))
        return np.stack(self._dlib.get_face_chips(picture, shapes, CHIP, _PADDING))

    def embed(self, chips: Chips) -> Floats:
        """Embed aligned faces in one batch; see `interface.Embedder`."""
        if not len(chips):
            return np.zeros((0, self.dimensions), dtype=np.float32)
        vectors: Floats = self._session.run(None, {"pictures": np.ascontiguousarray(chips)})[0]
        return vectors


def check(settings: Settings) -> None:
    """Raise a CaerError if dlib does not load, or a model file is not installed."""
    weights.import_dlib(_NEEDS_DLIB)
    for name in (embedded.EMBEDDER, embedded.PREDICTOR):
        weights.embedded(name)


def create(settings: Settings, threads: int) -> DlibEmbedder:
    """Return the loaded embedder; see `choose.create_embedder`."""
    return DlibEmbedder(embedded.load(embedded.EMBEDDER, settings.provider, threads))
