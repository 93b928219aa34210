"""Files inside installed packages, located without importing the packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

VOICE_FILE: Final = ("silero_vad", "data/silero_vad_16k_sequence.onnx")
VOICE_INSTALL: Final = "pip install --no-deps silero-vad==6.2.3"
"""How to install the voice detection model; only its file `VOICE_FILE` is used."""


def file_of(package: str, name: str) -> Path | None:
    """Return the path of a file inside an installed package; None if either does not exist.

    Args:
        package: name of a top-level package.
        name: path of the file below the package's folder.
    """
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    paths = (Path(folder) / name for folder in folders)
    return next((path for path in paths if path.is_file()), None)
