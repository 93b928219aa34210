"""Public functions for trained models: predictions for single pictures and clips."""

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
        network: the network in evaluation mode; see `caer_data.benchmark.networks` for its inputs.
        recipe: the model recipe that it was trained with.
        classes: names of its outputs, in order.
    """

    network: nn.Module
    recipe: ModelRecipe
    classes: tuple[str, ...]

    def predict(self, file: Pathlike, box: Sequence[float] | None = None) -> dict[str, float]:
        """Return the probability of each class for a picture or a clip, depending on the model.

        Args:
            file: a picture, or a video, whose windows are averaged (paper, section 5.1).
            box: the target's face, `x1, y1, x2, y2` in pixels, right and bottom exclusive, the
                same in all frames and clipped to the frame; by default the largest face that the
                default detector finds.

        Returns:
            Probabilities by class, in the order of `classes`; they add up to 1.

        Raises:
            CaerError: the file cannot be read, is a video although the model takes pictures, the
                box is invalid or outside the frame, or no face is found.
        """
        from caer_data.benchmark.training import classify

        path = given.path("predict", "file", file)
        found = classify.probabilities(self.network, self.recipe, path, box)
        return dict(zip(self.classes, found, strict=True))


def load_model(weights: Pathlike, recipe: Pathlike | None = None) -> Classifier:
    """Load a model that `caer-data benchmark` trained, for predictions on pictures or clips.

    Args:
        weights: path of a `weights.safetensors`.
        recipe: path of the `recipe.yaml` next to it; only needed for a model class of your own or
            an encoder.

    Returns:
        The model: `predict` returns the probability of each emotion, and `network` is the
        `torch.nn.Module`.

    Raises:
        CaerError: the file was not written by caer-data, the recipe is needed, or the extra
            `benchmark` is not installed.

    >>> model = load_model("weights.safetensors")
    >>> model.classes
    ('anger', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise')
    >>> probabilities = model.predict("picture.png", box=(40, 30, 120, 130))
    >>> round(sum(probabilities.values()), 3)
    1.0
    """
    from caer_data.engine import extras

    path = given.path("load_model", "weights", weights)
    file = None if recipe is None else given.path("load_model", "recipe", recipe)
    extras.require("benchmark", "load_model")
    from caer_data.benchmark.training import classify

    return Classifier(*classify.load(path, file))
