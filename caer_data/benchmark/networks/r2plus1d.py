"""R(2+1)D-18 (Tran et al., CVPR 2018): a residual network whose 3-D convolutions are split into one
over space and one over time.

State-dict keys and shapes, except `fc`, are those of torchvision's `r2plus1d_18`, whose weights
were trained on Kinetics-400 (the code is under the BSD licence, the weights under the terms of
Kinetics). They expect clips of 112 x 112 pixels, normalised as in `models/r2plus1d.yaml`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from caer_data.benchmark.networks.head import Baseline
from caer_data.benchmark.recipe import ModelRecipe

WIDTHS = (64, 128, 256, 512)
"""Channels of the four layers."""

STEM = 45
"""Channels between the stem's two convolutions."""

DEPTH = 2
"""Residual units in each layer."""


def create(recipe: ModelRecipe, classes: int) -> R2Plus1D:
    """Return R(2+1)D-18 with the recipe's classifier."""
    return R2Plus1D(recipe, classes)


class Split(nn.Sequential):
    """A convolution over space, normalisation, ReLU, and a convolution over time."""

    def __init__(self, channels: int, width: int, between: int, stride: int) -> None:
        super().__init__(
            nn.Conv3d(
                channels, between, (1, 3, 3), (1, stride, stride), padding=(0, 1, 1), bias=False
            ),
            nn.BatchNorm3d(between),
            nn.ReLU(inplace=True),
            nn.Conv3d(between, width, (3, 1, 1), (stride, 1, 1), padding=(1, 0, 0), bias=False),
        )


class Unit(nn.Module):
    """A residual unit of two split convolutions."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        # chosen to give as many weights as one 3 x 3 x 3 convolution
        between = channels * width * 27 // (channels * 9 + 3 * width)
        self.conv1 = nn.Sequential(
            Split(channels, width, between, stride), nn.BatchNorm3d(width), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(Split(width, width, between, 1), nn.BatchNorm3d(width))
        self.downsample = (
            None
            if stride == 1 and channels == width
            else nn.Sequential(
                nn.Conv3d(channels, width, 1, stride, bias=False), nn.BatchNorm3d(width)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, T, H, W) to (N, width, T / stride, H / stride, W / stride)."""
        y = self.conv2(self.conv1(x))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class R2Plus1D(Baseline):
    """R(2+1)D-18; the shapes in comments are for 16 frames of 112 x 112 pixels."""

    def __init__(self, recipe: ModelRecipe, classes: int) -> None:
        super().__init__(recipe)
        self.stem = nn.Sequential(
            nn.Conv3d(3, STEM, (1, 7, 7), (1, 2, 2), padding=(0, 3, 3), bias=False),
            nn.BatchNorm3d(STEM),
            nn.ReLU(inplace=True),
            nn.Conv3d(STEM, WIDTHS[0], (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(WIDTHS[0]),
            nn.ReLU(inplace=True),
        )
        channels = WIDTHS[0]
        for number, width in enumerate(WIDTHS, start=1):
            layer = nn.Sequential()
            for index in range(DEPTH):
                layer.append(Unit(channels, width, 2 if number > 1 and index == 0 else 1))
                channels = width
            self.add_module(f"layer{number}", layer)
        self.build_head(channels, classes)

    def encode(self, x: Tensor) -> Tensor:
        """Map (N, 3, 16, 112, 112) to (N, 512)."""
        x = self.stem(x)  # (N, 64, 16, 56, 56)
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)  # to (N, 512, 2, 7, 7)
        return x.mean((2, 3, 4))
