"""From a recipe's words to a detector and an embedder."""

from __future__ import annotations

from caer_data.errors import CaerError
from caer_data.face_models.interface import Detector, Embedder
from caer_data.recipe import Faces


def create_detector(faces: Faces, threads: int) -> Detector:
    """Load the detector that a recipe chooses.

    Args:
        faces: the recipe's section; `detector`, `detector_size`, `weights` and `provider` count.
        threads: processor cores to use. For the detectors that run in torch this is set for the
            whole process.

    Raises:
        CaerError: a model file or a library is missing, damaged or unknown.
    """
    if faces.detector == "mmod":
        _set_torch_threads(threads)
        from caer_data.face_models.mmod import MmodDetector

        return MmodDetector(faces.detector_size)
    if faces.detector == "hog":
        from caer_data.face_models.hog import HogDetector

        return HogDetector(faces.detector_size)
    raise CaerError(f"faces.detector: no detector '{faces.detector}' yet")


def create_embedder(faces: Faces, threads: int) -> Embedder:
    """Load the embedder that a recipe chooses; arguments and errors as in `create_detector`."""
    if faces.embedder == "dlib":
        _set_torch_threads(threads)
        from caer_data.face_models.dlib_embedder import DlibEmbedder

        return DlibEmbedder()
    raise CaerError(f"faces.embedder: no embedder '{faces.embedder}' yet")


def _set_torch_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
