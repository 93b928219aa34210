"""The public functions of the package, by their input: videos, data frames, trained models."""

from caer_data.api.frames import Alpha, agreement, audit, decide_labels, split
from caer_data.api.models import Classifier, load_model
from caer_data.api.videos import FoundFaces, build, cluster_people, detect_shots, find_faces

__all__ = [
    "Alpha",
    "Classifier",
    "FoundFaces",
    "agreement",
    "audit",
    "build",
    "cluster_people",
    "decide_labels",
    "detect_shots",
    "find_faces",
    "load_model",
    "split",
]
