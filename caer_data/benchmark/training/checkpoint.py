"""Checkpoints in safetensors: weights to share, and the state that an interrupted run resumes from.

Each is a single file of tensors with a JSON header, written atomically. Nothing is ever unpickled.
The state of random generators is not stored, because every random choice depends only on seed,
epoch and step.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from caer_data.benchmark.recipe import ModelRecipe
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path

FORMAT: Final = 1


@dataclass
class Progress:
    """Progress of a run.

    Attributes:
        epoch: the epoch in progress, from 0.
        step: number of steps completed in it.
        loss_sum: sum of its losses, each times its number of samples.
        seen: number of samples trained on in it.
        seconds: time spent in training steps, over all epochs.
        trained: number of samples trained on, over all epochs.
        best_epoch: the epoch with the best validation figure, -1 before the first.
        best: that figure.
        history: one entry per finished epoch.
        numerics: result of the bf16 check at the first step; None in fp32.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    seen: int = 0
    seconds: float = 0.0
    trained: int = 0
    best_epoch: int = -1
    best: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)
    numerics: dict[str, float] | None = None


def save_weights(
    path: Path, model: nn.Module, recipe: ModelRecipe, classes: tuple[str, ...], **facts: Any
) -> None:
    """Write a model's weights with its recipe (including sizes and normalisation) and classes."""
    header = {"recipe": recipe.model_dump(mode="json"), "classes": classes, **facts}
    _write(path, {name: _plain(tensor) for name, tensor in model.state_dict().items()}, header)


def load_weights(
    path: Path, model: nn.Module, recipe: ModelRecipe, classes: tuple[str, ...]
) -> dict[str, Any]:
    """Load weights that `save_weights` wrote, and return their header.

    Raises:
        CaerError: the file is of another kind, or of another model or class order.
    """
    tensors, header = _read(path)
    if tuple(header.get("classes", ())) != classes:
        raise CaerError(
            f"{path}: its classes are {', '.join(header.get('classes', ()))}, here they are "
            f"{', '.join(classes)}; the same classes in the same order are needed"
        )
    saved = _with_defaults(header.get("recipe", {}))
    now = recipe.model_dump(mode="json")
    for part in ("model", "streams", "layers", "baseline", "input"):
        # the origin of a baseline's pretrained weights does not affect the model
        theirs, ours = (_structure(part, values.get(part)) for values in (saved, now))
        if theirs != ours:
            raise CaerError(
                f"{path}: was trained with {_difference(part, theirs, ours)}; give the recipe it "
                "was trained with (recipe.yaml beside it)"
            )
    wanted = model.state_dict()
    tensors = _without_idle_biases(tensors, wanted)
    wrong = sorted(
        name
        for name in wanted.keys() | tensors.keys()
        if name not in tensors or name not in wanted or tensors[name].shape != wanted[name].shape
    )
    if wrong:
        raise CaerError(f"{path}: holds another model: layer {wrong[0]} differs")
    model.load_state_dict(tensors)
    return header


def described(path: Path) -> tuple[tuple[str, ...], ModelRecipe]:
    """Return the classes, in order, and the recipe of weights that `save_weights` wrote.

    Raises:
        CaerError: the file is of another kind.
    """
    header = _read(path)[1]
    try:
        recipe = ModelRecipe.model_validate_json(json.dumps(header["recipe"]))
        return tuple(map(str, header["classes"])), recipe
    except (KeyError, TypeError, ValueError) as error:
        raise CaerError(f"{path}: does not say which model it holds") from error


def save_progress(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    identity: str,
) -> None:
    """Write everything a run needs to resume exactly."""
    tensors = {f"model.{name}": _plain(tensor) for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for part, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{part}.{name}"] = _plain(value)
    _write(path, tensors, {"identity": identity, "progress": asdict(progress)})


def load_progress(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, identity: str
) -> Progress:
    """Restore model and optimiser as saved by `save_progress`; return the progress.

    Raises:
        CaerError: the file is of another kind or of another run.
    """
    tensors, header = _read(path)
    if header.get("identity") != identity:
        raise CaerError(f"{path}: belongs to a run with another recipe, data or seed; remove it")
    parts = {name[6:]: t for name, t in tensors.items() if name.startswith("model.")}
    model.load_state_dict(parts)
    parameters = dict(model.named_parameters())
    for key, value in tensors.items():
        kind, _, rest = key.partition(".")
        if kind == "optimizer":
            part, _, name = rest.partition(".")
            optimizer.state[parameters[name]][part] = _like(value, parameters[name], optimizer)
    return Progress(**header["progress"])


def _without_idle_biases(tensors: dict[str, Tensor], wanted: Any) -> dict[str, Tensor]:
    """Return old weights without the biases of convolutions before a normalisation.

    The bias is subtracted from the running mean, so the model's output does not change.
    """
    found = dict(tensors)
    for name in [n for n in tensors if n.endswith("conv.bias") and n not in wanted]:
        mean = f"{name.removesuffix('conv.bias')}norm.running_mean"
        if mean in tensors:
            found[mean] = tensors[mean] - found.pop(name)
    return found


def _with_defaults(saved: Any) -> Any:
    """Return a saved recipe, with fields added since at their defaults."""
    try:
        return ModelRecipe.model_validate_json(json.dumps(saved)).model_dump(mode="json")
    except ValueError:
        return saved


def _like(value: Tensor, parameter: nn.Parameter, optimizer: torch.optim.Optimizer) -> Tensor:
    """Return an optimiser's tensor on the device and in the layout that it expects."""
    if value.shape == parameter.shape:
        # in the parameter's own memory layout, which fused optimisers need
        return torch.empty_like(parameter, requires_grad=False).copy_(value)
    # the step count stays on the host unless the optimiser is fused or compiled
    group = optimizer.param_groups[0]
    return value.to(parameter.device) if group.get("fused") or group.get("capturable") else value


def _structure(part: str, values: Any) -> Any:
    if part == "baseline" and isinstance(values, dict):
        return {k: v for k, v in values.items() if not k.startswith("weights") and k != "frozen"}
    if part == "input" and isinstance(values, dict) and values.get("frames") == 1:
        # once, recipes for single pictures could state these
        return {k: v for k, v in values.items() if k not in ("fps", "stride")}
    return values


def _difference(part: str, theirs: Any, ours: Any) -> str:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        names = sorted(name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name))
        name = names[0]
        return _difference(f"{part}.{name}", theirs.get(name), ours.get(name))
    return f"{part} {theirs}, the recipe has {ours}"


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def _write(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    # a single entry, because safetensors does not write several in a fixed order
    text = json.dumps({"format": FORMAT, **header}, sort_keys=True)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"caer-data": text})


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if path.is_dir():
        raise CaerError(f"{path}: is a folder; give a file weights.safetensors in it")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise CaerError(f"{path}: no such checkpoint") from error
    except (SafetensorError, OSError) as error:
        raise CaerError(f"{path}: is damaged or not a safetensors file ({error})") from error
    header = json.loads(metadata.get("caer-data", "{}"))
    if header.get("format") != FORMAT:
        raise CaerError(f"{path}: was not written by this version of caer-data benchmark")
    return tensors, header
