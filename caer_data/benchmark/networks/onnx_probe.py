"""A classifier on frozen features of any encoder exported to ONNX.

The encoder is the user's file: CLIP, DINOv2, VideoMAE or anything that maps pictures or clips to
vectors. It runs in ONNX Runtime, and only the two layers after it are trained. Nothing is
downloaded, and the user is responsible for the licence of the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from caer_data.benchmark.networks.head import Baseline
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.engine.errors import CaerError

PICTURES: Final = 4
"""Number of dimensions of a picture input (N, 3, H, W); a clip input has five."""


def create(recipe: ModelRecipe, classes: int) -> Probe:
    """Return the probe with the recipe's classifier."""
    return Probe(recipe, classes)


class Encoder:
    """An ONNX file that turns pictures or clips into vectors.

    Attributes:
        clips: whether it takes clips rather than pictures.
        time_first: whether its clips are (N, T, 3, H, W), as VideoMAE's are.
        one_by_one: whether it was exported for batches of one.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            CaerError: the file does not exist, or is not an encoder of pictures or clips.
        """
        import onnxruntime

        if not path.is_file():
            raise CaerError(
                f"{path}: no such encoder; baseline.encoder (--encoder) names an ONNX file"
            )
        options = onnxruntime.SessionOptions()
        for pool in ("intra_op", "inter_op"):  # spinning threads take cores from other programs
            options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has many exception classes
            raise CaerError(f"{path}: cannot be read as an ONNX model ({error})") from error
        given = self._session.get_inputs()
        shape = given[0].shape
        if (
            len(given) != 1
            or len(shape) not in (PICTURES, PICTURES + 1)
            or "float" not in given[0].type
        ):
            found = "; ".join(f"{x.name} {x.type} {x.shape}" for x in given)
            raise CaerError(
                f"{path}: takes {found}; an encoder takes one input of floats, pictures "
                "(N, 3, H, W) or clips (N, 3, T, H, W) or (N, T, 3, H, W)"
            )
        self._path, self._name = path, given[0].name
        self._half = given[0].type == "tensor(float16)"
        self.clips = len(shape) == PICTURES + 1
        self.time_first = self.clips and shape[2] == 3 and shape[1] != 3
        self.one_by_one = shape[0] == 1

    def __deepcopy__(self, memo: dict[int, Any]) -> Encoder:
        return self  # it has no trainable state

    def __call__(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map (N, 3, H, W) or (N, 3, T, H, W) to (N, channels).

        Raises:
            CaerError: the encoder refuses this size.
        """
        shown = x.swapaxes(1, 2) if self.time_first else x
        shown = shown.astype(np.float16 if self._half else np.float32)
        parts = np.split(shown, len(shown)) if self.one_by_one else [shown]
        try:
            found = [self._session.run(None, {self._name: part})[0] for part in parts]
        except Exception as error:
            raise CaerError(
                f"{self._path}: refuses inputs of shape {parts[0].shape} ({error}); set "
                "input.crop, input.face and input.frames to what it was exported for"
            ) from error
        features = np.concatenate(found).astype(np.float32)
        # tokens (N, tokens, channels) or feature maps are averaged
        return np.asarray(features.reshape(len(features), -1, features.shape[-1]).mean(1))


class Probe(Baseline):
    """A frozen encoder and two trainable layers."""

    def __init__(self, recipe: ModelRecipe, classes: int) -> None:
        super().__init__(recipe)
        if recipe.baseline.encoder is None:
            raise CaerError(
                f"{recipe.name}: needs an encoder; use --encoder FILE.onnx or set baseline.encoder"
            )
        self.encoder = Encoder(Path(recipe.baseline.encoder))
        if self.encoder.clips and not recipe.clips:
            raise CaerError(
                f"{recipe.baseline.encoder}: takes clips, and {recipe.name} reads images; set "
                "input.frames to what it was exported for"
            )
        size = recipe.input.face if recipe.baseline.input == "face" else recipe.input.crop
        frames = (recipe.input.frames,) if recipe.clips else ()
        self.channels = self._features(np.zeros((1, 3, *frames, *size), np.float32)).shape[1]
        self.build_head(self.channels, classes)

    def encode(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) or (N, 3, T, H, W) to (N, channels); pictures are averaged over time."""
        if x.is_meta:  # only shapes are needed
            return x.new_empty((len(x), self.channels))
        found = self._features(x.detach().float().cpu().contiguous().numpy())
        return torch.from_numpy(found).to(x.device)

    def _features(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if self.encoder.clips or x.ndim == PICTURES:
            return self.encoder(x)
        clips, _, frames = x.shape[:3]
        pictures = np.ascontiguousarray(x.swapaxes(1, 2)).reshape(clips * frames, 3, *x.shape[3:])
        return np.asarray(self.encoder(pictures).reshape(clips, frames, -1).mean(1))
