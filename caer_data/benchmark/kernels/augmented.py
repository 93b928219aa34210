"""GPU kernel that crops, flips, colours and normalises stored frames, and hides faces in them.

PyTorch does the same in about 40 operations, some of which read and write all pixels in fp32.
`data.augment` computes everything that is not done per pixel.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_PIXELS = 512  # per block


def probe(device: torch.device) -> None:
    """Run the kernel on a pixel, to see whether Triton works."""
    frames = torch.zeros((1, 1, 1, 1, 3), dtype=torch.uint8, device=device)
    colours, still = (
        torch.zeros((1, 3), device=device),
        torch.zeros(1, dtype=torch.bool, device=device),
    )
    corner = torch.zeros(1, dtype=torch.int64, device=device)
    edges = torch.zeros((1, 1, 1, 4), device=device)
    factors = colours, colours
    pixels(frames, (corner, corner), (1, 1), still, factors, edges, colours[0], torch.float32)


def pixels(
    frames: Tensor,
    corner: tuple[Tensor, Tensor] | None,
    size: tuple[int, int],
    flip: Tensor,
    factors: tuple[Tensor, Tensor],
    edges: Tensor | None,
    fill: Tensor,
    dtype: torch.dtype,
) -> Tensor:
    """Return frames cropped, flipped and multiplied, with `fill` in the place of faces.

    Args:
        frames: (N, T, H, W, 3) uint8.
        corner: top and left edge of each clip's crop, (N,) int64; None if nothing is cropped.
        size: height and width of the result.
        flip: which clips are flipped, (N,) bool.
        factors: scale and shift of each clip's colours, (N, 3) fp32.
        edges: left, right, top and bottom edges of each frame's faces, (N, T, faces, 4) fp32, in
            pixels of `frames`; a pixel is hidden if it lies between them, if only in part. None if
            nothing is hidden.
        fill: colour of hidden pixels, (3,) fp32.
        dtype: type of the result.

    Returns:
        (N, T, height, width, 3).
    """
    count, time, height, width, _ = frames.shape
    frames, flip = frames.contiguous(), flip.contiguous()
    scale, shift = (x.contiguous() for x in factors)
    out = torch.empty((count, time, *size, 3), dtype=dtype, device=frames.device)
    faces = 0 if edges is None else edges.shape[2]
    nothing = fill  # never read
    top, left = corner or (nothing, nothing)
    rows = out.numel() // 3
    if rows:
        _pixels_kernel[(triton.cdiv(rows, _PIXELS),)](
            *(frames, out, top, left, flip, scale, shift, fill),
            nothing if edges is None else edges.contiguous(),
            *(rows, time, height, width, *size),
            CROPPED=corner is not None,
            FACES=faces,
            ROWS=_PIXELS,
        )
    return out


@triton.jit
def _pixels_kernel(
    frames: tl.tensor, out: tl.tensor, top: tl.tensor, left: tl.tensor, flip: tl.tensor,
    scale: tl.tensor, shift: tl.tensor, fill: tl.tensor, edges: tl.tensor,
    rows: tl.tensor, T: tl.tensor, H: tl.tensor, W: tl.tensor, height: tl.tensor, width: tl.tensor,
    CROPPED: tl.constexpr, FACES: tl.constexpr, ROWS: tl.constexpr,
) -> None:  # fmt: skip
    """Write some pixels of the result."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    inside = row < rows
    colour = tl.arange(0, 4)[None, :]  # the fourth is not stored
    x, y, frame = row % width, row // width % height, row // (width * height)
    clip = frame // T
    x = tl.where(tl.load(flip + clip, inside, 0) != 0, width - 1 - x, x)
    if CROPPED:
        x += tl.load(left + clip, inside, 0).to(tl.int32)
        y += tl.load(top + clip, inside, 0).to(tl.int32)
    stored = inside & (colour < 3)
    source = ((frame * H + y).to(tl.int64) * W + x) * 3 + colour
    value = tl.load(frames + source, stored, 0).to(tl.float32)
    factor = tl.load(scale + clip * 3 + colour, stored, 0.0)
    value = value * factor + tl.load(shift + clip * 3 + colour, stored, 0.0)
    if FACES:
        hidden = x < 0
        for k in range(FACES):
            edge = edges + (frame * FACES + k) * 4
            across = (x + 1 > tl.load(edge, inside, 0.0)) & (x < tl.load(edge + 1, inside, 0.0))
            down = (y + 1 > tl.load(edge + 2, inside, 0.0)) & (y < tl.load(edge + 3, inside, 0.0))
            hidden = hidden | (across & down)
        value = tl.where(hidden, tl.load(fill + colour, colour < 3, 0.0), value)
    target = row.to(tl.int64) * 3 + colour
    tl.store(out + target, value.to(out.dtype.element_ty), stored)
