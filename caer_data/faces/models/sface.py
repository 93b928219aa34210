"""SFace, the embedder of OpenCV's model zoo (Zhong et al. 2021, arXiv:2205.12010).

Faces are cut out as for ArcFace; the network takes colours from 0 to 255. A test compares chips and
vectors with those of `cv2.FaceRecognizerSF`.
"""

from __future__ import annotations

from caer_data.faces.models import onnx, weights
from caer_data.faces.models.arcface import ArcfaceEmbedder
from caer_data.faces.models.interface import Settings


class SfaceEmbedder(ArcfaceEmbedder):
    """Embeds faces whose five points are known into vectors of length one.

    The threshold is OpenCV's. That for tracks keeps ArcFace's ratio to it; neither was measured
    here, because the weights could not be had.
    """

    name = "sface"
    file = "face_recognition_sface_*.onnx"
    threshold = 1.128
    track_threshold = 0.99
    middle, reach = 0.0, 1.0


def check(settings: Settings) -> None:
    """Raise a CaerError if there is no weight file whose content is known."""
    weights.local(settings, SfaceEmbedder.name)


def create(settings: Settings, threads: int) -> SfaceEmbedder:
    """Load the embedder; see `choose.create_embedder`."""
    file = weights.local(settings, SfaceEmbedder.name)
    return SfaceEmbedder(onnx.load(file, settings.provider, threads))
