"""From trained models: answers for single pictures and clips."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caer_data.benchmark.training.classify import Classifier

    Pathlike = str | os.PathLike[str]


def load_model(weights: Pathlike, recipe: Pathlike | None = None) -> Classifier:
    """Load a model that `caer-data benchmark` trained, to ask it about single pictures or clips.

    Args:
        weights: a `weights.safetensors`.
        recipe: the `recipe.yaml` beside it; needed for a model of your own class or an encoder.

    Returns:
        A classifier: `load_model(...).predict("picture.png")` gives a probability per emotion, and
        `.network` is the `torch.nn.Module`.

    Raises:
        CaerError: not such a file, its recipe is needed, or the extra `benchmark` is not installed.
    """
    from caer_data.engine import extras

    extras.require("benchmark", "load_model")
    from caer_data.benchmark.training import classify

    return classify.load(weights, recipe)
