"""Face detectors and embedders behind one small interface, chosen by their names in a recipe."""

from __future__ import annotations

from caer_data.faces.models.choose import create_detector, create_embedder
from caer_data.faces.models.interface import Detections, Detector, Embedder, Picture

__all__ = ["Detections", "Detector", "Embedder", "Picture", "create_detector", "create_embedder"]
