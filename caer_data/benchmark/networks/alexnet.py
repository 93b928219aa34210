"""AlexNet's convolutions, in the one-tower form of Krizhevsky (arXiv:1404.5997).

State-dict keys and shapes of `features.*` are those of torchvision's `alexnet`.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from caer_data.benchmark.networks.head import Baseline
from caer_data.benchmark.recipe import ModelRecipe

WIDTHS = (64, 192, 384, 256, 256)
"""Channels of the five convolutions."""


def create(recipe: ModelRecipe, classes: int) -> AlexNet:
    """Return AlexNet with the recipe's classifier."""
    return AlexNet(recipe, classes)


class AlexNet(Baseline):
    """Five convolutions; shapes are those of a 224 x 224 picture."""

    def __init__(self, recipe: ModelRecipe, classes: int) -> None:
        super().__init__(recipe)
        a, b, c, d, e = WIDTHS
        self.features = nn.Sequential(
            nn.Conv2d(3, a, kernel_size=11, stride=4, padding=2),  # (N, 64, 55, 55)
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 64, 27, 27)
            nn.Conv2d(a, b, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 192, 13, 13)
            nn.Conv2d(b, c, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(c, d, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(d, e, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 6, 6)
        )
        self.build_head(e * 6 * 6, classes)

    def encode(self, x: Tensor) -> Tensor:
        """Map (N, 3, 224, 224) to (N, 9216); other sizes are pooled to 6 x 6."""
        return F.adaptive_avg_pool2d(self.features(x), 6).flatten(1)
