"""How a dataset was built: versions of the tools, the machine, the shows."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

from caer_data import __version__
from caer_data.engine.sources import name_of

_PACKAGES = (
    "av", "dlib-bin", "face_recognition_models", "ffmpeg-python", "imageio-ffmpeg", "numpy",
    "onnxruntime", "opencv-python-headless", "pandas", "pyarrow", "scenedetect-headless",
    "scikit-learn", "scipy", "torch",
)  # fmt: skip


def provenance(shows: Path) -> dict[str, Any]:
    """Return the versions, the machine, and the path of the shows (needed to cut clips again)."""
    return {
        "caer_data": __version__,
        "shows": name_of(shows),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "ffmpeg": _ffmpeg(),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _ffmpeg() -> str:
    import imageio_ffmpeg

    done = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-version"], capture_output=True, check=False
    )
    return done.stdout.decode("utf-8", "replace").partition("\n")[0].strip()
