"""Check on real data that bf16 gives the same results as fp32 before a run uses it.

The acceptable difference depends on the model. At its first step, a deep network may have entirely
different gradients after a change in the last digit of its input, even in fp32, without harm. The
limit is therefore relative to the model's own noise floor: the difference in fp32 if inputs change
by 2^-9 of their size, like rounding to bf16. Since bf16 rounds in every layer, not only at the
input, the limit is `FACTOR` times the noise floor. With bf16's rounding emulated in every layer, a
new ResNet-50 differed by 2.1 and 4.0 noise floors in logits and gradients (cosine .13), and
ResNet-18 by 3.6 and 1.9. Gradients at an angle of 90 degrees or more are never accepted.
"""

from __future__ import annotations

import copy
import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Seen = tuple[Tensor | None, ...]
"""Arguments of a model: face, context and possibly sound."""

MOVED: Final = 2.0**-9
"""Half of the relative spacing of bf16 values, which have 8 bits."""

FACTOR: Final = 8.0
"""Maximum difference of bf16 in noise floors."""

GOOD_LOGITS: Final = 0.1
"""Relative error of the logits that is always acceptable."""

GOOD_GRADIENT: Final = 0.9
"""Minimum cosine between two gradients for equivalent steps."""


_NORMALISING: Final = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


def check_bf16(model: nn.Module, seen: Seen, labels: Tensor) -> dict[str, float]:
    """Compare one training step in bf16 with fp32, and fp32 with itself, on copies of the model.

    Args:
        model: the model, which is not changed.
        seen: its arguments.
        labels: (N,) labels of the samples.

    Returns:
        `logits_error`, relative, and `gradient_cosine` of bf16; `floor_logits_error` and
        `floor_gradient_cosine` of fp32 with moved inputs; `trusted`: whether bf16 may be used.
    """
    gpus = [labels.device] if labels.is_cuda else []
    with torch.random.fork_rng(gpus):
        exact = _step(model, seen, labels, bf16=False)
        rough = _step(model, seen, labels, bf16=True)
        torch.manual_seed(1)
        floor = _step(model, tuple(map(_moved, seen)), labels, bf16=False)
    error, cosine = _apart(rough, exact)
    floor_error, floor_cosine = _apart(floor, exact)
    return {
        "logits_error": error,
        "gradient_cosine": cosine,
        "floor_logits_error": floor_error,
        "floor_gradient_cosine": floor_cosine,
        "trusted": is_trusted(error, cosine, floor_error, floor_cosine),
    }


def is_trusted(error: float, cosine: float, floor_error: float, floor_cosine: float) -> bool:
    """Return whether bf16 is close to fp32, absolutely or relative to the noise floor."""
    if not (math.isfinite(error) and math.isfinite(cosine)):
        return False
    if cosine <= 0:
        return False
    logits = error <= max(GOOD_LOGITS, FACTOR * floor_error)
    gradient = cosine >= GOOD_GRADIENT or _noise(cosine) <= FACTOR * _noise(floor_cosine)
    return logits and gradient


def sentence(found: dict[str, float]) -> str:
    """Return a sentence about a check that failed."""
    return (
        f"bf16 differs from fp32 by more than this model's own noise (logits by "
        f"{found['logits_error']:.1%}, noise {found['floor_logits_error']:.1%}; cosine of the "
        f"gradients {found['gradient_cosine']:.3f}, noise {found['floor_gradient_cosine']:.3f}): "
        "computed in fp32 instead"
    )


def _apart(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[float, float]:
    """Return the relative error of the logits and the cosine of the gradients of two steps."""
    error = (one[0] - other[0]).norm() / other[0].norm()
    return float(error), float(F.cosine_similarity(one[1], other[1], dim=0))


def _noise(cosine: float) -> float:
    """Return the relative noise in a gradient that rotates it to this cosine: its tangent."""
    return math.sqrt(max(0.0, 1 - cosine**2)) / cosine if cosine > 0 else math.inf


def _moved(x: Tensor | None) -> Tensor | None:
    """Return every value increased or decreased by `MOVED` of itself."""
    return None if x is None else x * (1 + MOVED * (torch.randint_like(x, 2) * 2 - 1))


def _step(model: nn.Module, seen: Seen, labels: Tensor, bf16: bool) -> tuple[Tensor, Tensor]:
    """Return logits, and all gradients as one vector, of a copy without randomness.

    On a GPU, random numbers from one seed depend on the precision, so steps with dropout could not
    be compared. Only batch normalisation is in training mode.
    """
    trial = copy.deepcopy(model).eval()
    for part in trial.modules():
        if isinstance(part, _NORMALISING):
            part.train()
    torch.manual_seed(0)  # in case a model uses random numbers nevertheless
    # cuDNN would otherwise compute fp32 convolutions in TF32, little better than bf16
    exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with exact, torch.autocast(labels.device.type, torch.bfloat16, enabled=bf16):
        logits = trial(*seen).logits
        F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
    parts = [p.grad.flatten() for p in trial.parameters() if p.grad is not None]
    return logits.detach().float(), torch.cat(parts).float()
