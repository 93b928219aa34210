"""Does bf16 compute what fp32 computes? Checked on real data before a run trusts it."""

from __future__ import annotations

import copy
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from caer_data.engine.errors import CaerError

WORST_LOGITS: Final = 0.1
"""Largest relative error of the logits: bf16 keeps 8 bits, one part in 256, through some ten
layers."""

WORST_GRADIENT: Final = 0.9
"""Smallest cosine between the two gradients: below it, steps go another way."""


def check_bf16(
    model: nn.Module, face: Tensor | None, context: Tensor | None, labels: Tensor
) -> dict[str, float]:
    """Compare one training step in bf16 with fp32 on a copy of the model.

    Returns:
        `logits_error`, relative, and `gradient_cosine`.

    Raises:
        CaerError: they differ by more than the limits.
    """
    gpus = [labels.device] if labels.is_cuda else []
    with torch.random.fork_rng(gpus):
        exact, exact_gradient = _step(model, face, context, labels, bf16=False)
        rough, rough_gradient = _step(model, face, context, labels, bf16=True)
    found = {
        "logits_error": float((rough - exact).norm() / exact.norm()),
        "gradient_cosine": float(F.cosine_similarity(rough_gradient, exact_gradient, dim=0)),
    }
    good = found["logits_error"] <= WORST_LOGITS and found["gradient_cosine"] >= WORST_GRADIENT
    if not good:
        raise CaerError(
            f"bf16 differs too much from fp32 here (logits by {found['logits_error']:.1%}, cosine "
            f"of the gradients {found['gradient_cosine']:.3f}); set compute.precision: fp32"
        )
    return found


def _step(
    model: nn.Module, face: Tensor | None, context: Tensor | None, labels: Tensor, bf16: bool
) -> tuple[Tensor, Tensor]:
    """Logits and all gradients in one vector, of a copy and always with the same dropout."""
    trial = copy.deepcopy(model).train()
    torch.manual_seed(0)
    # cuDNN else shortens fp32 convolutions to TF32, which is little better than bf16
    exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with exact, torch.autocast(labels.device.type, torch.bfloat16, enabled=bf16):
        logits = trial(face, context).logits
        F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
    parts = [p.grad.flatten() for p in trial.parameters() if p.grad is not None]
    return logits.detach().float(), torch.cat(parts).float()
