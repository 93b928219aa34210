"""Does bf16 compute what fp32 computes? Checked on real data before a run trusts it.

How far bf16 may be from fp32 depends on the model: a deep network at its first step answers a
change in the last digit of its input with other gradients altogether, in fp32 as well, and is none
the worse for it. So the limit is the model's own noise floor: how far fp32 is from itself when the
inputs move by 2^-9 of their size, which is what rounding them to bf16 does. bf16 rounds in every
layer and not only at the input, hence `FACTOR`: with bf16's rounding emulated in every layer, a
fresh ResNet-50 came 2.1 and 4.0 noise floors off in logits and gradients (cosine .13), ResNet-18
3.6 and 1.9. A gradient at a right angle or beyond is never trusted.
"""

from __future__ import annotations

import copy
import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Seen = tuple[Tensor | None, ...]
"""What a model is called with: face, context and perhaps sound."""

MOVED: Final = 2.0**-9
"""Half of the spacing of bf16's values, relative: it keeps 8 bits."""

FACTOR: Final = 8.0
"""How many noise floors bf16 may be away."""

GOOD_LOGITS: Final = 0.1
"""Relative error of the logits that is always acceptable."""

GOOD_GRADIENT: Final = 0.9
"""Cosine between two gradients above which steps go the same way."""


_NORMALISING: Final = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


def check_bf16(model: nn.Module, seen: Seen, labels: Tensor) -> dict[str, float]:
    """Compare one training step in bf16 with fp32, and fp32 with itself, on copies of the model.

    Args:
        model: stays unchanged.
        seen: what it is called with.
        labels: (N,) of the samples.

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
    """Whether bf16 is close to fp32, absolutely or by the model's own noise floor."""
    if not (math.isfinite(error) and math.isfinite(cosine)):
        return False
    if cosine <= 0:
        return False
    logits = error <= max(GOOD_LOGITS, FACTOR * floor_error)
    gradient = cosine >= GOOD_GRADIENT or _noise(cosine) <= FACTOR * _noise(floor_cosine)
    return logits and gradient


def sentence(found: dict[str, float]) -> str:
    """What the check found where bf16 is not trusted."""
    return (
        f"bf16 differs from fp32 by more than this model's own noise (logits by "
        f"{found['logits_error']:.1%}, noise {found['floor_logits_error']:.1%}; cosine of the "
        f"gradients {found['gradient_cosine']:.3f}, noise {found['floor_gradient_cosine']:.3f}): "
        "computed in fp32 instead"
    )


def _apart(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[float, float]:
    """Relative error of the logits and cosine of the gradients of two steps."""
    error = (one[0] - other[0]).norm() / other[0].norm()
    return float(error), float(F.cosine_similarity(one[1], other[1], dim=0))


def _noise(cosine: float) -> float:
    """Size of the noise in a gradient, relative to it, that turns it so far: a tangent."""
    return math.sqrt(max(0.0, 1 - cosine**2)) / cosine if cosine > 0 else math.inf


def _moved(x: Tensor | None) -> Tensor | None:
    """Every value up or down by `MOVED` of itself."""
    return None if x is None else x * (1 + MOVED * (torch.randint_like(x, 2) * 2 - 1))


def _step(model: nn.Module, seen: Seen, labels: Tensor, bf16: bool) -> tuple[Tensor, Tensor]:
    """Logits and all gradients in one vector, of a copy that draws nothing.

    On a GPU what one seed draws depends on the precision, so two steps with dropout could not be
    compared. Only layers that normalise by the batch do what they do in training.
    """
    trial = copy.deepcopy(model).eval()
    for part in trial.modules():
        if isinstance(part, _NORMALISING):
            part.train()
    torch.manual_seed(0)  # for a model that draws nevertheless
    # cuDNN else shortens fp32 convolutions to TF32, which is little better than bf16
    exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with exact, torch.autocast(labels.device.type, torch.bfloat16, enabled=bf16):
        logits = trial(*seen).logits
        F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
    parts = [p.grad.flatten() for p in trial.parameters() if p.grad is not None]
    return logits.detach().float(), torch.cat(parts).float()
