"""From a recipe's words to a detector and an embedder; `engine.face_models` lists them."""

from __future__ import annotations

import importlib
from types import ModuleType

from caer_data.engine.errors import CaerError
from caer_data.engine.face_models import DETECTORS, EMBEDDERS, giving_points
from caer_data.faces.models.interface import Detector, Embedder, Settings


def check(settings: Settings) -> None:
    """Make sure that what a recipe's models need is installed, without loading them.

    Raises:
        CaerError: a model file or a library is missing, or detector and embedder do not fit.
    """
    _check_points(settings)
    _module(DETECTORS[settings.detector].module).check(settings)
    _module(EMBEDDERS[settings.embedder].module).check(settings)


def create_detector(settings: Settings, threads: int) -> Detector:
    """Load the detector that a recipe chooses.

    Args:
        settings: the recipe's section `faces`, or anything that has the same fields.
        threads: processor cores to use, which changes no byte. YuNet uses one, which is set for
            the whole process.

    Raises:
        CaerError: a model file or a library is missing, damaged or unknown.
    """
    detector: Detector = _module(DETECTORS[settings.detector].module).create(settings, threads)
    return detector


def create_embedder(settings: Settings, threads: int) -> Embedder:
    """Load the embedder that a recipe chooses; arguments and errors as in `create_detector`.

    Raises:
        CaerError: also where the recipe's detector does not give the points the embedder needs.
    """
    _check_points(settings)
    embedder: Embedder = _module(EMBEDDERS[settings.embedder].module).create(settings, threads)
    return embedder


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"caer_data.faces.models.{name}")


def _check_points(settings: Settings) -> None:
    needed = EMBEDDERS[settings.embedder].needs_points
    if needed and not DETECTORS[settings.detector].gives_points:
        raise CaerError(
            f"faces.embedder: '{settings.embedder}' needs five points of each face, which the "
            f"detector '{settings.detector}' does not give; choose one of "
            f"{', '.join(giving_points())}, or the embedder 'dlib'"
        )
