"""GPU kernels of CAER-Net, written in Triton, and whether they run here.

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
    problem = FUSED.why_not(device)
    if problem:
        _log.warning(
            "The GPU kernels of CAER-Net do not run (%s), so PyTorch's slower operations are used; "
            "Triton needs a C compiler, such as gcc, and Python's header files",
            problem,
        )
    return not problem
