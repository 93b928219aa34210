"""SFace, the embedder of OpenCV's model zoo (Zhong et al. 2021, arXiv:2205.12010).

Faces are cropped as for ArcFace; the network takes colours from 0 to 255. A test compares chips and
vectors with those of `cv2.FaceRecognizerSF`.
"""

from __future__ import annotations

from caer_data.faces.models import onnx, weights
from caer_data.faces.models.arcface import ArcfaceEmbedder
from caer_data.faces.models.interface import Settings


class SfaceEmbedder(ArcfaceEmbedder):
    """Embeds faces with five known points as vectors of length 1.

    The threshold is OpenCV's, and the threshold for tracks has the same ratio to it as ArcFace's.
    Neither was measured, because the weights were not available.
    """

    name = "sface"
    file = "face_recognition_sface_*.onnx"
    threshold = 1.128
    track_threshold = 0.99
    middle, reach = 0.0, 1.0


def check(settings: Settings) -> None:
    """Raise a CaerError if there is no known weight file."""
    weights.local(settings, SfaceEmbedder.name)


def create(settings: Settings, threads: int) -> SfaceEmbedder:
    """Return the loaded embedder; see `choose.create_embedder`."""
    file = weights.local(settings, SfaceEmbedder.name)
    return SfaceEmbedder(onnx.load(file, settings.provider, threads))
