"""Load the features of a baseline from a weight file of the user; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from caer_data.benchmark.networks.head import Baseline
from caer_data.engine.errors import CaerError


def load_features(model: Baseline, name: str) -> None:
    """Load the weights that a baseline's recipe names; the classifier keeps its new weights.

    The file is a state dict in safetensors or in torch's format, read with `weights_only=True`
    (nothing is unpickled). Keys of the file's own classifier are ignored.

    Args:
        model: the model with new weights.
        name: name of the recipe, for errors.

    Raises:
        CaerError: there is no such file, it is not a state dict, a layer is missing or has another
            shape, or frozen features have no weights.
    """
    recipe = model.recipe
    if recipe.weights is None:
        if recipe.frozen:
            raise CaerError(
                f"{name}: frozen features need trained weights; "
                "set baseline.weights to a weight file, or baseline.frozen to false"
            )
        return
    path = Path(recipe.weights)
    state = model.named_here(_read(path))
    wanted = {key: value for key, value in model.state_dict().items() if key[:5] != "head."}
    _check(wanted, state, path)
    chosen = {key: state[key] for key in wanted if key in state}
    model.load_state_dict(chosen, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CaerError(f"{path}: no such weight file; baseline.weights names it")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each reader has its own exceptions
        raise CaerError(
            f"{path}: cannot be read as plain weights ({type(error).__name__}); "
            "save it as a state dict, best as .safetensors"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CaerError(f"{path}: holds no state dict (names to tensors)")
    return state


def _check(wanted: dict[str, Tensor], state: dict[str, Tensor], path: Path) -> None:
    # old files lack batch counters, which are not used with a fixed momentum
    missing = [k for k in wanted if k not in state and not k.endswith("num_batches_tracked")]
    if missing:
        raise CaerError(
            f"{path}: the layer {missing[0]} is not in it ({len(missing)} are missing); "
            "it holds the weights of another model"
        )
    for key, value in wanted.items():
        if key in state and state[key].shape != value.shape:
            raise CaerError(
                f"{path}: {key} has shape {tuple(state[key].shape)}, the model's is "
                f"{tuple(value.shape)}; it holds the weights of another model"
            )
