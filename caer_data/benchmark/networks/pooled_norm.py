"""Batch normalisation, ReLU and max-pooling after a convolution, in one of two orders.

The plain order is normalisation, ReLU, pooling. If the scale gamma of the normalisation is
positive, both normalisation and ReLU are monotonic, so the maximum of a pooling window is at the
same place before and after them. Pooling can then come first, and normalisation and ReLU process
only an eighth of the values. Only the statistics still need all values. If gamma is negative, the
minimum would be chosen. Inverting the signs of that convolution channel and of gamma makes gamma
positive without changing the output, so pooling first works for every gamma. Outputs, gradients and
running statistics of both orders are equal (up to rounding; if values in a window are tied, either
may get the gradient).

In testing, the normalisation is part of the convolution (`_folded`).

On a GPU, `kernels.fused` does the same in two passes forward and one backward, after convolutions
that `wide_convolution` computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from caer_data.benchmark import kernels
from caer_data.benchmark.networks import wide_convolution

# Outside compiled graphs, the kernels are used for outputs of at least so many values. The host
# needs longer to start them than PyTorch's, which costs more than they save for smaller outputs.
_MIN_VALUES = 1 << 26
_times: ContextVar[float] = ContextVar("times", default=1.0)


@contextmanager
def as_if_larger(times: float) -> Iterator[None]:
    """Use the kernels as for a batch so many times as large, to check some of its samples."""
    token = _times.set(times)
    try:
        yield
    finally:
        _times.reset(token)


def norm_relu_pool(
    conv: nn.Conv2d | nn.Conv3d,
    norm: nn.BatchNorm2d | nn.BatchNorm3d,
    x: Tensor,
    pool: tuple[int, ...],
    pool_first: bool | Literal["auto"],
    as_maximum: bool = False,
    fused: bool = False,
) -> Tensor:
    """Return max_pool(relu(norm(conv(x)))) with windows and strides `pool` (ones: no pooling).

    Args:
        conv: the convolution.
        norm: the normalisation of its output.
        x: input of the convolution.
        pool: windows of the pooling.
        pool_first: pool before normalisation and ReLU; `auto`: on CPUs.
        as_maximum: pool with `maximum`.
        fused: use the fused kernels where they apply: on a GPU with Triton, in the plain order, for
            as many channels as a power of two and large outputs.
    """
    testing = not (norm.training or torch.is_grad_enabled())
    plain = pool_first is not True and not as_maximum
    if fused and plain and _has_kernels(conv, x) and (norm.training or testing):
        return _fused(conv, norm, x, pool)
    if pool_first == "auto":
        pool_first = x.is_cpu and not as_maximum
    if testing:
        return _folded(conv, norm, x, pool, as_maximum)
    if max(pool) == 1 or not pool_first:
        y = torch.relu_(norm(conv(x)))
        if max(pool) > 1:
            y = maximum(y, pool) if as_maximum else _max_pool(y, pool)
        return y
    sign = torch.where(norm.weight < 0, -1.0, 1.0).to(norm.weight.dtype)
    convolve = F.conv3d if len(pool) == 3 else F.conv2d
    y = convolve(
        x,
        conv.weight * sign.view(-1, *(1,) * (conv.weight.dim() - 1)),
        None if conv.bias is None else conv.bias * sign,
        padding=conv.padding,
    )
    gamma = norm.weight * sign  # never negative
    if not norm.training:
        assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101
        scale = gamma * torch.rsqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * sign * scale
        pooled = _max_pool(y, pool)
        return torch.relu(pooled * _wide(scale, y) + _wide(shift, y)).to(y.dtype)
    apply: Callable[..., tuple[Tensor, Tensor, Tensor]] = _PoolNormRelu.apply
    out, mean, variance = apply(y, gamma, norm.bias, norm.eps, pool)
    _update_running(norm, mean * sign, variance, count=y.numel() // y.shape[1])
    return out


def _has_kernels(conv: nn.Conv2d | nn.Conv3d, x: Tensor) -> bool:
    channels = conv.out_channels
    possible = conv.weight.dtype == torch.float32 and channels & (channels - 1) == 0
    if kernels.FUSED is None or not (x.is_cuda and possible):
        return False
    if torch.compiler.is_compiling():  # which needs Triton and a C compiler anyway
        return True
    values = x.numel() // x.shape[1] * channels * _times.get()
    return values >= _MIN_VALUES and kernels.run_on(x.device)


def _fused(
    conv: nn.Conv2d | nn.Conv3d,
    norm: nn.BatchNorm2d | nn.BatchNorm3d,
    x: Tensor,
    pool: tuple[int, ...],
) -> Tensor:
    found = wide_convolution.convolve(conv, x, pool)
    gamma, beta = norm.weight.float(), norm.bias.float()
    if norm.training:
        out, mean, variance = kernels.FUSED.norm_relu_pool(
            found.y, gamma, beta, norm.eps, found.windows
        )
        _update_running(norm, mean, variance, count=found.y.numel() // found.y.shape[1])
        return found.restored(out)
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101
    scale = gamma * torch.rsqrt(norm.running_var + norm.eps)
    shift = beta - norm.running_mean * scale
    return found.restored(kernels.FUSED.scale_relu_pool(found.y, scale, shift, found.windows))


def _folded(
    conv: nn.Conv2d | nn.Conv3d,
    norm: nn.BatchNorm2d | nn.BatchNorm3d,
    x: Tensor,
    pool: tuple[int, ...],
    as_maximum: bool,
) -> Tensor:
    """Return the same for testing, with the normalisation folded into the convolution's weights.

    ReLU keeps the order of values, so it can be computed after pooling.
    """
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    convolve = F.conv3d if len(pool) == 3 else F.conv2d
    y = convolve(
        x,
        conv.weight * scale.view(-1, *(1,) * (conv.weight.dim() - 1)),
        shift if conv.bias is None else shift + conv.bias * scale,
        padding=conv.padding,
    )
    if max(pool) > 1:
        y = maximum(y, pool) if as_maximum else _max_pool(y, pool)
    return torch.relu_(y)


def maximum(y: Tensor, pool: tuple[int, ...]) -> Tensor:
    """Return max-pooling as a maximum over windows, which the compiler fuses with its neighbours.

    Inductor has no kernel of its own for `max_pool3d`. If several values of a window are the
    maximum, they share the gradient. Incomplete windows are ignored, as in max-pooling.
    """
    for dim, size in reversed(list(enumerate(pool, start=2))):
        y = y.narrow(dim, 0, y.shape[dim] // size * size)
        y = y.unflatten(dim, (-1, size))  # type: ignore[no-untyped-call]
    return y.amax([3 + 2 * i for i in range(len(pool))])


class _PoolNormRelu(torch.autograd.Function):
    """relu(norm(max_pool(y))) with the statistics of all of y; gamma must not be negative.

    For the gradient, it saves y, its pooled values, their indices and the result (which the next
    convolution saves, too). The plain order would save y, the normalised y and the indices.
    """

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, gamma: Tensor, beta: Tensor, eps: float, pool: tuple[int, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance = _moments(y)
        rstd = torch.rsqrt(variance + eps)
        scale = gamma * rstd
        pooled, places = _max_pool_with_places(y, pool)
        shift = beta - mean * scale
        out = torch.addcmul(_wide(shift, y), pooled, _wide(scale, y)).relu_().to(y.dtype)
        ctx.save_for_backward(y, pooled, places, out, gamma, mean, rstd)
        ctx.pool = pool
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        y, pooled, places, out, gamma, mean, rstd = ctx.saved_tensors
        grad = torch.ops.aten.threshold_backward(grad, out, 0)  # of ReLU
        # only the gradients of gamma and beta, whose sums are over the pooled values
        _, grad_gamma, grad_beta = torch.ops.aten.native_batch_norm_backward(
            grad, pooled, gamma, None, None, mean, rstd, True, 0.0, [False, True, True]
        )
        scale = gamma * rstd
        grad_y = _max_unpool((grad * _wide(scale, y)).to(y.dtype), y, ctx.pool, places)
        # every value affects the mean and the deviation: - scale / M (grad_beta + y_hat grad_gamma)
        count = y.numel() // y.shape[1]
        slope = -scale * rstd * grad_gamma / count
        offset = -scale * grad_beta / count - slope * mean
        grad_y.addcmul_(y, _wide(slope, y).to(y.dtype)).add_(_wide(offset, y).to(y.dtype))
        return grad_y, grad_gamma, grad_beta, None, None


def _moments(y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and (biased) variance of each channel, in single precision or better."""
    others = _all_but_channels(y)
    if y.dtype in (torch.float32, torch.float64):
        if y.is_cpu and not torch.compiler.is_compiling():
            # as BatchNorm computes them; `var_mean` takes ten times as long on channels_last
            return torch.batch_norm_update_stats(y, None, None, 0.0)
        variance, mean = torch.var_mean(y, others, correction=0)
        return mean, variance
    mean = y.mean(others, dtype=torch.float32)
    norm = torch.linalg.vector_norm(y, dim=others, dtype=torch.float32)
    return mean, (norm.square() * (y.shape[1] / y.numel()) - mean.square()).clamp_min(0)


def _update_running(
    norm: nn.BatchNorm2d | nn.BatchNorm3d, mean: Tensor, variance: Tensor, count: int
) -> None:
    """Update running statistics like torch's BatchNorm, with Bessel's correction."""
    with torch.no_grad():
        assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101
        assert norm.num_batches_tracked is not None and norm.momentum is not None  # noqa: S101
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)


def _all_but_channels(y: Tensor) -> list[int]:
    return [d for d in range(y.dim()) if d != 1]


def _wide(v: Tensor, y: Tensor) -> Tensor:
    """Return (C,) as (1, C, 1, 1, 1), to be broadcast with y."""
    return v.view(1, -1, *(1,) * (y.dim() - 2))


def _max_pool(y: Tensor, pool: tuple[int, ...]) -> Tensor:
    return F.max_pool3d(y, pool) if len(pool) == 3 else F.max_pool2d(y, pool)


def _max_pool_with_places(y: Tensor, pool: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    if len(pool) == 3:
        return torch.ops.aten.max_pool3d_with_indices(y, pool, pool)  # type: ignore[no-any-return]
    return torch.ops.aten.max_pool2d_with_indices(y, pool, pool)  # type: ignore[no-any-return]


def _max_unpool(grad: Tensor, y: Tensor, pool: tuple[int, ...], places: Tensor) -> Tensor:
    """Return the gradient of max-pooling: each value at the index of its maximum, else zero."""
    none, one = [0] * len(pool), [1] * len(pool)
    backward = (
        torch.ops.aten.max_pool3d_with_indices_backward
        if len(pool) == 3
        else torch.ops.aten.max_pool2d_with_indices_backward
    )
    return backward(grad, y, pool, pool, none, one, False, places)  # type: ignore[no-any-return]
