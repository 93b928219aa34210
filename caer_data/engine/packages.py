"""Files inside installed packages, found without importing the packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

VOICE_FILE: Final = ("silero_vad", "data/silero_vad_16k_sequence.onnx")
VOICE_INSTALL: Final = "pip install --no-deps silero-vad==6.2.3"
"""The package, installed for this file alone, and the file of the model that hears voices."""


def file_of(package: str, name: str) -> Path | None:
    """Where an installed package keeps a file; None if there is no such package or file.

    Args:
        package: name of a package at the top level.
        name: path of the file below the package's folder.
    """
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    paths = (Path(folder) / name for folder in folders)
    return next((path for path in paths if path.is_file()), None)
