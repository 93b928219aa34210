"""The models: CAER-Net in three and two dimensions, and the baselines.

Every model is called as `model(face, context)`, or with the sound as a third argument if the
recipe's `streams.sound` is on, and returns an `Output`:

- `face`: face crops, (N, 3, T, H, W) for clips and (N, 3, H, W) for images, or None;
- `context`: the frame with the face hidden (for baselines the whole frame), same layout, or None;
- `sound`: (N, 2, bands, columns), logarithmic mel energies, and a mask of known values.

Values are floats, already normalised by the recipe's mean and standard deviation. A recipe's
`sees_face` and `sees_context` say which of the two inputs a model uses; the other may be None.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from caer_data.benchmark.networks import alexnet, c3d, caer_net, onnx_probe, r2plus1d, resnet, vgg
from caer_data.benchmark.networks.head import Baseline
from caer_data.benchmark.networks.output import Output
from caer_data.benchmark.networks.weights import load_features
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError

__all__ = ["Output", "architecture", "create", "own_class_errors", "try_own_class"]

_MODELS: dict[str, Callable[[ModelRecipe, int], nn.Module]] = {
    "caer-net": caer_net.create,
    "caer-net-s": caer_net.create,
    "alexnet": alexnet.create,
    "vgg": vgg.create,
    "resnet": resnet.create,
    "c3d": c3d.create,
    "r2plus1d": r2plus1d.create,
    "onnx-probe": onnx_probe.create,
}


def create(recipe: ModelRecipe, classes: int = len(EMOTIONS)) -> nn.Module:
    """Build a recipe's model with new weights, and load its pretrained features if it names any.

    Raises:
        CaerError: the weight file is missing, unsafe or of another model, frozen features have no
            weights, or the user's own class cannot be imported.
    """
    model = architecture(recipe, classes)
    if isinstance(model, Baseline):
        load_features(model, recipe.name)
    return model


def architecture(recipe: ModelRecipe, classes: int = len(EMOTIONS)) -> nn.Module:
    """Build a recipe's model with new weights, without reading any file."""
    if ":" in recipe.model:
        return _made(recipe, classes)
    return _MODELS[recipe.model](recipe, classes)


def _made(recipe: ModelRecipe, classes: int) -> nn.Module:
    """Return a user's model; any exception in its constructor becomes a CaerError."""
    own_class = _own_class(recipe.model)
    try:
        return own_class(recipe, classes)
    except (Exception, SystemExit) as error:
        raise CaerError(
            f"model {recipe.model}: cannot be created ({type(error).__name__}: {error}); its "
            "arguments are the recipe and the number of classes"
        ) from error


def try_own_class(model: nn.Module, recipe: ModelRecipe, classes: int, learns: bool = True) -> None:
    """Call a user's model on two samples of noise, to find mistakes before decoding.

    Args:
        model: the model, whose state may change.
        recipe: its recipe.
        classes: number of classes.
        learns: whether it will be trained; if so, it is also called in training mode.

    Raises:
        CaerError: it fails, returns something other than an `Output` of the right shapes, or has
            nothing that could learn.
    """
    size = (2, 3, recipe.input.frames) if recipe.clips else (2, 3)
    face = torch.randn(*size, *recipe.input.face) if recipe.sees_face else None
    context = torch.randn(*size, *recipe.input.crop) if recipe.sees_context else None
    seen = [face, context]
    if recipe.hears:
        seen.append(torch.randn(2, *recipe.sound_shape))
    shapes = " and ".join(str(tuple(x.shape)) for x in seen if x is not None)
    for learning in (False, True) if learns else (False,):
        when = "in training" if learning else "in testing"
        try:
            with torch.set_grad_enabled(learning):
                found = model.train(learning)(*seen)
        except (Exception, SystemExit) as error:  # a user's class may raise anything
            raise CaerError(
                f"model {recipe.model}: fails {when} on inputs of {shapes} "
                f"({type(error).__name__}: {error}); see models/README.md for how it is called"
            ) from error
        _check_output(found, recipe, classes)
    if learns and not found.logits.requires_grad:
        raise CaerError(
            f"model {recipe.model}: nothing can learn; its logits depend on no parameter that "
            "requires a gradient"
        )


@contextmanager
def own_class_errors(recipe: ModelRecipe) -> Iterator[None]:
    """Context that names the line of a user's model in which an exception was raised.

    `try_own_class` finds most mistakes before; others only show with more samples.

    Raises:
        CaerError: an exception was raised in the module of the user's class.
    """
    try:
        yield
    except CaerError:
        raise
    except (Exception, SystemExit) as error:
        theirs = _files_of(recipe.model.partition(":")[0]) if recipe.is_own_class else set()
        own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in theirs]
        if not own:
            raise
        raise CaerError(
            f"model {recipe.model}: fails in line {own[-1].lineno} of {own[-1].filename} "
            f"({type(error).__name__}: {error})"
        ) from error


def _files_of(module: str) -> set[str]:
    """Return the files of a module, or of all loaded modules of its package."""
    package = module.partition(".")[0]
    loaded = (m for name, m in sys.modules.items() if name.partition(".")[0] == package)
    return {str(path) for m in loaded if (path := getattr(m, "__file__", None))}


def _check_output(found: object, recipe: ModelRecipe, classes: int) -> None:
    """Raise a CaerError unless a user's model returned a usable output for two samples.

    Raises:
        CaerError: it is not an `Output`, or a part of it has an unusable shape.
    """
    logits = getattr(found, "logits", None)
    shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else None
    if shape != (2, classes):
        what = f"logits of shape {shape}" if shape else f"a {type(found).__name__}"
        raise CaerError(
            f"model {recipe.model}: returns {what} for two samples, not an Output with logits of "
            f"shape (2, {classes}); see models/README.md"
        )
    attention, weights = getattr(found, "attention", None), getattr(found, "weights", None)
    if attention is not None and (attention.dim() != 4 or len(attention) != 2):
        raise CaerError(
            f"model {recipe.model}: returns attention of shape {tuple(attention.shape)} for two "
            "samples, not (2, time, height, width); see models/README.md"
        )
    if weights is not None and tuple(weights.shape) != (2, 2):
        raise CaerError(
            f"model {recipe.model}: returns weights of shape {tuple(weights.shape)} for two "
            "samples, not (2, 2), of face and context; see models/README.md"
        )


def _own_class(name: str) -> Callable[[ModelRecipe, int], nn.Module]:
    """Return a user's class, named as `package.module:Class`."""
    module_name, class_name = name.split(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise CaerError(
            f"model {name}: {error}; its module must be installed or in a folder of PYTHONPATH"
        ) from error
    except (Exception, SystemExit) as error:
        raise CaerError(
            f"model {name}: its module cannot be imported ({type(error).__name__}: {error})"
        ) from error
    found = getattr(module, class_name, None)
    if found is None:
        where = getattr(module, "__file__", None) or f"the module {module_name}"
        raise CaerError(f"model {name}: {where} has no class {class_name}")
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise CaerError(f"model {name}: {class_name} is not a subclass of torch.nn.Module")
    return found
