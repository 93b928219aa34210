"""From a recipe's words to a detector and an embedder."""

from __future__ import annotations

from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Faces
from caer_data.faces.models.interface import Detector, Embedder

GIVE_POINTS = ("centerface", "scrfd", "yunet")
"""Detectors that give five points of each face."""


def check(faces: Faces) -> None:
    """Make sure that what a recipe's models need is installed, without loading them.

    Raises:
        CaerError: a model file or a library is missing, or detector and embedder do not fit.
    """
    from caer_data.faces.models import embedded, weights

    _check_points(faces)
    if faces.detector == "hog":
        weights.import_dlib("the face detector 'hog'")
    elif faces.detector == "mmod":
        weights.embedded(embedded.DETECTOR)
    elif faces.detector == "centerface":
        weights.centerface()
    if faces.embedder == "dlib":
        weights.import_dlib("the face embedder 'dlib'")
        for name in (embedded.EMBEDDER, embedded.PREDICTOR):
            weights.embedded(name)


def create_detector(faces: Faces, threads: int) -> Detector:
    """Load the detector that a recipe chooses.

    Args:
        faces: the recipe's section; `detector`, `detector_size`, `weights`, `weights_sha256` and
            `provider` count.
        threads: processor cores to use. For YuNet, which OpenCV runs, this is set for the whole
            process.

    Raises:
        CaerError: a model file or a library is missing, damaged or unknown.
    """
    if faces.detector == "mmod":
        from caer_data.faces.models import embedded
        from caer_data.faces.models.mmod import MmodDetector

        model = embedded.load(embedded.DETECTOR, faces.provider, threads)
        return MmodDetector(model, faces.detector_size)
    if faces.detector == "hog":
        from caer_data.faces.models.hog import HogDetector

        return HogDetector(faces.detector_size)
    from caer_data.faces.models import onnx, weights

    if faces.detector == "centerface":
        from caer_data.faces.models.centerface import CenterfaceDetector

        return CenterfaceDetector(
            weights.centerface(), faces.provider, threads, faces.detector_size
        )
    if faces.detector == "scrfd":
        from caer_data.faces.models.scrfd import ScrfdDetector

        model = onnx.load(weights.local(faces, "scrfd"), faces.provider, threads)
        return ScrfdDetector(model, faces.detector_size)
    import cv2

    from caer_data.faces.models.yunet import YunetDetector

    cv2.setNumThreads(threads)
    return YunetDetector(weights.local(faces, "yunet"), faces.detector_size)


def create_embedder(faces: Faces, threads: int) -> Embedder:
    """Load the embedder that a recipe chooses; arguments and errors as in `create_detector`.

    Raises:
        CaerError: also where the recipe's detector does not give the points the embedder needs.
    """
    if faces.embedder == "dlib":
        from caer_data.faces.models import embedded
        from caer_data.faces.models.dlib_embedder import DlibEmbedder

        return DlibEmbedder(embedded.load(embedded.EMBEDDER, faces.provider, threads))
    _check_points(faces)
    from caer_data.faces.models import onnx, weights
    from caer_data.faces.models.arcface import ArcfaceEmbedder

    return ArcfaceEmbedder(onnx.load(weights.local(faces, "arcface"), faces.provider, threads))


def _check_points(faces: Faces) -> None:
    if faces.embedder == "arcface" and faces.detector not in GIVE_POINTS:
        raise CaerError(
            f"faces.embedder: 'arcface' needs five points of each face, which the detector "
            f"'{faces.detector}' does not give; choose one of {', '.join(GIVE_POINTS)}, or the "
            "embedder 'dlib'"
        )
