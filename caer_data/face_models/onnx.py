"""Running ONNX models on the provider the recipe asks for, and saying which one really runs."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Final, Literal

from caer_data.errors import CaerError
from caer_data.face_models.weights import ModelFile

Provider = Literal["auto", "cpu", "cuda", "tensorrt"]

_CPU: Final = "CPUExecutionProvider"
_CUDA: Final = "CUDAExecutionProvider"
_TENSORRT: Final = "TensorrtExecutionProvider"
WORDS: Final = {_CPU: "cpu", _CUDA: "cuda", _TENSORRT: "tensorrt"}

# What each word asks of ONNX Runtime, best first. 'auto' leaves TensorRT out: it spends minutes on
# building an engine, which pays only for very many videos.
_WANTED: Final[dict[Provider, tuple[str, ...]]] = {
    "auto": (_CUDA, _CPU),
    "cpu": (_CPU,),
    "cuda": (_CUDA, _CPU),
    "tensorrt": (_TENSORRT, _CUDA, _CPU),
}


@dataclass(frozen=True)
class OnnxModel:
    """A loaded model.

    Attributes:
        session: the onnxruntime.InferenceSession.
        provider: "cpu", "cuda" or "tensorrt": what the session really runs on.
        warnings: what the user should know, such as a fall back to the CPU.
    """

    session: Any
    provider: str
    warnings: list[str]


def load(file: ModelFile, provider: Provider, threads: int) -> OnnxModel:
    """Load a checked model file.

    Raises:
        CaerError: ONNX Runtime is not installed, or cannot load the file.
    """
    onnxruntime = import_onnxruntime()
    wanted = _WANTED[provider]
    available = onnxruntime.get_available_providers()
    if _CUDA in available and wanted != (_CPU,):
        onnxruntime.preload_dlls()  # the CUDA libraries that pip installed
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            file.data, options, providers=[name for name in wanted if name in available]
        )
    except Exception as error:  # the library's errors share no class of their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CaerError(f"{file.path}: ONNX Runtime cannot load this model ({reason})") from error
    really = WORDS.get(session.get_providers()[0], session.get_providers()[0])
    return OnnxModel(session, really, _fallback(provider, really, available))


def import_onnxruntime() -> Any:
    """Import ONNX Runtime.

    Raises:
        CaerError: it is missing or broken, as it is after one of its two packages was removed.
    """
    try:
        module = importlib.import_module("onnxruntime")
        module.InferenceSession  # noqa: B018 - a removed package leaves an empty module behind
    except (ImportError, AttributeError) as error:
        raise CaerError(
            f"ONNX Runtime does not load ({error}); run 'pip uninstall -y onnxruntime "
            "onnxruntime-gpu' and then 'pip install onnxruntime'"
        ) from error
    return module


def _fallback(provider: Provider, really: str, available: list[str]) -> list[str]:
    if provider in ("auto", really):
        unused = provider == "auto" and _CUDA in available and really == "cpu"
        if not unused:
            return []
    lacking = "" if _CUDA in available else "; its GPU provider is not installed"
    return [
        f"faces.provider: {provider} was asked for, but ONNX Runtime runs on {really}{lacking} "
        "('caer-data doctor' says why)"
    ]
