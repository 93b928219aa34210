"""Augment a batch on the device: hide faces, crop, flip, change contrast and colour, normalise.

All frames of a clip and both streams share the same random choices (paper, section 5.1). Contrast
scales about mid-grey and colour scales each channel, so both can be combined with the normalisation
into one multiplication and one addition per channel.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from caer_data.benchmark import kernels
from caer_data.benchmark.data.batches import Batch
from caer_data.benchmark.recipe import Augment, Hide, ModelRecipe

LOUDNESS: Final = 0.2
"""Shift and scale of log energies, which range from -14 (digital silence) to about 4."""


@dataclass(frozen=True)
class Draw:
    """The random choices for N clips.

    Attributes:
        flip: (N,) bool.
        scale: (N, 3); a value v from 0 to 1 becomes v * scale + shift.
        shift: (N, 3).
        top: (N,), top edge of the context crop in pixels.
        left: (N,), its left edge.
    """

    flip: Tensor
    scale: Tensor
    shift: Tensor
    top: Tensor
    left: Tensor


@dataclass(frozen=True)
class Constants:
    """Values for the three channels, (3,), on the device.

    Attributes:
        mean: mean of the normalisation.
        std: standard deviation of the normalisation.
        fill: normalised value of hidden pixels.
    """

    mean: Tensor
    std: Tensor
    fill: Tensor


def inputs(
    batch: Batch, recipe: ModelRecipe, training: bool, dtype: torch.dtype = torch.float32
) -> tuple[Tensor | None, ...]:
    """Return the model's inputs from a batch.

    In training, random numbers come from torch's global generator of the batch's device. Testing
    is deterministic and uses the centre crop.

    Returns:
        Faces (N, 3, T, h, w) and contexts (N, 3, T, crop h, crop w), normalised, without T for
        images; None if the batch has none. If the recipe uses sound, the third item is the sound,
        (N, 2, bands, T x columns). All are computed in float32 and converted to `dtype`.
    """
    draw = draw_for_batch(batch, recipe, training)
    return augmented(batch, draw, constants(recipe, batch.boxes.device), recipe, dtype)


def draw_for_batch(batch: Batch, recipe: ModelRecipe, training: bool) -> Draw:
    """Return the random choices for each clip of a batch."""
    augment = recipe.augment if training else None
    return draw_for(batch.boxes, augment, recipe.input.frame, recipe.input.crop)


def constants(recipe: ModelRecipe, device: torch.device) -> Constants:
    """Return the recipe's constants on the device, copied once to avoid a wait in every step."""
    values = (recipe.input.mean, recipe.input.std, _fill(recipe))
    return Constants(*(_constant(v, device) for v in values))


def augmented(
    batch: Batch, draw: Draw, fixed: Constants, recipe: ModelRecipe, dtype: torch.dtype
) -> tuple[Tensor | None, ...]:
    """Return `inputs` for given choices; uses no random numbers, so that it can be compiled.

    Outside compiled graphs, a GPU kernel processes the pixels.
    """
    shown = _by_kernel if _has_kernel(batch, recipe) else _by_torch
    face = context = None
    if batch.face is not None:
        face = _finish(shown(batch.face, None, draw, fixed, None, dtype), recipe, dtype)
    if batch.context is not None:
        edges = None if recipe.hide.faces == "none" else edges_of(batch.boxes, recipe.hide)
        crop = recipe.input.crop
        context = _finish(shown(batch.context, crop, draw, fixed, edges, dtype), recipe, dtype)
    return (face, context, heard(batch).to(dtype)) if recipe.hears else (face, context)


def heard(batch: Batch) -> Tensor:
    """Return log energies shifted to about 0, (N, 1, bands, time), and a mask of known values."""
    assert batch.sound is not None  # noqa: S101 - the recipe hears
    row = batch.sound.transpose(1, 2).flatten(2)  # (N, bands, T x columns)
    known = ~row.isnan()
    return torch.stack([torch.where(known, row * LOUDNESS + 1, 0), known.to(row.dtype)], 1)


def draw_for(
    like: Tensor, augment: Augment | None, frame: tuple[int, int], crop: tuple[int, int]
) -> Draw:
    """Return choices for as many clips as `like` has, on its device; not random if None."""
    n, device = len(like), like.device
    spare = (frame[0] - crop[0], frame[1] - crop[1])
    none = torch.zeros(n, dtype=torch.int64, device=device)
    top, left = none + spare[0] // 2, none + spare[1] // 2
    if augment is None:
        still = torch.zeros((n, 3), device=device)
        return Draw(none.bool(), still + 1, still, top, left)
    flip = torch.rand(n, device=device) < augment.flip
    contrast = _around_one((n, 1), augment.contrast, device)
    color = _around_one((n, 3), augment.color, device)
    if augment.random_crop:
        top = (torch.rand(n, device=device) * (spare[0] + 1)).long()
        left = (torch.rand(n, device=device) * (spare[1] + 1)).long()
    return Draw(flip, contrast * color, (1 - contrast).expand(n, 3) * 0.5, top, left)


def edges_of(boxes: Tensor, hide: Hide) -> Tensor:
    """Return the edges of what to hide: left, right, top and bottom, with the margin.

    Args:
        boxes: (N, T, faces, 4) in context pixels, the target first; unused ones are zero.
        hide: which faces to hide, and the margin as a share of the box's size on every side.

    Returns:
        (N, T, faces, 4); the right edge of unused boxes is not to the right of the left one.
    """
    chosen = boxes[:, :, :1] if hide.faces == "target" else boxes
    x1, y1, x2, y2 = chosen.unbind(-1)
    wider, higher = (x2 - x1) * hide.margin, (y2 - y1) * hide.margin
    unused = x2 <= x1
    left = torch.where(unused, torch.inf, x1 - wider)
    return torch.stack([left, x2 + wider, y1 - higher, y2 + higher], -1)


def hidden_pixels(edges: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return which pixels to hide: every pixel that a box touches.

    Frames were shrunk by averaging areas, so a pixel that no box touches contains nothing of the
    face. Filling every touched pixel is therefore at least as strict as filling the box in the
    full-size frame.

    Args:
        edges: see `edges_of`.
        rows: (N, h) rows of the frame that are in the crop.
        columns: (N, w) columns of the frame that are in the crop, in their order.

    Returns:
        (N, T, h, w) bool.
    """
    left, right, top, bottom = (v.unsqueeze(-1) for v in edges.unbind(-1))  # (N, T, faces, 1)
    x, y = columns[:, None, None, :], rows[:, None, None, :]
    across = (x + 1 > left) & (x < right)  # (N, T, faces, w)
    down = (y + 1 > top) & (y < bottom)  # (N, T, faces, h)
    return (down[..., :, None] & across[..., None, :]).any(2)


def _around_one(shape: tuple[int, ...], spread: float, device: torch.device) -> Tensor:
    return 1 + (torch.rand(shape, device=device) * 2 - 1) * spread


def _has_kernel(batch: Batch, recipe: ModelRecipe) -> bool:
    possible = recipe.compute.fused_kernels and not torch.compiler.is_compiling()
    return possible and batch.boxes.is_cuda and kernels.run_on(batch.boxes.device)


def _by_kernel(
    frames: Tensor,
    crop: tuple[int, int] | None,
    draw: Draw,
    fixed: Constants,
    edges: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """Return the same as `_by_torch`, in `dtype`."""
    shown: Tensor = kernels.AUGMENTED.pixels(
        frames,
        None if crop is None else (draw.top, draw.left),
        crop or tuple(frames.shape[2:4]),
        draw.flip,
        _factors(draw, fixed),
        edges,
        fixed.fill,
        dtype,
    )
    return shown


def _by_torch(
    frames: Tensor,
    crop: tuple[int, int] | None,
    draw: Draw,
    fixed: Constants,
    edges: Tensor | None,
    _: torch.dtype,
) -> Tensor:
    """Return (N, T, H, W, 3) uint8 cropped, flipped, normalised, and with hidden faces, in fp32."""
    if crop is None:
        flipped = torch.where(draw.flip[:, None, None, None, None], frames.flip(3), frames)
        return _normal(flipped, draw, fixed)
    rows = draw.top[:, None] + torch.arange(crop[0], device=draw.top.device)
    columns = draw.left[:, None] + torch.arange(crop[1], device=draw.top.device)
    columns = torch.where(draw.flip[:, None], columns.flip(1), columns)
    shown = _normal(_gather(frames, rows, columns), draw, fixed)
    if edges is None:
        return shown
    return torch.where(hidden_pixels(edges, rows, columns)[..., None], fixed.fill, shown)


def _gather(frames: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Crop and flip in one step: (N, T, H, W, 3) to (N, T, h, w, 3)."""
    n, t = (torch.arange(size, device=frames.device) for size in frames.shape[:2])
    return frames[
        n[:, None, None, None], t[:, None, None], rows[:, None, :, None], columns[:, None, None, :]
    ]


def _normal(frames: Tensor, draw: Draw, fixed: Constants) -> Tensor:
    """Apply contrast, colour and normalisation to (N, T, H, W, 3) uint8 as one multiply-add."""
    scale, shift = (x[:, None, None, None] for x in _factors(draw, fixed))
    return torch.addcmul(shift, frames.to(scale.dtype), scale)


def _factors(draw: Draw, fixed: Constants) -> tuple[Tensor, Tensor]:
    """Return the scale and shift of each clip's colours for values from 0 to 255, (N, 3)."""
    return draw.scale / (255 * fixed.std), (draw.shift - fixed.mean) / fixed.std


def _fill(recipe: ModelRecipe) -> tuple[float, ...]:
    """Return the value of hidden pixels after normalisation."""
    if recipe.hide.fill == "mean":
        return (0.0, 0.0, 0.0)
    return tuple(-m / s for m, s in zip(recipe.input.mean, recipe.input.std, strict=True))


@functools.cache
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, device=device)


def _finish(frames: Tensor, recipe: ModelRecipe, dtype: torch.dtype) -> Tensor:
    """Convert (N, T, H, W, 3) to (N, 3, T, H, W), or to (N, 3, H, W) for images."""
    moved = frames.to(dtype).permute(0, 4, 1, 2, 3)  # already channels-last in memory
    moved = moved if recipe.clips else moved[:, :, 0]
    return moved if recipe.compute.channels_last else moved.contiguous()
