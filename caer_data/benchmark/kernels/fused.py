"""GPU kernels for what lies between convolutions: normalisation, ReLU, pooling.

PyTorch runs batch normalisation, ReLU and max-pooling as separate passes over the largest tensors
of a network, and its kernels for bf16 in `channels_last` are slow: on an H200, they took 159 of the
246 microseconds that the first layer of CAER-Net's context stream takes per training sample. The
kernels here read the output of a convolution twice forward and once backward. They are written in
Triton, which PyTorch's CUDA builds for Linux contain; `pooled_norm` decides where they are used.

Tensors are (N, C, T, H, W) or (N, C, H, W) in `channels_last`, so each position is a row of C
neighbouring values; C must be a power of two. Sums are computed in fp32.

Each function exists as an operator, too, which `torch.compile` takes into its graph. Outside it the
functions are called directly, since calling an operator keeps the host busy for longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

_VALUES = 2048  # values per block: rows times channels
_PROGRAMS = 1024  # programs that share a sum over all rows
_CHANNELS = 32  # channels whose parts of sums one program adds up


def norm_relu_pool(
    y: Tensor, gamma: Tensor, beta: Tensor, eps: float, pool: tuple[int, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return max_pool(relu(norm(y))), and the mean and (biased) variance of each channel.

    Only the output has a gradient; it includes that through mean and variance.

    Args:
        y: output of a convolution.
        gamma, beta: scale and shift of each channel, (C,), fp32.
        eps: added to the variance.
        pool: sizes of the windows, which do not overlap; incomplete windows are left out.
    """
    if torch.compiler.is_compiling():
        out, found, _, _ = _norm_relu_pool(y, gamma, beta, eps, list(pool))
    else:
        apply: Callable[..., tuple[Tensor, Tensor]] = _NormReluPool.apply
        out, found = apply(y, gamma, beta, eps, pool)
    return out, found[0], found[1]


def probe(device: torch.device) -> None:
    """Run a kernel on a little data, to see whether Triton works."""
    y = torch.zeros((1, 4, 1, 1), device=device).contiguous(memory_format=torch.channels_last)
    scale_relu_pool(y, torch.ones(4, device=device), torch.zeros(4, device=device), (1, 1))


def scale_relu_pool(y: Tensor, scale: Tensor, shift: Tensor, pool: tuple[int, ...]) -> Tensor:
    """Return max_pool(relu(scale * y + shift)), without a gradient; see `norm_relu_pool`."""
    line = torch.stack([scale, shift])
    if torch.compiler.is_compiling():
        out: Tensor = _scale_relu_pool(y, line, list(pool))
        return out
    return _pooled(y, line, pool, training=False)[0]


class _NormReluPool(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, y: Tensor, gamma: Tensor, beta: Tensor, eps: float, pool: tuple[int, ...]
    ) -> tuple[Tensor, Tensor]:
        out, found, best, places = _forward(y, gamma, beta, eps, pool)
        ctx.save_for_backward(y, found, best, places)
        ctx.pool = pool
        ctx.mark_non_differentiable(found)
        return out, found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        y, found, best, places = ctx.saved_tensors
        grad_y, others = _gradients(grad, y, found, best, places, ctx.pool)
        return grad_y, others[1], others[0], None, None


def _forward(
    y: Tensor, gamma: Tensor, beta: Tensor, eps: float, pool: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the output and what the gradient needs.

    Returns:
        The output; mean, variance, inverse deviation, scale and shift of each channel, (5, C) in
        fp32; y at the maximum of each window; and the place of the maximum in the window.
    """
    channels = y.shape[1]
    rows = y.numel() // channels
    parts, block = _parts(rows, channels, y.device)
    _moments_kernel[(len(parts),)](y, parts, rows, C=channels, ROWS=block)
    found = _five_lines(gamma)
    share = min(channels, _CHANNELS)
    _statistics_kernel[(channels // share,)](
        parts, gamma, beta, found, len(parts), rows, eps, C=channels, SHARE=share
    )
    out, best, places = _pooled(y, found[3:], pool, training=True)
    return out, found, best, places


def _gradients(
    grad: Tensor, y: Tensor, found: Tensor, best: Tensor, places: Tensor, pool: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return the gradients of y, and of beta and gamma as the first of four lines of C values."""
    channels = y.shape[1]
    grad = grad.contiguous(memory_format=_layout(y))
    windows = best.numel() // channels
    parts, block = _parts(windows, channels, y.device)
    _sums_kernel[(len(parts),)](grad, best, found, parts, windows, C=channels, ROWS=block)
    others = torch.empty((4, channels), dtype=torch.float32, device=y.device)
    share = min(channels, _CHANNELS)
    _slopes_kernel[(channels // share,)](
        parts, found, others, len(parts), y.numel() // channels, C=channels, SHARE=share
    )
    grad_y = torch.empty_like(y)
    size, window = _sizes(y), _window(pool)
    complete = [n // k for n, k in zip(size[1:], window, strict=True)]
    every = [triton.cdiv(n, k) for n, k in zip(size[1:], window, strict=True)]
    covered, rows = size[0] * math.prod(every), _rows(channels)
    _grad_kernel[(triton.cdiv(covered, rows),)](
        *(grad, y, best, places, found, others, grad_y, covered),
        *(*size[1:], *complete, *every, *window),
        C=channels,
        ROWS=rows,
    )
    return grad_y, others


def _pooled(
    y: Tensor, line: Tensor, pool: Sequence[int], training: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the output for scale and shift, (2, C); in training also y at maxima, and places."""
    size, window = _sizes(y), _window(pool)
    pooled = [n // k for n, k in zip(size[1:], window, strict=True)]
    out = _pooled_like(y, pool, y.dtype)
    best = _pooled_like(y, pool, y.dtype) if training else out
    places = _pooled_like(y, pool, torch.uint8) if training else out
    count, rows = size[0] * math.prod(pooled), _rows(y.shape[1])
    if count:
        _pool_kernel[(triton.cdiv(count, rows),)](
            *(y, line, out, best, places, count, *size[1:], *pooled, *window),
            C=y.shape[1],
            ROWS=rows,
            TRAINING=training,
        )
    return out, best, places


def _parts(rows: int, channels: int, device: torch.device) -> tuple[Tensor, int]:
    """Return space for two sums per channel of each program, and the rows of a block."""
    block = _rows(channels)
    programs = max(min(_PROGRAMS, triton.cdiv(rows, block)), 1)
    return torch.empty((programs, 2, channels), dtype=torch.float32, device=device), block


def _rows(channels: int) -> int:
    return max(_VALUES // channels, 1)


def _sizes(y: Tensor) -> list[int]:
    """Return N, T, H, W; pictures have one frame."""
    return [y.shape[0], *(1,) * (5 - y.dim()), *y.shape[2:]]


def _window(pool: Sequence[int]) -> list[int]:
    return [*(1,) * (3 - len(pool)), *pool]


def _five_lines(gamma: Tensor) -> Tensor:
    return torch.empty((5, len(gamma)), dtype=torch.float32, device=gamma.device)


def _pooled_like(y: Tensor, pool: Sequence[int], dtype: torch.dtype) -> Tensor:
    sizes = [n // k for n, k in zip(y.shape[2:], pool, strict=True)]
    shape = (y.shape[0], y.shape[1], *sizes)
    return torch.empty(shape, dtype=dtype, device=y.device, memory_format=_layout(y))


def _layout(y: Tensor) -> torch.memory_format:
    return torch.channels_last_3d if y.dim() == 5 else torch.channels_last


@torch.library.custom_op(
    "caer_data::norm_relu_pool",
    mutates_args=(),
    schema="(Tensor y, Tensor gamma, Tensor beta, float eps, int[] pool) -> "
    "(Tensor, Tensor, Tensor, Tensor)",
)
def _norm_relu_pool(
    y: Tensor, gamma: Tensor, beta: Tensor, eps: float, pool: list[int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _forward(y, gamma, beta, eps, pool)


@_norm_relu_pool.register_fake
def _(
    y: Tensor, gamma: Tensor, beta: Tensor, eps: float, pool: list[int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    out, best, places = (_pooled_like(y, pool, kind) for kind in (y.dtype, y.dtype, torch.uint8))
    return out, _five_lines(gamma), best, places


@torch.library.custom_op(
    "caer_data::norm_relu_pool_backward",
    mutates_args=(),
    schema="(Tensor grad, Tensor y, Tensor found, Tensor best, Tensor places, int[] pool) -> "
    "(Tensor, Tensor)",
)
def _norm_relu_pool_backward(
    grad: Tensor, y: Tensor, found: Tensor, best: Tensor, places: Tensor, pool: list[int]
) -> tuple[Tensor, Tensor]:
    return _gradients(grad, y, found, best, places, pool)


@_norm_relu_pool_backward.register_fake
def _(
    grad: Tensor, y: Tensor, found: Tensor, best: Tensor, places: Tensor, pool: list[int]
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(y), torch.empty_like(found[:4])


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.pool = inputs[-1]
    _, found, best, places = output
    ctx.save_for_backward(inputs[0], found, best, places)
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return None, None, None, None, None
    grad_y, others = _norm_relu_pool_backward(grad, *ctx.saved_tensors, ctx.pool)
    return grad_y, others[1], others[0], None, None


_norm_relu_pool.register_autograd(_backward, setup_context=_keep)


@torch.library.custom_op(
    "caer_data::scale_relu_pool",
    mutates_args=(),
    schema="(Tensor y, Tensor line, int[] pool) -> Tensor",
)
def _scale_relu_pool(y: Tensor, line: Tensor, pool: list[int]) -> Tensor:
    return _pooled(y, line, pool, training=False)[0]


@_scale_relu_pool.register_fake
def _(y: Tensor, line: Tensor, pool: list[int]) -> Tensor:
    return _pooled_like(y, pool, y.dtype)


# The kernels.


@triton.jit
def _moments_kernel(
    y: tl.tensor, parts: tl.tensor, rows: tl.tensor, C: tl.constexpr, ROWS: tl.constexpr
) -> None:
    """Sum the values and their squares of this program's share of the rows."""
    program = tl.program_id(0)
    channel = tl.arange(0, C)[None, :]
    total = tl.zeros((ROWS, C), tl.float32)
    squares = tl.zeros((ROWS, C), tl.float32)
    for start in range(program * ROWS, rows, tl.num_programs(0) * ROWS):
        row = start + tl.arange(0, ROWS)[:, None]
        value = tl.load(y + row.to(tl.int64) * C + channel, row < rows, 0.0).to(tl.float32)
        total += value
        squares += value * value
    target = parts + program * 2 * C + tl.arange(0, C)
    tl.store(target, tl.sum(total, 0))
    tl.store(target + C, tl.sum(squares, 0))


@triton.jit
def _statistics_kernel(
    parts: tl.tensor, gamma: tl.tensor, beta: tl.tensor, found: tl.tensor,
    programs: tl.tensor, rows: tl.tensor, eps: tl.tensor, C: tl.constexpr, SHARE: tl.constexpr,
) -> None:  # fmt: skip
    """Write mean, variance, inverse deviation, scale and shift of some channels."""
    channel = tl.program_id(0) * SHARE + tl.arange(0, SHARE)
    total = tl.zeros((SHARE,), tl.float32)
    squares = tl.zeros((SHARE,), tl.float32)
    for start in range(0, programs, 64):
        row = start + tl.arange(0, 64)[:, None]
        source = parts + row * 2 * C + channel[None, :]
        total += tl.sum(tl.load(source, row < programs, 0.0), 0)
        squares += tl.sum(tl.load(source + C, row < programs, 0.0), 0)
    mean = total / rows
    variance = tl.maximum(squares / rows - mean * mean, 0.0)
    variance = tl.where(mean != mean, mean, variance)  # noqa: PLR0124 - NaN stays NaN
    rstd = 1 / tl.sqrt(variance + eps)
    scale = tl.load(gamma + channel) * rstd
    tl.store(found + channel, mean)
    tl.store(found + C + channel, variance)
    tl.store(found + 2 * C + channel, rstd)
    tl.store(found + 3 * C + channel, scale)
    tl.store(found + 4 * C + channel, tl.load(beta + channel) - mean * scale)


@triton.jit
def _pool_kernel(
    y: tl.tensor, line: tl.tensor, out: tl.tensor, best: tl.tensor, places: tl.tensor,
    count: tl.tensor, T: tl.tensor, H: tl.tensor, W: tl.tensor,
    PT: tl.tensor, PH: tl.tensor, PW: tl.tensor,
    KT: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr,
    C: tl.constexpr, ROWS: tl.constexpr, TRAINING: tl.constexpr,
) -> None:  # fmt: skip
    """Find the maximum of each window, scale and shift it, and apply ReLU."""
    window = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    inside = window < count
    channel = tl.arange(0, C)[None, :]
    t, h, w = window // (PW * PH) % PT * KT, window // PW % PH * KH, window % PW * KW
    corner = ((window // (PW * PH * PT) * T + t) * H + h).to(tl.int64) * W + w
    factor = tl.load(line + channel)
    # where the scale is negative, the largest output comes from the smallest input
    sign = tl.where(factor < 0, -1.0, 1.0)
    top = tl.full((ROWS, C), float("-inf"), tl.float32)
    place = tl.zeros((ROWS, C), tl.int32)
    for k in tl.static_range(KT * KH * KW):
        row = corner + (k // (KH * KW) * H + k // KW % KH) * W + k % KW
        value = tl.load(y + row * C + channel, inside, 0.0).to(tl.float32) * sign
        # like PyTorch, a maximum of values and NaN is NaN
        better = (value > top) | (value != value)  # noqa: PLR0124
        top = tl.where(better, value, top)
        place = tl.where(better, k, place)
    value = top * sign
    normal = value * factor + tl.load(line + C + channel)
    target = window.to(tl.int64) * C + channel
    kind = out.dtype.element_ty
    tl.store(out + target, tl.where(normal < 0, 0.0, normal).to(kind), inside)
    if TRAINING:
        tl.store(best + target, value.to(kind), inside)
        tl.store(places + target, place.to(tl.uint8), inside)


@triton.jit
def _sums_kernel(
    grad: tl.tensor, best: tl.tensor, found: tl.tensor, parts: tl.tensor, rows: tl.tensor,
    C: tl.constexpr, ROWS: tl.constexpr,
) -> None:  # fmt: skip
    """Sum this program's share of the gradients behind ReLU, and of their products with y."""
    program = tl.program_id(0)
    channel = tl.arange(0, C)[None, :]
    factor, offset = tl.load(found + 3 * C + channel), tl.load(found + 4 * C + channel)
    total = tl.zeros((ROWS, C), tl.float32)
    products = tl.zeros((ROWS, C), tl.float32)
    for start in range(program * ROWS, rows, tl.num_programs(0) * ROWS):
        row = start + tl.arange(0, ROWS)[:, None]
        source, inside = row.to(tl.int64) * C + channel, row < rows
        value = tl.load(best + source, inside, 0.0).to(tl.float32)
        given = tl.load(grad + source, inside, 0.0).to(tl.float32)
        given = tl.where(value * factor + offset > 0, given, 0.0)
        total += given
        products += given * value
    target = parts + program * 2 * C + tl.arange(0, C)
    tl.store(target, tl.sum(total, 0))
    tl.store(target + C, tl.sum(products, 0))


@triton.jit
def _slopes_kernel(
    parts: tl.tensor, found: tl.tensor, others: tl.tensor, programs: tl.tensor, count: tl.tensor,
    C: tl.constexpr, SHARE: tl.constexpr,
) -> None:  # fmt: skip
    """Write the gradients of beta and gamma, and what each y adds to its own gradient.

    All values change the mean and the deviation, which adds a multiple of y and a constant:
    -scale / count (grad_beta + normalised y * grad_gamma).
    """
    channel = tl.program_id(0) * SHARE + tl.arange(0, SHARE)
    of_beta = tl.zeros((SHARE,), tl.float32)
    products = tl.zeros((SHARE,), tl.float32)
    for start in range(0, programs, 64):
        row = start + tl.arange(0, 64)[:, None]
        source = parts + row * 2 * C + channel[None, :]
        of_beta += tl.sum(tl.load(source, row < programs, 0.0), 0)
        products += tl.sum(tl.load(source + C, row < programs, 0.0), 0)
    mean, rstd = tl.load(found + channel), tl.load(found + 2 * C + channel)
    scale = tl.load(found + 3 * C + channel)
    of_gamma = rstd * (products - mean * of_beta)
    slope = -scale * rstd * of_gamma / count
    tl.store(others + channel, of_beta)
    tl.store(others + C + channel, of_gamma)
    tl.store(others + 2 * C + channel, slope)
    tl.store(others + 3 * C + channel, -scale * of_beta / count - slope * mean)


@triton.jit
def _grad_kernel(
    grad: tl.tensor, y: tl.tensor, best: tl.tensor, places: tl.tensor, found: tl.tensor,
    others: tl.tensor, grad_y: tl.tensor, count: tl.tensor,
    T: tl.tensor, H: tl.tensor, W: tl.tensor, PT: tl.tensor, PH: tl.tensor, PW: tl.tensor,
    AT: tl.tensor, AH: tl.tensor, AW: tl.tensor,
    KT: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr,
) -> None:  # fmt: skip
    """Write the gradient of y: of maxima through their windows, and of all values through moments.

    Windows include the incomplete ones at the edges, whose values only change the moments.
    """
    window = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    channel = tl.arange(0, C)[None, :]
    clip, t = window // (AW * AH * AT), window // (AW * AH) % AT
    h, w = window // AW % AH, window % AW
    complete = (window < count) & (t < PT) & (h < PH) & (w < PW)
    source = (((clip * PT + t) * PH + h) * PW + w).to(tl.int64) * C + channel
    factor, shift = tl.load(found + 3 * C + channel), tl.load(found + 4 * C + channel)
    value = tl.load(best + source, complete, 0.0).to(tl.float32)
    given = tl.load(grad + source, complete, 0.0).to(tl.float32)
    place = tl.load(places + source, complete, 255).to(tl.int32)  # 255: an incomplete window
    given = tl.where(value * factor + shift > 0, given, 0.0) * factor
    of_each, of_all = tl.load(others + 2 * C + channel), tl.load(others + 3 * C + channel)
    for k in tl.static_range(KT * KH * KW):
        at, ah, aw = t * KT + k // (KH * KW), h * KH + k // KW % KH, w * KW + k % KW
        inside = (window < count) & (at < T) & (ah < H) & (aw < W)
        target = (((clip * T + at) * H + ah).to(tl.int64) * W + aw) * C + channel
        value = tl.load(y + target, inside, 0.0).to(tl.float32) * of_each + of_all
        value += tl.where(place == k, given, 0.0)
        tl.store(grad_y + target, value.to(grad_y.dtype.element_ty), inside)
