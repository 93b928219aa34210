"""From trained models: answers for single pictures and clips."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caer_data.api import given

if TYPE_CHECKING:
    from torch import nn

    from caer_data.benchmark.recipe import ModelRecipe

    Pathlike = str | os.PathLike[str]


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

    def predict(self, file: Pathlike, box: Sequence[float] | None = None) -> dict[str, float]:
        """Return the probability of each class for one picture or clip, whichever the model takes.

        Args:
            file: a picture; or a video, of which all windows are averaged (paper, section 5.1).
            box: the target's face, `x1, y1, x2, y2` in pixels, right and bottom exclusive, the
                same in all frames, cut off at the edges of the frame; without one, the largest
                face that the default detector finds.

        Returns:
            Probabilities by class, in the order of `classes`; they add up to 1.

        Raises:
            CaerError: the file cannot be read or is a video where the model takes pictures, the
                box is none or lies outside of the frame, or there is no face.
        """
        from caer_data.benchmark.training import classify

        path = given.path("predict", "file", file)
        found = classify.probabilities(self.network, self.recipe, path, box)
        return dict(zip(self.classes, found, strict=True))


def load_model(weights: Pathlike, recipe: Pathlike | None = None) -> Classifier:
    """Load a model that `caer-data benchmark` trained, to ask it about single pictures or clips.

    Args:
        weights: a `weights.safetensors`.
        recipe: the `recipe.yaml` beside it; needed for a model of your own class or an encoder.

    Returns:
        A classifier: `load_model(...).predict("picture.png")` gives a probability per emotion, and
        `.network` is the `torch.nn.Module`.

    Raises:
        CaerError: not weights of ours, its recipe is needed, or the extra `benchmark` is missing.
    """
    from caer_data.engine import extras

    path = given.path("load_model", "weights", weights)
    file = None if recipe is None else given.path("load_model", "recipe", recipe)
    extras.require("benchmark", "load_model")
    from caer_data.benchmark.training import classify

    return Classifier(*classify.load(path, file))
