"""Base class of the baselines: features of one picture or clip, then two fully connected layers.

Section 5.2: "We adopt two fully-connected layers as classifiers for the baseline methods." The
paper does not give their width, so it is a field of the recipe.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from caer_data.benchmark.networks.output import Output
from caer_data.benchmark.recipe import ModelRecipe

SPORTS_1M_MEAN = (102.0, 98.0, 90.0)
"""Mean of red, green, blue (0 to 255) subtracted from clips for C3D's Sports-1M weights."""


class Baseline(nn.Module, ABC):
    """Features with the layer names of published weight files, then the classifier.

    A subclass builds its layers, defines `encode` and calls `build_head`.
    """

    def __init__(self, recipe: ModelRecipe) -> None:
        super().__init__()
        self.recipe = recipe.baseline
        self.converts = recipe.baseline.weights is not None and (
            recipe.baseline.weights_input == "sports-1m"
        )
        mean, std = torch.tensor(recipe.input.mean), torch.tensor(recipe.input.std)
        self.register_buffer("scale", 255 * std, persistent=False)
        self.register_buffer("shift", 255 * mean - torch.tensor(SPORTS_1M_MEAN), persistent=False)

    def build_head(self, channels: int, classes: int) -> None:
        """Add the classifier: from channels to `width` to classes."""
        width = self.recipe.width
        self.head = nn.Sequential(
            nn.Linear(channels, width),
            nn.ReLU(),
            nn.Dropout(self.recipe.dropout),
            nn.Linear(width, classes),
        )
        if self.recipe.frozen:
            self.requires_grad_(False)
            self.head.requires_grad_(True)

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) or (N, 3, T, H, W) to vectors (N, channels)."""

    def named_here(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a published state dict under the names of this model's layers."""
        return state

    def forward(self, face: Tensor | None, context: Tensor | None) -> Output:
        """Map the recipe's input, the whole frame (as `context`) or the face, to logits (N, K)."""
        x = face if self.recipe.input == "face" else context
        if x is None:
            raise ValueError(f"this model uses the {self.recipe.input}, but was given none")
        if self.converts:
            x = self._as_sports_1m(x)
        return Output(self.head(self.encode(x)))

    def _as_sports_1m(self, x: Tensor) -> Tensor:
        """Convert normalised RGB to BGR from 0 to 255, with the mean subtracted."""
        channels = (-1, *(1,) * (x.dim() - 2))
        assert isinstance(self.scale, Tensor) and isinstance(self.shift, Tensor)  # noqa: S101
        return (x * self.scale.view(channels) + self.shift.view(channels)).flip(1)

    def train(self, mode: bool = True) -> Baseline:
        """Set the mode; frozen features stay in evaluation mode, so their statistics are fixed."""
        super().train(mode)
        if mode and self.recipe.frozen:
            for name, child in self.named_children():
                child.train(name == "head")
        return self
