"""Settings of a command for all runs: changes to the recipes, and the stores they read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from caer_data.benchmark.data.prepare import check_heard, open_store
from caer_data.benchmark.data.store import MAX_LEFT_OUT, Store
from caer_data.benchmark.recipe import Hide, ModelRecipe, vary
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Faces

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Changes:
    """Fields of recipes that the command line replaces; None keeps the recipe's.

    Attributes:
        epochs: passes over the training samples.
        batch_size: samples per step.
        stream: what a baseline sees, `frame` or `face`.
        precision: precision of the arithmetic.
        encoder: ONNX file of the probe.
        compiled: whether models are compiled.
        cuda_graphs: whether the compiled step is replayed as CUDA graphs.
    """

    epochs: int | None = None
    batch_size: int | None = None
    stream: Literal["frame", "face"] | None = None
    precision: Literal["auto", "fp32", "bf16"] | None = None
    encoder: str | None = None
    compiled: bool = False
    cuda_graphs: bool = False

    def __call__(self, recipe: ModelRecipe) -> ModelRecipe:
        """Return the recipe with these changes.

        Raises:
            CaerError: a value is out of range, or the model has no such choice.
        """
        if self.stream and recipe.is_caer_net:
            raise CaerError(
                f"--input {self.stream}: {recipe.name} has streams of its own; --input chooses "
                "what a baseline sees (for CAER-Net, switch streams off in a recipe)"
            )
        changes = {
            "train": _given(epochs=self.epochs, batch_size=self.batch_size),
            "baseline": _given(input=self.stream) | self._encoder_of(recipe),
            "hide": Hide(faces="none").model_dump() if self.stream == "face" else {},
            "compute": compute_of(self.compiled, self.cuda_graphs, self.precision),
        }
        return vary(recipe, changes, "command line")

    def _encoder_of(self, recipe: ModelRecipe) -> dict[str, Any]:
        return _given(encoder=self.encoder) if recipe.model == "onnx-probe" else {}


def compute_of(compiled: bool, cuda_graphs: bool, precision: str | None) -> dict[str, Any]:
    """Return changes to a recipe's section `compute` for compiling, CUDA graphs and precision."""
    compute = {"compile": True, "cuda_graphs": cuda_graphs} if compiled else {}
    return compute | _given(precision=precision)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def with_features(recipe: ModelRecipe, features: Mapping[str, str]) -> ModelRecipe:
    """Return a baseline's recipe with the weight file named for its model.

    Raises:
        CaerError: the files are for other models, or the model is not a baseline.
    """
    if not features:
        return recipe
    if list(features) != [recipe.model] or recipe.is_caer_net:
        raise CaerError(
            f"--features {', '.join(features)}: this run is of {recipe.model}, and only baselines "
            "take trained features"
        )
    if recipe.model == "onnx-probe":
        raise CaerError("--features onnx-probe: give its trained encoder with --encoder FILE.onnx")
    return vary(recipe, {"baseline": {"weights": features[recipe.model]}}, "--features")


class Stores:
    """Opens the stores of a command, each once."""

    def __init__(
        self,
        folder: Path,
        fabric: Fabric,
        reporter: Reporter,
        faces: Faces | None = None,
        max_left_out: float = MAX_LEFT_OUT,
    ) -> None:
        """Remember how stores are made.

        Args:
            folder: folder for all stores.
            fabric: the processes.
            reporter: shows progress.
            faces: detector for releases without boxes; None to detect nothing.
            max_left_out: maximum share of unusable samples in a split.
        """
        self._folder = folder
        self._fabric = fabric
        self._reporter = reporter
        self._faces = faces
        self._max_left_out = max_left_out
        self._opened: dict[str, Store] = {}

    def __call__(self, release: Path, recipe: ModelRecipe) -> Store:
        """Return the store of a release that a recipe needs.

        Raises:
            CaerError: see `open_store` and `check_heard`.
        """
        key = f"{release} {recipe.input} {recipe.hide.faces == 'all'}"
        if key not in self._opened:
            self._opened[key] = open_store(
                release,
                recipe,
                self._folder,
                faces=self._faces,
                max_left_out=self._max_left_out,
                fabric=self._fabric,
                reporter=self._reporter,
            )
        if recipe.hears:
            check_heard(self._opened[key], recipe, self._reporter)
        return self._opened[key]
