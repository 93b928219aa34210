"""The sound stream: a small CNN over logarithmic mel energies.

This stream is not in the paper, whose model uses only pictures although the raters heard the sound.
It has four blocks of convolution, normalisation, ReLU and pooling over both bands and time, and
averages the result over both. Unknown values are zero in channel 1 and marked in channel 2.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

WIDTHS = (32, 64, 128, 256)
"""Channels of the blocks; the last is the length of the vector."""


class Sound(nn.Module):
    """A network that maps (N, 2, bands, columns) to vectors (N, 256)."""

    def __init__(self) -> None:
        super().__init__()
        layers, channels = OrderedDict[str, nn.Module](), 2
        for number, width in enumerate(WIDTHS, start=1):
            layers[f"conv{number}"] = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            layers[f"norm{number}"] = nn.BatchNorm2d(width)
            layers[f"relu{number}"] = nn.ReLU(inplace=True)
            if number < len(WIDTHS):
                layers[f"pool{number}"] = nn.MaxPool2d(2)
            channels = width
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 2, 64, 160), for 16 frames at 10 per second, to (N, 256)."""
        return self.layers(x).mean((-2, -1))  # type: ignore[no-any-return]
