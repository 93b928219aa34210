"""From a recipe's words to a detector and an embedder; `engine.face_models` lists them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

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


_kept: dict[tuple[Any, ...], tuple[Detector, Embedder]] = {}


def kept_models(
    settings: Settings, threads: int, files: Sequence[str]
) -> tuple[Detector, Embedder]:
    """Detector and embedder, loaded once per process as long as the same are asked for.

    Args:
        settings: as for `create_detector`.
        threads: as for `create_detector`.
        files: SHA-256 of the user's own model files: others are loaded anew.

    Raises:
        CaerError: as `create_detector` and `create_embedder`.
    """
    chosen = (settings.detector, settings.embedder, settings.weights, settings.weights_sha256)
    key = (*chosen, settings.provider, settings.detector_size, threads, *files)
    if key not in _kept:
        _kept.clear()
        _kept[key] = create_detector(settings, threads), create_embedder(settings, threads)
    return _kept[key]


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
