"""Model recipes: all settings of a model and its training, in one commented YAML file.

The files in `models/` explain each field's unit, meaning and source. This module has types, limits
and defaults. The fields of a file are the preset `paper`, our reading of the paper, and its section
`tuned` has the changes of the preset `tuned`. `vary` defines ablations in the same format.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from caer_data.engine import section
from caer_data.engine.errors import CaerError
from caer_data.engine.section import Section

_PACKAGE: Final = "caer_data.models"

ModelName = Literal[
    "caer-net", "caer-net-s", "alexnet", "vgg", "resnet", "c3d", "r2plus1d", "onnx-probe"
]
_TWO_STREAMS = ("caer-net", "caer-net-s")
_OF_IMAGES = ("caer-net-s", "alexnet", "vgg", "resnet")
_MIN_FRAMES = {"caer-net": 8, "c3d": 16, "r2plus1d": 2}
"""Minimum number of frames, because poolings halve them three or four times."""
_VARIANTS: Final = {"vgg": ("", "16", "16_bn"), "resnet": ("", "18", "50")}
MELS: Final = 64
"""Number of mel bands."""
COLUMNS_A_SECOND: Final = 100
Preset = Literal["paper", "tuned"]
Size = tuple[int, int]


def columns_of(fps: float) -> int:
    """Return the number of sound columns per frame, which is 10 at 10 frames per second."""
    return max(1, round(COLUMNS_A_SECOND / fps))


class Streams(Section):
    """Enabled parts of CAER-Net (Table 3); disabled parts are not built."""

    face: bool = True
    context: bool = True
    context_attention: bool = True
    fusion_attention: bool = True
    sound: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Streams:
        if not (self.face or self.context or self.sound):
            raise ValueError("one of face, context and sound must be on")
        if self.context_attention and not self.context:
            raise ValueError("context_attention needs context")
        if self.fusion_attention and not (self.face and self.context):
            raise ValueError("fusion_attention needs both face and context")
        return self


class Layers(Section):
    """Choices inside CAER-Net that the paper leaves open."""

    attention_bn_relu: bool = True
    attention_pool: Literal["sum", "mean", "mean-bn"] = "sum"
    dropout: float = Field(default=0.5, ge=0, lt=1)


class Hide(Section):
    """Which faces are hidden from the context stream, and how they are filled."""

    faces: Literal["none", "target", "all"] = "target"
    fill: Literal["black", "mean"] = "black"
    margin: float = Field(default=0.0, ge=0, le=1)


class Input(Section):
    """Input of a model: sizes are height, width in pixels; one frame means images, not clips."""

    face: Size = (96, 96)
    frame: Size = (128, 171)
    crop: Size = (112, 112)
    frames: int = Field(default=16, ge=1, le=256)
    fps: float = Field(default=10.0, gt=0, le=60)
    stride: int = Field(default=8, ge=1, le=256)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @model_validator(mode="after")
    def _fits(self) -> Input:
        if min(*self.face, *self.frame, *self.crop) < 16:
            raise ValueError(
                "heights and widths must be 16 pixels or more: four poolings halve them"
            )
        if self.crop[0] > self.frame[0] or self.crop[1] > self.frame[1]:
            raise ValueError(f"crop {self.crop} does not fit into frame {self.frame}")
        if min(self.std) <= 0:
            raise ValueError("std must be above 0")
        return self


class Baseline(Section):
    """Input and pretrained features of all models except CAER-Net."""

    input: Literal["frame", "face"] = "frame"
    variant: Literal["", "16", "16_bn", "18", "50"] = ""
    width: int = Field(default=512, ge=1, le=8192)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    weights: str | None = None
    weights_input: Literal["normalised", "sports-1m"] = "normalised"
    frozen: bool = False
    encoder: str | None = None


class Augment(Section):
    """Augmentation, the same for all frames of a clip; both streams share the flip."""

    flip: float = Field(default=0.5, ge=0, le=1)
    contrast: float = Field(default=0.2, ge=0, lt=1)
    color: float = Field(default=0.1, ge=0, lt=1)
    random_crop: bool = True


class Train(Section):
    """Optimisation: by default SGD with momentum on the cross-entropy (section 5.1)."""

    epochs: int = Field(default=12, ge=1, le=10_000)
    batch_size: int = Field(default=32, ge=1, le=65_536)
    learning_rate: float = Field(default=5e-3, gt=0, le=100)
    lr_step_epochs: int = Field(default=4, ge=1, le=10_000)
    lr_gamma: float = Field(default=0.1, gt=0, le=1)
    warmup_epochs: float = Field(default=0.0, ge=0, le=10_000)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0, lt=1)
    select: Literal["war", "uar", "macro_f1"] = "war"
    optimizer: Literal["sgd", "adamw"] = "sgd"
    schedule: Literal["step", "cosine"] = "step"
    patience: int = Field(default=0, ge=0, le=10_000)
    labels: Literal["majority", "votes"] = "majority"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] = "none"
    logit_adjustment: float = Field(default=0.0, ge=0, le=10)

    @property
    def scaled_learning_rate(self) -> float:
        """Learning rate for the batch size.

        `learning_rate` is for batches of 32. SGD scales it linearly with the batch size. AdamW's
        steps do not grow with the gradient, so it uses the recipe's rate for every batch size.
        """
        if self.optimizer == "adamw":
            return self.learning_rate
        return self.learning_rate * self.batch_size / 32


class Compute(Section):
    """How computations are executed; nothing here changes the model."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    channels_last: bool = True
    pool_first: Literal[True, False, "auto"] = "auto"
    pool_as_maximum: bool = False
    fused_kernels: bool = True
    compile: bool = False
    cuda_graphs: bool = False

    @model_validator(mode="after")
    def _one_order(self) -> Compute:
        if self.pool_first is True and self.pool_as_maximum:
            raise ValueError("pool_first and pool_as_maximum: set one of them to true")
        return self


class ModelRecipe(Section):
    """A model, its input and its training."""

    name: str = Field(min_length=1, max_length=60)
    preset: Preset = "paper"
    model: str
    streams: Streams = Streams()
    layers: Layers = Layers()
    hide: Hide = Hide()
    baseline: Baseline = Baseline()
    input: Input = Input()
    augment: Augment = Augment()
    train: Train = Train()
    compute: Compute = Compute()

    @field_validator("model")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in get_args(ModelName) and not re.fullmatch(r"\w+(\.\w+)*:\w+", value):
            known = ", ".join(get_args(ModelName))
            raise ValueError(f"known are {known}, or your own class as package.module:Class")
        return value

    @model_validator(mode="before")
    @classmethod
    def _frames_suit_the_model(cls, values: Any) -> Any:
        """Fill in omitted fields: one frame for image models, the face for baselines."""
        if not isinstance(values, dict):
            return values
        model = values.get("model")
        if model in get_args(ModelName) and model not in _TWO_STREAMS:
            values = {"hide": {"faces": "none"}} | values
        given = values.get("input", {})
        if model not in _OF_IMAGES or not isinstance(given, dict):
            return values
        return values | {"input": {"frames": 1} | given}

    @model_validator(mode="after")
    def _can_hear(self) -> ModelRecipe:
        if self.streams.sound and not self.is_caer_net:
            raise ValueError(f"streams.sound is true, but {self.model} has no sound stream")
        if self.streams.sound and not self.clips:
            raise ValueError(f"streams.sound is true, but {self.model} takes images without sound")
        return self

    @model_validator(mode="after")
    def _has_the_variant(self) -> ModelRecipe:
        variant, known = self.baseline.variant, _VARIANTS.get(self.model, ("",))
        if variant not in known and not self.is_own_class:
            others = ", ".join(name for name in known if name) or "no variants"
            raise ValueError(f"baseline.variant is {variant}, but {self.model} has {others}")
        return self

    @field_validator("input")
    @classmethod
    def _model_takes(cls, value: Input, info: ValidationInfo) -> Input:
        model = info.data.get("model", "")
        if model in _OF_IMAGES and value.frames > 1:
            raise ValueError(
                f"frames is {value.frames}, but {model} takes images: give 1, or leave it out"
            )
        least = _MIN_FRAMES.get(model, 1)
        if value.frames < least:
            raise ValueError(
                f"frames is {value.frames}, but {model} takes clips of {least} or more: give 16, "
                "or leave it out"
            )
        return value

    @property
    def clips(self) -> bool:
        """Whether the model takes clips (several frames) rather than images."""
        return self.input.frames > 1

    @property
    def sees_face(self) -> bool:
        """Whether the model uses face crops."""
        return self.streams.face if self.is_caer_net else self.baseline.input == "face"

    @property
    def sees_context(self) -> bool:
        """Whether the model uses the context stream, or the whole frame."""
        return self.streams.context if self.is_caer_net else self.baseline.input == "frame"

    @property
    def hears(self) -> bool:
        """Whether the model uses the clip's sound."""
        return self.streams.sound

    @property
    def sound_shape(self) -> tuple[int, int, int]:
        """Shape of the sound input: two channels (energies, known values), bands, columns."""
        return 2, MELS, self.input.frames * columns_of(self.input.fps)

    @property
    def is_caer_net(self) -> bool:
        """Whether the model has CAER-Net's two streams (a user's own class gets both, too)."""
        return self.model in _TWO_STREAMS or self.is_own_class

    @property
    def is_own_class(self) -> bool:
        """Whether the model is a user's own class, written as `package.module:Class`."""
        return ":" in self.model


class _RecipeFile(ModelRecipe):
    """A YAML file: the fields of the preset `paper`, and the changes of `tuned`."""

    tuned: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _has_no_idle_field(self) -> _RecipeFile:
        if problem := _idle_field(self):
            raise ValueError(problem)
        return self

    @field_validator("tuned")
    @classmethod
    def _valid_changes(cls, value: dict[str, Any]) -> dict[str, Any]:
        _check_names(ModelRecipe, value)
        return value


def _idle_field(recipe: ModelRecipe) -> str:
    """Return a sentence about a value that changes nothing; a class of one's own may read all."""
    for name, why in () if recipe.is_own_class else _idle(recipe):
        first, _, field = name.partition(".")
        section = getattr(recipe, first)
        usual = type(section)()
        if first == "hide" and not recipe.is_caer_net:
            usual = Hide(faces="none")  # what is filled in for baselines
        for part in (field,) if field else type(section).model_fields:
            if getattr(section, part) != getattr(usual, part):
                return f"{first}.{part} has no effect {why}; leave it out"
    return ""


def _idle(recipe: ModelRecipe) -> list[tuple[str, str]]:
    """Return the sections and fields that a recipe does not use, and why not."""
    of_model = f"on {recipe.model}"
    found: list[tuple[str, str]] = []
    if recipe.is_caer_net:
        found.append(("baseline", of_model))
    else:
        names = ("streams", "layers", "compute.pool_first", "compute.pool_as_maximum")
        found += [(name, of_model) for name in names]
    if recipe.model == "onnx-probe":
        found += [(f"baseline.{name}", of_model) for name in ("weights", "frozen")]
    else:
        found.append(("baseline.encoder", of_model))
    if recipe.hide.faces == "none":
        found += [(f"hide.{name}", "with hide.faces: none") for name in ("fill", "margin")]
    elif not recipe.sees_context:
        setting = "streams.context: false" if recipe.is_caer_net else "baseline.input: face"
        found += [(f"hide.{name}", f"with {setting}") for name in ("fill", "margin", "faces")]
    if not recipe.clips:
        why = of_model if recipe.model in _OF_IMAGES else "with input.frames: 1"
        found += [("input.fps", why), ("input.stride", why)]
    if recipe.train.schedule == "cosine":
        why = "with train.schedule: cosine"
        found += [("train.lr_step_epochs", why), ("train.lr_gamma", why)]
    if not recipe.compute.compile:
        found.append(("compute.cuda_graphs", "without compute.compile"))
    return found


def shipped() -> dict[str, str]:
    """Return the YAML text of the package's recipes, by name."""
    return section.shipped(_PACKAGE)


def load(name_or_path: str | os.PathLike[str], preset: Preset = "paper") -> ModelRecipe:
    """Return a model recipe, by the name of a shipped one (`caer-net`) or from a YAML file.

    Raises:
        CaerError: there is no such recipe, or it has a mistake; the message names file, line and
            field.
    """
    suffix = Path(name_or_path).suffix.lower()
    if suffix not in ("", ".yaml", ".yml"):
        known = ", ".join(shipped())
        raise CaerError(
            f"{name_or_path}: is not a model recipe; give a file NAME.yaml or one of {known}"
        )
    text, where = section.find(name_or_path, _PACKAGE, "file" if suffix else "model")
    return parse(text, where, preset)


def parse(text: str, where: str, preset: Preset = "paper") -> ModelRecipe:
    """Return a model recipe from YAML text; `where` names the file in errors."""
    file = section.parse(_RecipeFile, text, where)
    paper = ModelRecipe.model_validate(file.model_dump(exclude={"tuned"}))
    if preset == "paper":
        return paper
    if not file.tuned:
        raise CaerError(f"{where}: has no section 'tuned'; leave out --preset tuned")
    tuned = vary(paper, {**file.tuned, "preset": "tuned"}, where=f"{where}: tuned")
    if problem := _idle_field(tuned):
        raise CaerError(f"{where}: tuned: {problem}")
    return tuned


def vary(recipe: ModelRecipe, changes: Mapping[str, Any], where: str = "recipe") -> ModelRecipe:
    """Return a recipe with some fields changed: `{"streams": {"context": False, ...}}`.

    Raises:
        CaerError: a field is unknown, or the values are incompatible.
    """
    return section.validate(ModelRecipe, _merge(recipe.model_dump(), changes), where)


def _merge(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, value in changes.items():
        old = merged.get(key)
        nested = isinstance(value, Mapping) and isinstance(old, dict)
        merged[key] = _merge(old, value) if nested and isinstance(old, dict) else value
    return merged


def _check_names(model: type[BaseModel], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if key not in model.model_fields:
            raise ValueError(f"unknown field '{key}'; known are {', '.join(model.model_fields)}")
        inner = model.model_fields[key].annotation
        if isinstance(value, Mapping) and isinstance(inner, type):
            _check_names(inner, value)
