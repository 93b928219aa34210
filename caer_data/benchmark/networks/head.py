"""What the baselines share: features of one picture or clip, then two fully connected layers.

Section 5.2: "We adopt two fully-connected layers as classifiers for the baseline methods." Their
width is not given; it is a field of the recipe.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from caer_data.benchmark.networks.output import Output
from caer_data.benchmark.recipe import ModelRecipe

SPORTS_1M_MEAN = (102.0, 98.0, 90.0)
"""Mean of red, green, blue in 0..255 that is subtracted from clips for C3D's Sports-1M weights."""


class Baseline(nn.Module, ABC):
    """Features named by a subclass as the published weight files name them, then the classifier.

    A subclass builds its layers, gives `encode` and calls `build_head`.
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
        """Add the classifier: channels to `width` to classes."""
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
        """(N, 3, H, W) or (N, 3, T, H, W) to vectors (N, channels)."""

    def named_here(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A published state dict with the names of this model's layers."""
        return state

    def forward(self, face: Tensor | None, context: Tensor | None) -> Output:
        """The recipe's input, the whole frame (as `context`) or the face, to logits (N, K)."""
        x = face if self.recipe.input == "face" else context
        if x is None:
            raise ValueError(f"this model looks at the {self.recipe.input}, but was given none")
        if self.converts:
            x = self._as_sports_1m(x)
        return Output(self.head(self.encode(x)))

    def _as_sports_1m(self, x: Tensor) -> Tensor:
        """Normalised red, green, blue to 0..255 less the mean, as blue, green, red."""
        channels = (-1, *(1,) * (x.dim() - 2))
        assert isinstance(self.scale, Tensor) and isinstance(self.shift, Tensor)  # noqa: S101
        return (x * self.scale.view(channels) + self.shift.view(channels)).flip(1)

    def train(self, mode: bool = True) -> Baseline:
        """Frozen features stay in evaluation mode, so that their statistics do not move."""
        super().train(mode)
        if mode and self.recipe.frozen:
            for name, child in self.named_children():
                child.train(name == "head")
        return self
