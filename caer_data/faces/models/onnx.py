"""Running ONNX models on the provider that a recipe requests, and reporting which one runs."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from caer_data.engine.errors import CaerError
from caer_data.faces.models.fixed_batches import FixedBatches
from caer_data.faces.models.interface import Provider
from caer_data.faces.models.side_by_side import SideBySide
from caer_data.faces.models.weights import ModelFile

_CPU: Final = "CPUExecutionProvider"
_CUDA: Final = "CUDAExecutionProvider"
_TENSORRT: Final = "TensorrtExecutionProvider"
WORDS: Final = {_CPU: "cpu", _CUDA: "cuda", _TENSORRT: "tensorrt"}

# ONNX Runtime's providers by the recipe's word, best first. 'auto' does not use TensorRT, which
# takes minutes to build an engine; this pays off only for very many videos.
_WANTED: Final[dict[Provider, tuple[str, ...]]] = {
    "auto": (_CUDA, _CPU),
    "cpu": (_CPU,),
    "cuda": (_CUDA, _CPU),
    "tensorrt": (_TENSORRT, _CUDA, _CPU),
}


# Without TF32, results are as close to the CPU's as rounding allows (1e-5 of the largest value
# instead of 1e-2), at the same speed. The heuristic search plans faster and runs as fast. Workers
# share the GPU, so each takes only the memory that it needs.
_CUDA_OPTIONS: Final = {
    "use_tf32": "0",
    "cudnn_conv_algo_search": "HEURISTIC",
    "arena_extend_strategy": "kSameAsRequested",
}


@dataclass(frozen=True)
class OnnxModel:
    """A loaded model.

    Attributes:
        session: the onnxruntime.InferenceSession; on several cores, in a `SideBySide`, and on a
            GPU, in a `FixedBatches`.
        provider: what the session actually runs on: "cpu", "cuda" or "tensorrt".
        warnings: sentences for the user, such as a fallback to the CPU.
    """

    session: Any
    provider: str
    warnings: list[str]


def load(file: ModelFile, provider: Provider, threads: int, one_by_one: bool = False) -> OnnxModel:
    """Load a checked model file.

    Args:
        file: the model.
        provider: the provider that the recipe requests.
        threads: pictures of a batch to process at once on the CPU; results do not depend on it.
        one_by_one: the model will be given one picture at a time, though its file may allow more.

    Raises:
        CaerError: ONNX Runtime is not installed, or cannot load the file.
    """
    onnxruntime = import_onnxruntime()
    wanted = _WANTED[provider]
    available = onnxruntime.get_available_providers()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = (
        1  # more threads would change the last digits; see `side_by_side`
    )
    options.inter_op_num_threads = 1
    # Threads that spin while waiting would take cores from other workers.
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    providers = [name for name in wanted if name in available]
    try:
        session, _ = _open(file.data, options, providers)
    except Exception as error:  # the library's errors have no common class
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CaerError(f"{file.path}: ONNX Runtime cannot load this model ({reason})") from error
    really = WORDS.get(session.get_providers()[0], session.get_providers()[0])
    if really == "cpu" and threads > 1:
        session = SideBySide(session, threads)
    elif really != "cpu":
        fixed = isinstance(session.get_inputs()[0].shape[0], int)
        session = FixedBatches(
            session, lambda: _open(file.data, options, providers)[0], one_by_one or fixed
        )
    return OnnxModel(session, really, _fallback(provider, really, available))


def import_onnxruntime() -> Any:
    """Import ONNX Runtime.

    Raises:
        CaerError: it is missing or broken, as after removing one of its two packages.
    """
    try:
        module = importlib.import_module("onnxruntime")
        module.InferenceSession  # noqa: B018 - a removed package leaves an empty module behind
    except (ImportError, AttributeError) as error:
        raise CaerError(
            f"ONNX Runtime does not load ({error}); run 'pip uninstall -y onnxruntime "
            "onnxruntime-gpu' and then 'pip install onnxruntime'"
        ) from error
    module.set_default_logger_severity(4)  # this module reports what the user should know
    return module


def _open(data: bytes, options: Any, providers: list[str]) -> tuple[Any, str]:
    """Open a session; return it with what ONNX Runtime printed about failing providers."""
    onnxruntime = import_onnxruntime()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        if _CPU not in providers[:1]:
            onnxruntime.preload_dlls()  # the CUDA libraries that pip installed
        given = [(name, _CUDA_OPTIONS) if name == _CUDA else name for name in providers]
        session = onnxruntime.InferenceSession(data, options, providers=given)
    return session, printed.getvalue()


def provider_that_runs(name: str) -> tuple[str, str]:
    """Request a provider, run a tiny model, and return which provider ran it.

    A provider that is listed may still fail when used, because a driver or a library is missing;
    ONNX Runtime then falls back to the CPU.

    Returns:
        The name of the provider that ran, and the first error message, or an empty text.
    """
    options = import_onnxruntime().SessionOptions()
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session, printed = _open(_tiny_model(), options, [name])
        session.run(None, {"x": np.ones(4, np.float32)})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    used = [e["args"]["provider"] for e in events if "provider" in e.get("args", {})]
    complaints = [line for line in printed.splitlines() if line.startswith(("Failed", "EP Error"))]
    return used[0], complaints[0][-160:].lstrip(")(.,: ") if complaints else ""


def _tiny_model() -> bytes:
    """Return an ONNX file (as protocol buffers) with one node, y = Relu(x) on four numbers."""

    def field(number: int, value: bytes | int) -> bytes:
        if isinstance(value, int):
            return bytes((number << 3, value))
        return bytes((number << 3 | 2, len(value))) + value

    floats = field(1, 1) + field(2, field(1, field(1, 4)))  # element type, then shape
    node = field(1, b"x") + field(2, b"y") + field(4, b"Relu")
    graph = field(1, node) + field(2, b"tiny")
    for number, tensor in ((11, b"x"), (12, b"y")):
        graph += field(number, field(1, tensor) + field(2, field(1, floats)))
    return field(1, 8) + field(7, graph) + field(8, field(1, b"") + field(2, 13))


def _fallback(provider: Provider, really: str, available: list[str]) -> list[str]:
    if provider in ("auto", really):
        unused = provider == "auto" and _CUDA in available and really == "cpu"
        if not unused:
            return []
    lacking = "" if _CUDA in available else "; its GPU provider is not installed"
    return [
        f"faces.provider: {provider} was requested, but ONNX Runtime runs on {really}{lacking} "
        "('caer-data doctor' says why)"
    ]
