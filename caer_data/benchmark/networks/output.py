"""The output of every model."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Output(NamedTuple):
    """Logits, attention and weights: N clips, K classes, T' time steps, h x w positions."""

    logits: Tensor
    """(N, K)."""
    attention: Tensor | None = None
    """Context attention (N, T', h, w), which sums to 1 over h, w (Eq. 3); T' is 1 for images."""
    weights: Tensor | None = None
    """Fusion weights (N, 2): lambda of face and of context, which sum to 1."""
