"""Loading dlib's networks as ONNX graphs, which are built once per machine and then cached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from caer_data.engine.cache import cached
from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error
from caer_data.engine.hashing import digest
from caer_data.faces.models import dlib_graphs, onnx, weights
from caer_data.faces.models.interface import Provider

if TYPE_CHECKING:
    from onnx import ModelProto

DETECTOR: Final = "mmod_human_face_detector.dat"
EMBEDDER: Final = "dlib_face_recognition_resnet_model_v1.dat"
PREDICTOR: Final = "shape_predictor_5_face_landmarks.dat"
"""Finds the five points for aligning a face; run by dlib itself."""

_BUILDERS: Final[dict[str, Callable[[bytes, Path], ModelProto]]] = {
    DETECTOR: dlib_graphs.detector_graph,
    EMBEDDER: dlib_graphs.embedder_graph,
}


def load(name: str, provider: Provider, threads: int) -> onnx.OnnxModel:
    """Load one of dlib's networks into ONNX Runtime.

    Args:
        name: `DETECTOR` or `EMBEDDER`.
        provider: the recipe's value of `faces.provider`.
        threads: processor cores to use.

    Raises:
        CaerError: the file is missing or damaged, or ONNX Runtime does not load.
    """
    return onnx.load(model_file(weights.embedded(name), name), provider, threads)


def model_file(path: Path, name: str) -> weights.ModelFile:
    """Return the ONNX graph of one of dlib's files; raises the errors of `load`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    sha256 = hashlib.sha256(data).hexdigest()
    key = digest(f"{dlib_graphs.VERSION} {sha256}")

    def build() -> bytes:
        return bytes(_BUILDERS[name](data, path).SerializeToString(deterministic=True))

    graph = cached(Path(name).stem, ".onnx", key, build)
    return weights.ModelFile(path, graph, sha256, "public domain")
