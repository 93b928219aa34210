"""dlib's two published face networks in torch: the reference that the ONNX graphs are held to.

Both take BGR pictures with values 0 to 255: the input's mean and scale, the order of the colours
and the normalisation layers are folded into the convolutions, which changes no result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from caer_data.engine.errors import CaerError
from caer_data.faces.models.dlib_file import Layer, Network, parse_network


class DetectorNetwork(nn.Module):
    """The max-margin detector (King 2015, arXiv:1502.00046), file mmod_human_face_detector.dat.

    Seven convolutions; a cell of the output scores a window of `window` pixels whose centre lies
    at `stride * cell + offset`.
    """

    stride = 8
    offset = 14

    def __init__(self, path: Path) -> None:
        super().__init__()
        network = parse_network(path.read_bytes(), path)
        if len(network.loss) != 9 or [layer.kind for layer in network.layers] != _DETECTOR_KINDS:
            raise CaerError(f"{path}: does not contain dlib's face detector but another network")
        self.window = int(network.loss[0])
        self.max_iou = network.loss[5]
        self.convolutions = nn.ModuleList(_convolutions(network, path))

    def forward(self, pictures: Tensor) -> Tensor:
        """Score every window: BGR (n, 3, height, width) to (n, rows, columns)."""
        x = pictures
        for convolution in self.convolutions[:-1]:
            x = F.relu(convolution(x))
        return _single_filter(self.convolutions[-1], x)


class EmbedderNetwork(nn.Module):
    """The 29-layer residual network of file dlib_face_recognition_resnet_model_v1.dat."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        network = parse_network(path.read_bytes(), path)
        kinds = [layer.kind for layer in network.layers]
        if len(network.loss) != 2 or kinds != _EMBEDDER_KINDS:
            raise CaerError(f"{path}: does not contain dlib's face embedder but another network")
        outputs, inputs = network.layers[-1].numbers
        weights = network.layers[-1].tensors[0]
        convolutions = list(_convolutions(network, path))
        self.stem = convolutions[0]
        self.blocks = nn.ModuleList(
            _Block(first, second, halves)
            for first, second, halves in zip(
                convolutions[1::2], convolutions[2::2], _HALVES, strict=True
            )
        )
        if weights.size != outputs * inputs:
            raise CaerError(f"{path}: the last layer's weights do not fit its size")
        self.last = nn.Parameter(torch.from_numpy(weights).view(inputs, outputs), False)

    def forward(self, chips: Tensor) -> Tensor:
        """Embed face chips: BGR (n, 3, 150, 150) to (n, 128)."""
        x = F.max_pool2d(F.relu(self.stem(chips)), 3, 2)
        for block in self.blocks:
            x = block(x)
        return x.mean((2, 3)) @ self.last


def _single_filter(convolution: nn.Module, x: Tensor) -> Tensor:
    """Apply a convolution with one square filter: (n, channels, h, w) to (n, h, w).

    Libraries compute at least eight filters at a time and would throw seven away. Here each row of
    the filter is a filter of its own, and the rows' results are shifted and added: ten times
    faster.
    """
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    side = convolution.kernel_size[0]
    rows = convolution.weight[0].permute(1, 0, 2).reshape(side, -1, 1, side)
    by_row = F.conv2d(x, rows, padding=(0, side // 2)).float()
    height = by_row.shape[2]
    by_row = F.pad(by_row, (0, 0, side // 2, side // 2))
    shifted = [by_row[:, row, row : row + height] for row in range(side)]
    return torch.stack(shifted).sum(0) + convolution.bias


class _Block(nn.Module):
    """A residual block; where it halves the picture, the shortcut is averaged two by two."""

    def __init__(self, first: nn.Conv2d, second: nn.Conv2d, halves: bool) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.halves = halves

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.relu(self.first(x)))
        shortcut = F.avg_pool2d(x, 2, 2) if self.halves else x
        return F.relu(_add(y, shortcut))


def _add(a: Tensor, b: Tensor) -> Tensor:
    """Add tensors of unequal size as dlib does: the smaller is filled up with zeros."""
    if a.shape == b.shape:
        return a + b
    sizes = [max(x, y) for x, y in zip(a.shape[1:], b.shape[1:], strict=True)]

    def filled(x: Tensor) -> Tensor:
        channels, rows, columns = (s - t for s, t in zip(sizes, x.shape[1:], strict=True))
        return F.pad(x, (0, columns, 0, rows, 0, channels))

    return filled(a) + filled(b)


def _convolutions(network: Network, path: Path) -> Iterator[nn.Conv2d]:
    """Make the network's convolutions, each with the normalisation that follows it folded in."""
    layers = network.layers
    channels = 3
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        if layer.kind != "convolution":
            continue
        filters, rows, columns, *_ = layer.numbers
        if layer.tensors[0].size != filters * (channels * rows * columns + 1):
            raise CaerError(f"{path}: a layer's weights do not fit its size")
        parameters = torch.from_numpy(layer.tensors[0])
        weight = parameters[:-filters].view(filters, channels, rows, columns).double()
        bias = parameters[-filters:].double()
        if following is not None and following.kind in ("affine", "batch_norm"):
            scale, shift = _scale_and_shift(following, filters, path)
            weight, bias = weight * scale.view(-1, 1, 1, 1), bias * scale + shift
        if channels == 3:
            mean = torch.tensor(network.mean, dtype=torch.float64).view(3, 1, 1)
            weight = weight / 256
            bias = bias - (weight * mean).sum((1, 2, 3))
            weight = weight.flip(1)  # from RGB, in which the networks were trained, to BGR
        yield _convolution(layer.numbers, weight, bias)
        channels = filters


def _scale_and_shift(layer: Layer, filters: int, path: Path) -> tuple[Tensor, Tensor]:
    if any(len(t) != n for t, n in zip(layer.tensors, (2 * filters, filters, filters))):  # noqa: B905
        raise CaerError(f"{path}: a layer's weights do not fit its size")
    parameters = torch.from_numpy(layer.tensors[0]).double()
    scale, shift = parameters[:filters], parameters[filters:]
    if layer.kind == "batch_norm":
        mean, variance = (torch.from_numpy(t).double() for t in layer.tensors[1:])
        scale = scale / torch.sqrt(variance + layer.epsilon)
        shift = shift - scale * mean
    return scale, shift


def _convolution(numbers: Sequence[int], weight: Tensor, bias: Tensor) -> nn.Conv2d:
    filters, rows, columns, *strides_and_padding = numbers
    stride_y, stride_x, padding_y, padding_x = strides_and_padding
    made = nn.Conv2d(
        weight.shape[1],
        filters,
        (rows, columns),
        stride=(stride_y, stride_x),
        padding=(padding_y, padding_x),
    )
    laid_out = weight.float().contiguous(memory_format=torch.channels_last)  # faster on a CPU
    made.weight = nn.Parameter(laid_out, requires_grad=False)
    made.bias = nn.Parameter(bias.float(), requires_grad=False)
    return made


_DETECTOR_KINDS = ["convolution", "batch_norm", "relu"] * 6 + ["convolution"]

_HALVES = [False] * 3 + [True] + [False] * 3 + [True] + [False] * 2 + [True] + [False] * 2 + [True]

_EMBEDDER_KINDS = [
    *("convolution", "affine", "relu", "max_pool"),
    *(
        kind
        for halves in _HALVES
        for kind in (
            *("convolution", "affine", "relu", "convolution", "affine"),
            *(("avg_pool",) if halves else ()),
            *("add_prev", "relu"),
        )
    ),
    *("avg_pool", "fully_connected"),
]
