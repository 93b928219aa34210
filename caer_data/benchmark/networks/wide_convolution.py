"""Convolutions of few channels as equal ones of more channels, for which GPUs are faster.

A GPU multiplies matrices in tiles of 64 or 128 rows and columns, and the columns of a convolution
are its output channels. If there are few, most of a tile is empty, and each input value is read for
few products. One wider convolution that computes several neighbouring outputs at once fills the
tile:

- Pictures (3 colours): the four pixels of a block of 2 x 2 depend on 4 x 4 pixels, which are 2 x 2
  blocks if the blocks of the input begin one pixel before those of the output. The result is a
  convolution of size 2 with four times as many output channels. For clips, the colours of three
  frames are its input, so that it is two-dimensional.
- Later layers of clips, if they have at most 32 input channels: two frames depend on four. The
  result is a two-dimensional convolution of four frames' channels to those of two.

Its weights are zero where an output does not depend on an input, which makes a quarter to two
thirds of the products useless. Still, on an H200, the first convolution takes a third of the time,
and the second 60 %. The pixels of a block and the frames of a pair belong to the same window of the
pooling that follows, so the output is not brought back into order: it is viewed as a tensor with
other windows that contain the same values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from caer_data.benchmark import kernels

_FEW = 32
"""Number of input channels up to which pairs of frames are faster."""
_PIXEL = {1: 4, 3: 16}
"""Number of channels of a pixel in a block by its number of frames, of three colours each."""


class Convolved(NamedTuple):
    """The output of a convolution, possibly in another order.

    Attributes:
        y: (N', C, ...), in `channels_last`.
        windows: windows of the pooling, as dimensions of y.
        shape: usual shape of the pooled output; the values of the pooled y are in its order.
    """

    y: Tensor
    windows: tuple[int, ...]
    shape: tuple[int, ...]

    def restored(self, pooled: Tensor) -> Tensor:
        """Return the pooled y in its usual shape."""
        if pooled.shape == self.shape:
            return pooled
        count, channels, *sizes = self.shape
        return pooled.movedim(1, -1).reshape(count, *sizes, channels).movedim(-1, 1)


def convolve(conv: nn.Conv2d | nn.Conv3d, x: Tensor, pool: tuple[int, ...]) -> Convolved:
    """Return conv(x), to be pooled with windows `pool`."""
    if conv.bias is None and set(conv.kernel_size) == {3} and _is_padded(conv):
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        if _are_pictures(x, pool):
            return _of_pictures(conv.weight, x)
        if _are_few(x, pool):
            return _of_frames(conv.weight, x, pool)
    y = conv(x)
    layout = torch.channels_last_3d if y.dim() == 5 else torch.channels_last
    sizes = (n // k for n, k in zip(y.shape[2:], pool, strict=True))
    return Convolved(y.contiguous(memory_format=layout), pool, (*y.shape[:2], *sizes))


def _is_padded(conv: nn.Conv2d | nn.Conv3d) -> bool:
    ones = {*conv.padding, *conv.stride, *conv.dilation, conv.groups}
    return ones == {1} and conv.padding_mode == "zeros"


def _are_pictures(x: Tensor, pool: tuple[int, ...]) -> bool:
    even = x.shape[-2] % 2 == 0 and x.shape[-1] % 2 == 0
    return x.shape[1] == 3 and not x.requires_grad and pool[-3:] in ((2, 2), (1, 2, 2)) and even


def _are_few(x: Tensor, pool: tuple[int, ...]) -> bool:
    channels = x.shape[1]
    power = channels & (channels - 1) == 0
    return x.dim() == 5 and pool[0] == 2 and x.shape[2] % 2 == 0 and channels <= _FEW and power


def _of_pictures(weight: Tensor, x: Tensor) -> Convolved:
    """Convolve (N, 3, H, W) or (N, 3, T, H, W) in blocks of 2 x 2 pixels."""
    clips, channels = x.dim() == 5, weight.shape[0]
    frames = 3 if clips else 1
    blocks = kernels.REARRANGED.blocks_of_pixels(
        x if clips else x.unsqueeze(2), frames, _PIXEL[frames]
    )
    y = F.conv2d(blocks, _widened(weight, _in_blocks))  # (N T, 4 C, H / 2, W / 2)
    height, width = y.shape[-2:]
    pixels = y.permute(0, 2, 3, 1).reshape(len(y), height, width, 4, channels)
    time = (x.shape[2],) if clips else ()
    return Convolved(pixels.movedim(-1, 1), (1, 1, 4), (len(x), channels, *time, height, width))


def _of_frames(weight: Tensor, x: Tensor, pool: tuple[int, ...]) -> Convolved:
    """Convolve (N, C, T, H, W) in pairs of frames."""
    channels = weight.shape[0]
    y = F.conv2d(kernels.REARRANGED.pairs_of_frames(x), _widened(weight, _in_pairs), padding=1)
    height, width = y.shape[-2:]
    frames = y.permute(0, 2, 3, 1).reshape(len(y), height, width, 2, channels)
    shape = (len(x), channels, x.shape[2] // 2, height // pool[1], width // pool[2])
    return Convolved(frames.movedim(-1, 1), (pool[1], pool[2], 2), shape)


def _widened(weight: Tensor, order: Callable[[Tensor], Tensor]) -> Tensor:
    """Return order(weight), outside compiled graphs by a single operation instead of about ten.

    Each weight is copied to several places, which is a product with a matrix of zeros and ones.
    Where the convolution's own products are in bf16 or TF32, the weights are rounded here already.
    """
    if torch.compiler.is_compiling():
        return order(weight)
    places, shape = _places(order, weight.shape[1:], weight.device)
    wide = (weight.flatten(1) @ places.to(weight.dtype)).view(len(weight), shape[0], -1)
    return wide.transpose(0, 1).reshape(-1, *shape[1:])


@cache
def _places(
    order: Callable[[Tensor], Tensor], shape: torch.Size, device: torch.device
) -> tuple[Tensor, tuple[int, ...]]:
    """Return where `order` puts the weights of an output channel: (weights, outputs x places).

    Also returns the shape of an output channel's weights in that order: (outputs, ...).
    """
    with torch.inference_mode(False), torch.no_grad():  # as it may be used in training, too
        single = torch.eye(shape.numel(), device=device).view(-1, *shape)
        placed = order(single)  # (outputs x weights, ...)
        outputs = len(placed) // len(single)
        places = placed.view(outputs, len(single), -1).transpose(0, 1).flatten(1)
        return places.contiguous(), (outputs, *placed.shape[1:])


def _in_blocks(weight: Tensor) -> Tensor:
    """Return (C, 3, 3, 3, 3) or (C, 3, 3, 3) as (4 C, channels of a block, 2, 2)."""
    frames = 3 if weight.dim() == 5 else 1
    if frames == 3:
        weight = weight.transpose(1, 2).flatten(1, 2)  # (C, frames and colours, 3, 3)
    pixel = _PIXEL[frames]
    weight = F.pad(weight, (0, 0, 0, 0, 0, pixel - weight.shape[1]))
    weight = _for_two(_for_two(weight, -2), -1)  # (columns, rows, C, pixel, 4, 4)
    weight = weight.unflatten(-1, (2, 2)).unflatten(-3, (2, 2))  # type: ignore[no-untyped-call]
    # (columns, rows, C, pixel, block above or below, row in it, block left or right, column in it)
    return weight.permute(1, 0, 2, 5, 7, 3, 4, 6).reshape(-1, 4 * pixel, 2, 2)


def _in_pairs(weight: Tensor) -> Tensor:
    """Return (C, channels, 3, 3, 3) as (2 C, 4 channels, 3, 3)."""
    weight = _for_two(weight, 2)  # (frames out, C, channels, frames in, 3, 3)
    return weight.transpose(2, 3).flatten(2, 3).flatten(0, 1)


def _for_two(weight: Tensor, dim: int) -> Tensor:
    """Return the weights of two neighbouring outputs for the four inputs on which they depend.

    Args:
        weight: of size 3 in `dim`; it becomes 4.

    Returns:
        (2, ...).
    """
    behind = [0, 0] * (weight.dim() - 1 - dim % weight.dim())
    return torch.stack([F.pad(weight, (*behind, 0, 1)), F.pad(weight, (*behind, 1, 0))])
