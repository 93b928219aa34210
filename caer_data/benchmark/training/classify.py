"""Classify one picture or clip with a trained model."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from caer_data.benchmark import recipe as recipes
from caer_data.benchmark.data import detect, pictures, shards
from caer_data.benchmark.data.augment import inputs
from caer_data.benchmark.data.batches import Batch
from caer_data.benchmark.data.samples import Sample
from caer_data.benchmark.data.windows import window_starts
from caer_data.benchmark.networks import architecture, own_class_errors
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.benchmark.training import checkpoint
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Faces
from caer_data.media.probe import probe


def probabilities(
    network: nn.Module,
    recipe: ModelRecipe,
    file: str | os.PathLike[str],
    box: Sequence[float] | None = None,
) -> list[float]:
    """Return the probability of each class for one picture, or for one clip.

    Args:
        network: the model, in evaluation mode.
        recipe: the recipe that it was trained with.
        file: a picture or, if the model takes clips, a video.
        box: the target's face; if None, the largest face found by the default detector.

    Raises:
        CaerError: the file cannot be read, the box is outside it, or there is no face.
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
    with torch.no_grad(), own_class_errors(recipe):
        logits = network(*inputs(batch, recipe, training=False)).logits
    mean = torch.softmax(logits.double(), dim=1).mean(0)
    return [float(share) for share in mean]


def _stored(recipe: ModelRecipe, path: Path, box: Sequence[float] | None) -> dict[str, np.ndarray]:
    """Return faces (n, h, w, 3), contexts (n, H, W, 3) and boxes (n, faces, 4) of all frames."""
    size = recipe.input
    form = shards.Format(size.face, size.frame, size.fps if recipe.clips else None)
    sample = Sample(path.name, path, "test", 0)
    _check_kind(recipe, path)
    if box is None:
        work = detect.with_boxes(sample, Faces())
    else:
        sides = np.array([[0, *_sides(path, box)]], np.float32)
        work = shards.Work(Sample(path.name, path, "test", 0, sides))
    return shards.decode(work, form)


def _check_kind(recipe: ModelRecipe, path: Path) -> None:
    """Raise a CaerError for a video if the model takes pictures."""
    if recipe.clips or not path.is_file() or pictures.is_picture(path):
        return
    try:
        probe(path)
    except CaerError:
        return  # not a video either; reading it as a picture will raise the error
    raise CaerError(
        f"{path}: is a video, but {recipe.model} takes single pictures; give one of its frames as "
        "a picture, or load a model that takes clips, such as caer-net"
    )


def _sides(path: Path, box: Sequence[float]) -> list[float]:
    """Return the four sides of a box in pixels.

    Raises:
        CaerError: the box is not four numbers, is reversed, or is relative to the frame.
    """
    try:
        sides = [float(side) for side in box]
    except (TypeError, ValueError):
        sides = []
    if len(sides) != 4 or not all(map(math.isfinite, sides)):
        raise CaerError(f"{path}: a box has four numbers, x1, y1, x2 and y2; {box} was given")
    x1, y1, x2, y2 = sides
    if x2 <= x1 or y2 <= y1:
        raise CaerError(
            f"{path}: a box is given as left, top, right, bottom; in {box}, right "
            "does not lie beyond left, or bottom beyond top"
        )
    if min(sides) >= 0 and max(sides) <= 1:
        raise CaerError(f"{path}: the box {box} is smaller than a pixel; give pixels, not shares")
    return sides


def load(
    weights: str | os.PathLike[str], recipe: str | os.PathLike[str] | None = None
) -> tuple[nn.Module, ModelRecipe, tuple[str, ...]]:
    """Return the network, recipe and classes of weights that `caer-data benchmark` wrote.

    The file contains the recipe. Custom code is run and other files are read only if `recipe` is
    given.

    Raises:
        CaerError: the file is of another kind, or requires `recipe`.
    """
    path = Path(weights)
    if not path.exists() and str(path) in recipes.shipped():
        raise CaerError(
            f"{path}: is the name of a model, but no trained models are shipped; train it with "
            f"'caer-data benchmark RELEASE --model {path}', and give weights.safetensors of the run"
        )
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
