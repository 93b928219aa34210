"""GPU kernels that rearrange the input of a convolution of few channels (`wide_convolution`).

The values of neighbouring positions are copied side by side, and zeros where there is no neighbour.
Each function exists as an operator, too, which `torch.compile` takes into its graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

_VALUES = 2048  # values per block: rows times channels


def blocks_of_pixels(x: Tensor, frames: int, channels: int) -> Tensor:
    """Return blocks of 2 x 2 pixels, the first of which begins above and left of the picture.

    Block (i, j) contains rows 2i - 1 and 2i and columns 2j - 1 and 2j. It has no gradient.

    Args:
        x: pictures, (N, 3, T, H, W) of even height and width, with any strides.
        frames: 3 to include the frames before and after; 1 for the frame alone.
        channels: channels per pixel of the result, a power of two: colours of the first frame, then
            of the next, and then zeros.

    Returns:
        (N T, 4 channels, H / 2 + 1, W / 2 + 1), `channels_last`; the channels are those of the
        pixels from left to right and from top to bottom.
    """
    if torch.compiler.is_compiling():
        blocks: Tensor = _blocks_operator(x, frames, channels)
        return blocks
    return _blocks(x, frames, channels)


def probe(device: torch.device) -> None:
    """Run each kernel on a little data, to see whether Triton works."""
    _blocks(torch.zeros((1, 3, 1, 2, 2), device=device), 1, 4)
    _frames(_pairs(torch.zeros((1, 4, 2, 1, 1), device=device)), 2)


def pairs_of_frames(x: Tensor) -> Tensor:
    """Return pairs of frames between their neighbours: frames 2i - 1 to 2i + 2 for pair i.

    Args:
        x: (N, C, T, H, W) in `channels_last_3d`, T even, C a power of two.

    Returns:
        (N T / 2, 4 C, H, W) in `channels_last`; the channels are those of the first frame, then of
        the next.
    """
    apply: Callable[..., Tensor] = (
        _pairs_operator if torch.compiler.is_compiling() else _Pairs.apply
    )
    return apply(x)


class _Pairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.time = x.shape[2]
        return _pairs(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _frames(grad, ctx.time)


def _blocks(x: Tensor, frames: int, channels: int) -> Tensor:
    _, colours, time, height, width = x.shape
    out = _blocks_like(x, channels)
    rows = out.numel() // out.shape[1]
    block = max(_VALUES // out.shape[1], 1)
    _blocks_kernel[(triton.cdiv(rows, block),)](
        *(x, out, rows, time, height, width, *x.stride()),
        COLOURS=colours,
        FRAMES=frames,
        C=channels,
        ROWS=block,
    )
    return out


def _pairs(x: Tensor) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last_3d)
    out = _pairs_like(x)
    _, channels, time, height, width = x.shape
    rows = out.numel() // out.shape[1]
    block = max(_VALUES // channels, 1)
    _pairs_kernel[(triton.cdiv(rows, block),)](
        x, out, rows, time, height * width, C=channels, ROWS=block
    )
    return out


def _frames(grad: Tensor, time: int) -> Tensor:
    """Return the gradient of x in `pairs_of_frames`."""
    grad = grad.contiguous(memory_format=torch.channels_last)
    out = _frames_like(grad, time)
    rows, channels = out.numel() // out.shape[1], out.shape[1]
    block = max(_VALUES // channels, 1)
    _frames_kernel[(triton.cdiv(rows, block),)](
        grad, out, rows, time, grad.shape[2] * grad.shape[3], C=channels, ROWS=block
    )
    return out


def _blocks_like(x: Tensor, channels: int) -> Tensor:
    count, _, time, height, width = x.shape
    shape = (count * time, 4 * channels, height // 2 + 1, width // 2 + 1)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def _pairs_like(x: Tensor) -> Tensor:
    count, channels, time, height, width = x.shape
    shape = (count * (time // 2), 4 * channels, height, width)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def _frames_like(grad: Tensor, time: int) -> Tensor:
    pairs, channels, height, width = grad.shape
    shape = (pairs * 2 // time, channels // 4, time, height, width)
    layout = torch.channels_last_3d
    return torch.empty(shape, dtype=grad.dtype, device=grad.device, memory_format=layout)


@torch.library.custom_op(
    "caer_data::blocks_of_pixels",
    mutates_args=(),
    schema="(Tensor x, int frames, int channels) -> Tensor",
)
def _blocks_operator(x: Tensor, frames: int, channels: int) -> Tensor:
    return _blocks(x, frames, channels)


@_blocks_operator.register_fake
def _(x: Tensor, frames: int, channels: int) -> Tensor:
    return _blocks_like(x, channels)


@torch.library.custom_op(
    "caer_data::pairs_of_frames", mutates_args=(), schema="(Tensor x) -> Tensor"
)
def _pairs_operator(x: Tensor) -> Tensor:
    return _pairs(x)


@_pairs_operator.register_fake
def _(x: Tensor) -> Tensor:
    return _pairs_like(x)


@torch.library.custom_op(
    "caer_data::pairs_of_frames_backward",
    mutates_args=(),
    schema="(Tensor grad, int time) -> Tensor",
)
def _frames_operator(grad: Tensor, time: int) -> Tensor:
    return _frames(grad, time)


@_frames_operator.register_fake
def _(grad: Tensor, time: int) -> Tensor:
    return _frames_like(grad, time)


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.time = inputs[0].shape[2]


def _backward(ctx: Any, grad: Tensor) -> Tensor:
    frames: Tensor = _frames_operator(grad, ctx.time)
    return frames


_pairs_operator.register_autograd(_backward, setup_context=_keep)


# The kernels. A row is one position with its channels.


@triton.jit
def _blocks_kernel(
    x: tl.tensor, out: tl.tensor, rows: tl.tensor, T: tl.tensor, H: tl.tensor, W: tl.tensor,
    of_clip: tl.tensor, of_colour: tl.tensor, of_time: tl.tensor, of_height: tl.tensor,
    of_width: tl.tensor,
    COLOURS: tl.constexpr, FRAMES: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr,
) -> None:  # fmt: skip
    """Copy the colours of 2 x 2 pixels, with those of neighbouring frames, side by side."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    channel = tl.arange(0, 4 * C)[None, :]
    high, wide = H // 2 + 1, W // 2 + 1
    pixel, which = channel // C, channel % C
    w = row % wide * 2 - 1 + pixel % 2
    h = row // wide % high * 2 - 1 + pixel // 2
    frame = row // (wide * high)
    time = frame % T + which // COLOURS - FRAMES // 2
    inside = (row < rows) & (which < FRAMES * COLOURS) & (time >= 0) & (time < T)
    inside = inside & (h >= 0) & (h < H) & (w >= 0) & (w < W)
    source = (frame // T).to(tl.int64) * of_clip + time.to(tl.int64) * of_time
    source += which % COLOURS * of_colour + h * of_height + w * of_width
    value = tl.load(x + source, inside, 0.0)
    tl.store(out + row.to(tl.int64) * 4 * C + channel, value, row < rows)


@triton.jit
def _pairs_kernel(
    x: tl.tensor, out: tl.tensor, rows: tl.tensor, T: tl.tensor, positions: tl.tensor,
    C: tl.constexpr, ROWS: tl.constexpr,
) -> None:  # fmt: skip
    """Copy the values of a pair of frames and of their neighbours side by side."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    channel = tl.arange(0, C)[None, :]
    pair, position = row // positions, row % positions
    clip, first = pair // (T // 2), pair % (T // 2) * 2 - 1
    for k in tl.static_range(4):
        time = first + k
        source = ((clip * T + time).to(tl.int64) * positions + position) * C + channel
        value = tl.load(x + source, (row < rows) & (time >= 0) & (time < T), 0.0)
        tl.store(out + (row.to(tl.int64) * 4 + k) * C + channel, value, row < rows)


@triton.jit
def _frames_kernel(
    grad: tl.tensor, out: tl.tensor, rows: tl.tensor, T: tl.tensor, positions: tl.tensor,
    C: tl.constexpr, ROWS: tl.constexpr,
) -> None:  # fmt: skip
    """Add up the two copies of each frame: in its own pair, and as a neighbour of another pair."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    channel = tl.arange(0, C)[None, :]
    frame, position = row // positions, row % positions
    clip, time = frame // T, frame % T
    late = time % 2  # the second frame of its pair, and the first neighbour of the next
    own, other = time // 2, time // 2 - 1 + 2 * late
    of_clip = (clip * (T // 2)).to(tl.int64)
    source = (((of_clip + own) * positions + position) * 4 + 1 + late) * C + channel
    total = tl.load(grad + source, row < rows, 0.0).to(tl.float32)
    source = (((of_clip + other) * positions + position) * 4 + 3 - 3 * late) * C + channel
    inside = (row < rows) & (other >= 0) & (other < T // 2)
    total += tl.load(grad + source, inside, 0.0).to(tl.float32)
    tl.store(out + row.to(tl.int64) * C + channel, total.to(out.dtype.element_ty), row < rows)
