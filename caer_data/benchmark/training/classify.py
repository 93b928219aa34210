"""What a trained model says about one picture or clip, outside of any benchmark."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from caer_data.benchmark import recipe as recipes
from caer_data.benchmark.data import detect, shards
from caer_data.benchmark.data.augment import inputs
from caer_data.benchmark.data.batches import Batch
from caer_data.benchmark.data.samples import Sample
from caer_data.benchmark.data.windows import window_starts
from caer_data.benchmark.networks import architecture
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.benchmark.training import checkpoint
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Faces


def probabilities(
    network: nn.Module,
    recipe: ModelRecipe,
    file: str | os.PathLike[str],
    box: Sequence[float] | None = None,
) -> list[float]:
    """Probability of each class for one picture, or clip where the model takes clips.

    Args:
        network: in evaluation mode.
        recipe: what it was trained with.
        file: a picture, or a video.
        box: the target's face; without one, the largest face that the default detector finds.

    Raises:
        CaerError: the file cannot be read, the box lies outside of it, or there is no face.
    """
    shown = _stored(recipe, Path(file), box)
    size = recipe.input
    length = len(shown["boxes"])
    starts = window_starts(length, size.frames, size.stride)
    rows = np.minimum(np.array(starts)[:, None] + np.arange(size.frames), length - 1)
    arrays = {name: torch.from_numpy(values[rows]) for name, values in shown.items()}
    nothing = torch.zeros(len(starts), dtype=torch.int64)
    batch = Batch(
        arrays["face"] if recipe.sees_face else None,
        arrays["context"] if recipe.sees_context else None,
        arrays["boxes"], nothing, nothing, arrays.get("sound"),
    )  # fmt: skip
    with torch.no_grad():
        logits = network(*inputs(batch, recipe, training=False)).logits
    mean = torch.softmax(logits.double(), dim=1).mean(0)
    return [float(share) for share in mean]


def _stored(recipe: ModelRecipe, path: Path, box: Sequence[float] | None) -> dict[str, np.ndarray]:
    """Faces (n, h, w, 3), contexts (n, H, W, 3) and boxes (n, faces, 4) of a file's frames."""
    size = recipe.input
    form = shards.Format(size.face, size.frame, size.fps if recipe.clips else None)
    sample = Sample(path.name, path, "test", 0)
    if box is None:
        work = detect.with_boxes(sample, Faces())
    elif len(box) == 4:
        sides = np.array([[0, *map(float, box)]], np.float32)
        work = shards.Work(Sample(path.name, path, "test", 0, sides))
    else:
        raise CaerError(f"{path}: a box has four numbers, x1, y1, x2 and y2; {box} was given")
    return shards.decode(work, form)


def load(
    weights: str | os.PathLike[str], recipe: str | os.PathLike[str] | None = None
) -> tuple[nn.Module, ModelRecipe, tuple[str, ...]]:
    """Load weights that `caer-data benchmark` wrote: the network, its recipe and its classes.

    The file holds its recipe. Code is run and other files are read only if the recipe is given.

    Raises:
        CaerError: a file of another kind, or it needs its recipe.
    """
    path = Path(weights)
    classes, saved = checkpoint.described(path)
    chosen = saved if recipe is None else recipes.load(recipe)
    if recipe is None and (chosen.is_own_class or chosen.baseline.encoder is not None):
        raise CaerError(
            f"{path}: was trained with {chosen.model}, which other files belong to; give its "
            "recipe, too: recipe.yaml beside it"
        )
    network = architecture(chosen, len(classes))
    checkpoint.load_weights(path, network, chosen, classes)
    return network.eval(), chosen, classes
