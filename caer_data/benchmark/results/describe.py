"""Describe the model of a recipe: layers, shapes, parameters, multiply-adds.

The model is built and run on torch's meta device, which computes only shapes. Nothing is loaded or
downloaded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from caer_data.benchmark.networks import architecture
from caer_data.benchmark.recipe import ModelRecipe, vary
from caer_data.engine.emotions import EMOTIONS

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One layer with parameters.

    Attributes:
        name: its path in the model, the prefix of its keys in a checkpoint.
        kind: torch's class.
        shape_in: input shape without the batch: (C, T, H, W), (C, H, W) or (C,).
        shape_out: output shape without the batch.
        parameters: number of weights and biases.
        multiply_adds: number of products of a weight and a value for one sample; as usual, biases
            and normalisation are not counted.
    """

    name: str
    kind: str
    shape_in: Shape
    shape_out: Shape
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Description:
    """A model's layers, in order of computation, and their totals.

    Attributes:
        parameters: number of parameters of the whole model.
        trainable: number of trainable parameters.
        multiply_adds: multiply-adds of a forward pass for one sample.
        parts: parameters and multiply-adds by the first word of layer names, such as `face`.
    """

    name: str
    preset: str
    model: str
    inputs: dict[str, Shape]
    layers: list[Layer]
    parameters: int
    trainable: int
    multiply_adds: int
    parts: dict[str, dict[str, int]]


def describe(recipe: ModelRecipe, classes: int = len(EMOTIONS)) -> Description:
    """Return the layers of a recipe's model."""
    plain = vary(
        recipe, {"compute": {"pool_first": False, "pool_as_maximum": False}}
    )  # so that every layer is called as a module
    with torch.device("meta"):
        model = architecture(plain, classes).eval()
        inputs = _inputs(recipe)
    layers: list[Layer] = []
    for name, module in model.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            module.register_forward_hook(_recorder(name, layers))
    with torch.enable_grad():  # otherwise, blocks would not call their normalisation
        heard = [inputs["sound"]] if recipe.hears else []
        model(inputs.get("face"), inputs.get("context"), *heard)
    parts: dict[str, dict[str, int]] = {}
    for layer in layers:
        part = parts.setdefault(layer.name.split(".")[0], {"parameters": 0, "multiply_adds": 0})
        part["parameters"] += layer.parameters
        part["multiply_adds"] += layer.multiply_adds
    return Description(
        recipe.name,
        recipe.preset,
        recipe.model,
        {name: tuple(x.shape[1:]) for name, x in inputs.items()},
        layers,
        sum(p.numel() for p in model.parameters()),
        sum(p.numel() for p in model.parameters() if p.requires_grad),
        sum(layer.multiply_adds for layer in layers),
        parts,
    )


def as_text(found: Description) -> str:
    """Return a table for the terminal."""
    rows = [("layer", "kind", "in", "out", "parameters", "multiply-adds")]
    rows += [
        (
            layer.name,
            layer.kind,
            _times(layer.shape_in),
            _times(layer.shape_out),
            f"{layer.parameters:,}",
            f"{layer.multiply_adds:,}",
        )
        for layer in found.layers
    ]
    rows += [("", "", "", "", "", "")]
    rows += [
        (part, "all", "", "", f"{sums['parameters']:,}", f"{sums['multiply_adds']:,}")
        for part, sums in found.parts.items()
    ]
    rows.append(("total", "", "", "", f"{found.parameters:,}", f"{found.multiply_adds:,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    lines = [
        "  ".join(
            cell.rjust(width) if i >= 4 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    given = ", ".join(f"{name} {_times(shape)}" for name, shape in found.inputs.items())
    learn = "" if found.trainable == found.parameters else f", {found.trainable:,} of them learn"
    summary = (
        f"{found.parameters:,} parameters{learn}; {found.multiply_adds / 1e9:.3f} G multiply-adds "
        f"per sample, forward ({2 * found.multiply_adds / 1e9:.1f} GFLOP)"
    )
    return "\n".join([f"{found.name} ({found.preset}): {given}", "", *lines, "", summary])


def _inputs(recipe: ModelRecipe) -> dict[str, Tensor]:
    time = (recipe.input.frames,) if recipe.clips else ()
    sizes = {}
    if recipe.sees_face:
        sizes["face"] = recipe.input.face
    if recipe.sees_context:
        sizes["context"] = recipe.input.crop
    found = {name: torch.empty(1, 3, *time, *size) for name, size in sizes.items()}
    if recipe.hears:
        found["sound"] = torch.empty(1, *recipe.sound_shape)
    return found


def _recorder(name: str, layers: list[Layer]) -> Any:
    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        own = sum(p.numel() for p in module.parameters(recurse=False))
        layers.append(
            Layer(
                name,
                type(module).__name__,
                tuple(inputs[0].shape[1:]),
                tuple(output.shape[1:]),
                own,
                _multiply_adds(module, output),
            )
        )

    return record


def _multiply_adds(module: nn.Module, output: Tensor) -> int:
    if isinstance(module, (nn.Conv2d, nn.Conv3d)):
        taps = math.prod(module.kernel_size) * module.in_channels // module.groups
        return output[0].numel() * taps
    if isinstance(module, nn.Linear):
        return output[0].numel() * module.in_features
    return 0


def _times(shape: Shape) -> str:
    return " x ".join(map(str, shape))
