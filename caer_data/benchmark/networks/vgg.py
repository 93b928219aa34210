"""VGG-16's convolutions (Simonyan and Zisserman, ICLR 2015), with or without normalisation.

State-dict keys and shapes of `features.*` are those of torchvision's `vgg16` and `vgg16_bn`.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from caer_data.benchmark.networks.head import Baseline
from caer_data.benchmark.recipe import ModelRecipe

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Widths of the 13 convolutions; a max-pooling ends each stage (configuration D)."""


def create(recipe: ModelRecipe, classes: int) -> VGG:
    """Return VGG-16 with the recipe's classifier."""
    return VGG(recipe, classes)


class VGG(Baseline):
    """13 convolutions of size 3 in five stages."""

    def __init__(self, recipe: ModelRecipe, classes: int) -> None:
        super().__init__(recipe)
        layers: list[nn.Module] = []
        channels = 3
        for stage in STAGES:
            for width in stage:
                layers.append(nn.Conv2d(channels, width, kernel_size=3, padding=1))
                if recipe.baseline.variant == "16_bn":
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU(inplace=True))
                channels = width
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
        self.features = nn.Sequential(*layers)
        self.build_head(channels * 7 * 7, classes)

    def encode(self, x: Tensor) -> Tensor:
        """Map (N, 3, 224, 224) to (N, 25088); other sizes are pooled to 7 x 7."""
        return F.adaptive_avg_pool2d(self.features(x), 7).flatten(1)
