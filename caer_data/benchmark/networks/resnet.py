"""ResNet-18 and ResNet-50 (He et al., CVPR 2016).

State-dict keys and shapes, except `fc`, are those of torchvision's `resnet18` and `resnet50`
(the stride of a bottleneck is in its 3 x 3 convolution, as there).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from caer_data.benchmark.networks.head import Baseline
from caer_data.benchmark.recipe import ModelRecipe

DEPTHS = {"18": (2, 2, 2, 2), "50": (3, 4, 6, 3)}
"""Residual units in each of the four layers."""

WIDTH = 64
"""Channels of the first layer; each following layer has twice as many."""


def create(recipe: ModelRecipe, classes: int) -> ResNet:
    """Return ResNet with the recipe's classifier."""
    return ResNet(recipe, classes)


class Basic(nn.Module):
    """A residual unit of two 3 x 3 convolutions."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _projection(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, width, H / stride, W / stride)."""
        y = torch.relu_(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """A residual unit of 1 x 1, 3 x 3 and 1 x 1 convolutions; its output has four widths."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * 4)
        self.downsample = _projection(channels, width * 4, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, 4 width, H / stride, W / stride)."""
        y = torch.relu_(self.bn1(self.conv1(x)))
        y = torch.relu_(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(Baseline):
    """ResNet; the shapes in comments are for ResNet-50 and a 224 x 224 picture."""

    def __init__(self, recipe: ModelRecipe, classes: int) -> None:
        super().__init__(recipe)
        unit = Basic if recipe.baseline.variant == "18" else Bottleneck
        depths = DEPTHS[recipe.baseline.variant or "50"]
        self.conv1 = nn.Conv2d(3, WIDTH, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTH)
        channels = WIDTH
        for number, depth in enumerate(depths, start=1):
            width = WIDTH * 2 ** (number - 1)
            layer = nn.Sequential()
            for index in range(depth):
                stride = 2 if number > 1 and index == 0 else 1
                layer.append(unit(channels, width, stride))
                channels = width * unit.expansion
            self.add_module(f"layer{number}", layer)
        self.build_head(channels, classes)

    def encode(self, x: Tensor) -> Tensor:
        """Map (N, 3, 224, 224) to (N, 2048)."""
        x = torch.relu_(self.bn1(self.conv1(x)))  # (N, 64, 112, 112)
        x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)  # (N, 64, 56, 56)
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)  # 256, 512, 1024, 2048 channels
        return x.mean((2, 3))


def _projection(channels: int, width: int, stride: int) -> nn.Sequential | None:
    """Return the shortcut if size or channels change: 1 x 1 convolution and normalisation."""
    if stride == 1 and channels == width:
        return None
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(width)
    )
