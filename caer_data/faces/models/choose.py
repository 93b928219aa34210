"""Loading the detector and embedder that a recipe names; `engine.face_models` lists them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from caer_data.engine.errors import CaerError
from caer_data.engine.face_models import DETECTORS, EMBEDDERS, giving_points
from caer_data.faces.models.interface import Detector, Embedder, Settings


def check(settings: Settings) -> None:
    """Check that everything a recipe's models need is installed, without loading them.

    Raises:
        CaerError: a model file or a library is missing, or the embedder needs points that the
            detector does not return.
    """
    _check_points(settings)
    _module(DETECTORS[settings.detector].module).check(settings)
    _module(EMBEDDERS[settings.embedder].module).check(settings)


def create_detector(settings: Settings, threads: int) -> Detector:
    """Return the loaded detector that a recipe names.

    Args:
        settings: the recipe's section `faces`, or an object with the same fields.
        threads: processor cores to use; results do not depend on it. YuNet uses one, which is set
            for the whole process.

    Raises:
        CaerError: a model file or a library is missing, damaged or unknown.
    """
    detector: Detector = _module(DETECTORS[settings.detector].module).create(settings, threads)
    return detector


def create_embedder(settings: Settings, threads: int) -> Embedder:
    """Return the loaded embedder that a recipe names; see `create_detector` for arguments.

    Raises:
        CaerError: as in `create_detector`, or the embedder needs points that the recipe's detector
            does not return.
    """
    _check_points(settings)
    embedder: Embedder = _module(EMBEDDERS[settings.embedder].module).create(settings, threads)
    return embedder


_kept: dict[tuple[Any, ...], tuple[Detector, Embedder]] = {}


def kept_models(
    settings: Settings, threads: int, files: Sequence[str]
) -> tuple[Detector, Embedder]:
    """Return the detector and embedder, loaded once per process while the settings stay the same.

    Args:
        settings: see `create_detector`.
        threads: see `create_detector`.
        files: SHA-256 of the user's own model files; if they change, models are loaded again.

    Raises:
        CaerError: as in `create_detector` and `create_embedder`.
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
            f"detector '{settings.detector}' does not return; choose one of "
            f"{', '.join(giving_points())}, or the embedder 'dlib'"
        )
