"""A trained model that answers for one picture or clip, outside of any benchmark."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Classifier:
    """A trained model.

    Attributes:
        network: in evaluation mode; see `caer_data.benchmark.networks` for its inputs.
        recipe: what it was trained with.
        classes: names of its outputs, in order.
    """

    network: nn.Module
    recipe: ModelRecipe
    classes: tuple[str, ...]

    def predict(
        self, file: str | os.PathLike[str], box: Sequence[float] | None = None
    ) -> dict[str, float]:
        """Probability of each class for one picture, or clip where the model takes clips.

        Args:
            file: a picture; or a video, of which all windows are averaged (paper, section 5.1).
            box: the target's face, `x1, y1, x2, y2` in pixels, right and bottom exclusive, the
                same in all frames; without one, the largest face that the default detector finds.

        Returns:
            Probabilities by class, in the order of `classes`; they add up to 1.

        Raises:
            CaerError: the file cannot be read, the box lies outside of it, or there is no face.
        """
        shown = self._stored(Path(file), box)
        size = self.recipe.input
        length = len(shown["boxes"])
        starts = window_starts(length, size.frames, size.stride)
        rows = np.minimum(np.array(starts)[:, None] + np.arange(size.frames), length - 1)
        arrays = {name: torch.from_numpy(values[rows]) for name, values in shown.items()}
        nothing = torch.zeros(len(starts), dtype=torch.int64)
        batch = Batch(
            arrays["face"] if self.recipe.sees_face else None,
            arrays["context"] if self.recipe.sees_context else None,
            arrays["boxes"], nothing, nothing, arrays.get("sound"),
        )  # fmt: skip
        with torch.no_grad():
            logits = self.network(*inputs(batch, self.recipe, training=False)).logits
        mean = torch.softmax(logits.double(), dim=1).mean(0)
        return dict(zip(self.classes, mean.tolist(), strict=True))

    def _stored(self, path: Path, box: Sequence[float] | None) -> dict[str, np.ndarray]:
        """Faces (n, h, w, 3), contexts (n, H, W, 3) and boxes (n, faces, 4) of a file's frames."""
        size = self.recipe.input
        form = shards.Format(size.face, size.frame, size.fps if self.recipe.clips else None)
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
) -> Classifier:
    """Load weights that `caer-data benchmark` wrote.

    The file holds its recipe. Code is run and other files are read only if the recipe is given.

    Raises:
        CaerError: not such a file, or it needs its recipe.
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
    return Classifier(network.eval(), chosen, classes)
