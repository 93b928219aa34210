"""GPU kernels, written in Triton, and whether they run here.

`fused` has what lies between convolutions, `rearranged` the inputs of convolutions of few channels,
and `augmented` the augmentation. Each has PyTorch's operations as an alternative, which are used
without a GPU, and where Triton is missing or does not run.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from functools import cache
from typing import Any

import torch

_log = logging.getLogger(__name__)

FUSED: Any = None
"""The module `fused`, or None where PyTorch comes without CUDA or without Triton."""
REARRANGED: Any = None
"""The module `rearranged`, or None likewise."""
AUGMENTED: Any = None
"""The module `augmented`, or None likewise."""
if torch.version.cuda and importlib.util.find_spec("triton"):
    FUSED, REARRANGED, AUGMENTED = (
        importlib.import_module(f"{__name__}.{name}")
        for name in ("fused", "rearranged", "augmented")
    )


@cache
def run_on(device: torch.device) -> bool:
    """Return whether the kernels run on a device; if they should and do not, say why, once."""
    if FUSED is None or device.type != "cuda":
        return False
    problem = why_not(device)
    if problem:
        _log.warning(
            "The GPU kernels do not run (%s), so PyTorch's slower operations are used; Triton "
            "needs a C compiler, such as gcc, and Python's header files",
            problem,
        )
    return not problem


@cache
def why_not(device: torch.device) -> str | None:
    """Return why the kernels do not run on a device, such as no C compiler; None if they do."""
    if FUSED is None:
        return "PyTorch was built without CUDA, or Triton is not installed"
    try:
        for module in (FUSED, REARRANGED, AUGMENTED):
            module.probe(device)
        torch.cuda.synchronize(device)
    except Exception as error:  # Triton's errors have no common class
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {lines[0]}"
    return None
