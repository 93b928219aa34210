"""What the baselines share: features of one picture or clip, then two fully connected layers.

Section 5.2: "We adopt two fully-connected layers as classifiers for the baseline methods." Their
width is not given; it is a field of the recipe.
"""

from __future__ import annotations

from torch import Tensor, nn

from caer_data.benchmark.models.output import Output
from caer_data.benchmark.recipe import ModelRecipe


class Baseline(nn.Module):
    """Features named by a subclass as the published weight files name them, then the classifier.

    A subclass builds its layers, gives `encode` and calls `build_head`.
    """

    def __init__(self, recipe: ModelRecipe) -> None:
        super().__init__()
        self.recipe = recipe.baseline

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

    def encode(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) or (N, 3, T, H, W) to vectors (N, channels)."""
        raise NotImplementedError

    def forward(self, face: Tensor | None, context: Tensor | None) -> Output:
        """The recipe's input, the whole frame (as `context`) or the face, to logits (N, K)."""
        x = face if self.recipe.input == "face" else context
        if x is None:
            raise ValueError(f"this model looks at the {self.recipe.input}, but was given none")
        return Output(self.head(self.encode(x)))

    def train(self, mode: bool = True) -> Baseline:
        """Frozen features stay in evaluation mode, so that their statistics do not move."""
        super().train(mode)
        if mode and self.recipe.frozen:
            for name, child in self.named_children():
                child.train(name == "head")
        return self
