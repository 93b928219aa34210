"""C3D's convolutions (Tran et al., ICCV 2015) for clips of 16 frames of 112 x 112 pixels.

The Sports-1M weights exist in three PyTorch conversions of the authors' Caffe file, with the same
shapes but different names. All three can be read. They expect differently normalised pictures; with
`baseline.weights_input: sports-1m`, the model converts its input.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from caer_data.benchmark.networks.head import Baseline
from caer_data.benchmark.recipe import ModelRecipe

WIDTHS = (64, 128, 256, 512, 512)
"""Channels of the convolutions between two poolings."""

_LAYERS = ("conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b")
PUBLISHED_NAMES = (
    _LAYERS,  # DavideA/c3d-pytorch, c3d.pickle
    # jfzhang95/pytorch-video-recognition, c3d-pretrained.pth
    tuple(f"features.{index}" for index in (0, 3, 6, 8, 11, 13, 16, 18)),
    # MMAction2, c3d_sports1m_pretrain
    ("conv1a.conv", "conv2a.conv", *(f"{name}.conv" for name in _LAYERS[2:])),
)
"""Names of the eight convolutions in the published weight files."""


def create(recipe: ModelRecipe, classes: int) -> C3D:
    """Return C3D with the recipe's classifier."""
    return C3D(recipe, classes)


class C3D(Baseline):
    """Eight 3 x 3 x 3 convolutions, five max-poolings."""

    def __init__(self, recipe: ModelRecipe, classes: int) -> None:
        super().__init__(recipe)
        a, b, c, d, e = WIDTHS
        self.conv1 = nn.Conv3d(3, a, kernel_size=3, padding=1)
        self.conv2 = nn.Conv3d(a, b, kernel_size=3, padding=1)
        self.conv3a = nn.Conv3d(b, c, kernel_size=3, padding=1)
        self.conv3b = nn.Conv3d(c, c, kernel_size=3, padding=1)
        self.conv4a = nn.Conv3d(c, d, kernel_size=3, padding=1)
        self.conv4b = nn.Conv3d(d, d, kernel_size=3, padding=1)
        self.conv5a = nn.Conv3d(d, e, kernel_size=3, padding=1)
        self.conv5b = nn.Conv3d(e, e, kernel_size=3, padding=1)
        self.build_head(e * 4 * 4, classes)

    def named_here(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights of any published conversion under the names of the first."""
        for names in PUBLISHED_NAMES:
            if f"{names[0]}.weight" in state:
                ours = dict(zip(names, _LAYERS, strict=True))
                parts = {key: key.rpartition(".") for key in state}
                return {
                    f"{ours.get(layer, layer)}.{kind}": state[key]
                    for key, (layer, _, kind) in parts.items()
                }
        return state

    def encode(self, x: Tensor) -> Tensor:
        """Map (N, 3, 16, 112, 112) to (N, 8192); other sizes are pooled to 1 x 4 x 4."""
        x = F.max_pool3d(torch.relu_(self.conv1(x)), (1, 2, 2))  # (N, 64, 16, 56, 56)
        x = F.max_pool3d(torch.relu_(self.conv2(x)), 2)  # (N, 128, 8, 28, 28)
        x = torch.relu_(self.conv3b(torch.relu_(self.conv3a(x))))
        x = F.max_pool3d(x, 2)  # (N, 256, 4, 14, 14)
        x = torch.relu_(self.conv4b(torch.relu_(self.conv4a(x))))
        x = F.max_pool3d(x, 2)  # (N, 512, 2, 7, 7)
        x = torch.relu_(self.conv5b(torch.relu_(self.conv5a(x))))
        x = F.max_pool3d(x, 2, padding=(0, 1, 1))  # (N, 512, 1, 4, 4)
        return F.adaptive_avg_pool3d(x, (1, 4, 4)).flatten(1)
