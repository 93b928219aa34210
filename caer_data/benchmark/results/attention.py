"""Attention maps over frames of correctly and wrongly classified clips (Figures 3, 8 and 10)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from caer_data.benchmark.data.augment import inputs
from caer_data.benchmark.data.batches import Batch, OnDevice, open_frames
from caer_data.benchmark.data.samples import Sample
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.data.windows import Pick, all_windows
from caer_data.benchmark.networks import architecture
from caer_data.benchmark.recipe import ModelRecipe, vary
from caer_data.benchmark.training import checkpoint

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Picture = npt.NDArray[np.uint8]

FRAMES: Final = 4
EACH: Final = 3
MIN_SIDE: Final = 112
RED: Final = 2.0
"""Attention drawn in red, as a multiple of a uniform map's."""


@dataclass(frozen=True)
class Example:
    """One test sample with its attention.

    Attributes:
        sample: the sample.
        predicted: predicted class id.
        probability: probability of that class.
        peak: maximum attention with the face hidden, as a multiple of a uniform map's.
        hidden: BGR pictures side by side, frames above their attention, with the face hidden as in
            training.
        shown: the same without hiding the face.
    """

    sample: Sample
    predicted: int
    probability: float
    peak: float
    hidden: Picture
    shown: Picture

    @property
    def correct(self) -> bool:
        """Whether the prediction is correct."""
        return self.predicted == self.sample.label


def examples(
    weights: Path,
    recipe: ModelRecipe,
    store: Store,
    fabric: Fabric,
    kept: OnDevice | None = None,
) -> list[Example]:
    """Return the most confident correct and wrong predictions on test samples, three each.

    Both pictures of an example come from the same weights; only the input differs. `kept` has the
    arrays left on the GPU by the runs. The list is empty for a model without context attention.
    """
    if not (recipe.sees_context and recipe.is_caer_net and recipe.streams.context_attention):
        return []
    device = fabric.device
    model = architecture(recipe, len(store.source.classes)).to(device).eval()
    checkpoint.load_weights(weights, model, recipe, store.source.classes)
    sees = recipe.sees_face, recipe.sees_context
    frames = open_frames(store, device, *sees, kept=kept, sound=recipe.hears)
    windows = all_windows(store, store.of_split("test"), recipe.input.frames, recipe.input.stride)
    _, first = np.unique(windows.samples, return_index=True)
    pick = Pick(windows.samples[first], windows.rows[first])
    seen: list[Tensor] = []
    with torch.no_grad():
        for batch in frames.batches(pick.batches(recipe.train.batch_size)):
            output = model(*inputs(batch, recipe, training=False))
            if output.attention is None:  # in a user's own class
                return []
            seen.append(torch.softmax(output.logits.float(), 1).cpu())
    probabilities = torch.cat(seen).numpy()
    right = probabilities.argmax(1) == store.labels[pick.samples]
    order = np.argsort(-probabilities.max(1), kind="stable")
    chosen = np.concatenate([order[right[order]][:EACH], order[~right[order]][:EACH]])
    open_face = vary(recipe, {"hide": {"faces": "none"}})
    found = []
    for row in chosen:
        one = Pick(pick.samples[row : row + 1], pick.rows[row : row + 1])
        batch = next(iter(frames.batches([one])))
        predicted = int(probabilities[row].argmax())
        hidden, attention = _drawn(model, batch, recipe)
        shown, _ = _drawn(model, batch, open_face)
        found.append(
            Example(
                store.samples[int(pick.samples[row])],
                predicted,
                float(probabilities[row, predicted]),
                float(attention.max() * attention[0].size),
                hidden,
                shown,
            )
        )
    return found


def overlay(picture: Picture, attention: npt.NDArray[np.float64]) -> Picture:
    """Return a BGR picture with attention (h, w), which sums to 1, drawn over it.

    Blue is no attention, green that of a uniform map, and red at least `RED` times that. All
    pictures have the same scale, so that a nearly uniform map looks uniform.
    """
    scaled = (attention * attention.size / RED).clip(0, 1)
    size = picture.shape[1], picture.shape[0]
    heat = cv2.resize((scaled * 255).round().astype(np.uint8), size, interpolation=cv2.INTER_LINEAR)
    colored = cv2.applyColorMap(heat, cv2.COLORMAP_JET)
    return np.asarray(cv2.addWeighted(picture, 0.5, colored, 0.5, 0), np.uint8)


@torch.no_grad()
def _drawn(
    model: torch.nn.Module, batch: Batch, recipe: ModelRecipe
) -> tuple[Picture, npt.NDArray[np.float64]]:
    """Return a picture of one sample's frames and attention, and the attention (T', h, w)."""
    seen = inputs(batch, recipe, training=False)
    attention = model(*seen).attention[0].float().cpu().numpy()  # (T', h, w)
    pictures = _pictures(seen[1], recipe)
    count = min(FRAMES, len(pictures))
    columns = []
    for index in np.linspace(0, len(pictures) - 1, count).round().astype(int):
        step = index * len(attention) // len(pictures)
        columns.append(np.vstack([pictures[index], overlay(pictures[index], attention[step])]))
    return np.hstack(columns), attention


def _pictures(context: Tensor | None, recipe: ModelRecipe) -> list[Picture]:
    """Return the context stream's input for one sample, as enlarged BGR pictures."""
    assert context is not None  # noqa: S101 - the recipe sees the context
    frames = context[0] if recipe.clips else context[0][:, None]  # (3, T, h, w)
    values = frames.permute(1, 2, 3, 0).float().cpu().numpy()
    restored = (values * recipe.input.std + recipe.input.mean) * 255
    pictures = restored.round().clip(0, 255).astype(np.uint8)[..., ::-1]
    larger = -(-MIN_SIDE // min(pictures.shape[1:3]))
    return [np.ascontiguousarray(p.repeat(larger, 0).repeat(larger, 1)) for p in pictures]
