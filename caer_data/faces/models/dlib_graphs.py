"""dlib's two published face networks as ONNX graphs, built from dlib's own files.

Both take BGR pictures as bytes, (n, height, width, 3). The input's mean and scale, the order of
the colours and the normalisation layers are folded into the convolutions without changing results.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from caer_data.engine.errors import CaerError
from caer_data.faces.models.dlib_file import Layer, Network, parse_network
from caer_data.faces.models.interface import Floats
from caer_data.faces.models.onnx_graph import Graph

if TYPE_CHECKING:
    from onnx import ModelProto

VERSION: Final = 1
"""Version of the graphs, increased when a change builds different graphs from the same files."""

CHIP: Final = 150
"""Side of the embedder's input, px."""

Doubles = npt.NDArray[np.float64]


def detector_graph(data: bytes, path: Path) -> ModelProto:
    """Return the max-margin detector (King 2015, arXiv:1502.00046) of mmod_human_face_detector.dat.

    It has seven convolutions; the output (n, rows, columns) contains scores of windows. Width and
    height of the pictures are variable. The model's metadata contain `window`, the side of a window
    in pixels, and `max_iou`, the maximum overlap of two faces.

    Args:
        data: content of the file.
        path: path of the file, for messages.

    Raises:
        CaerError: the file contains a different network.
    """
    network = parse_network(data, path)
    if len(network.loss) != 9 or [layer.kind for layer in network.layers] != _DETECTOR_KINDS:
        raise CaerError(f"{path}: does not contain dlib's face detector but another network")
    graph = Graph()
    x = _pixels(graph)
    *hidden, last = _convolutions(network, path)
    for convolution in hidden:
        x = graph.add("Relu", _apply(graph, convolution, x))
    scores = _apply_single_filter(graph, last, x)
    scores = graph.add("Squeeze", scores, graph.constant(np.array([1])))
    metadata = {"window": str(int(network.loss[0])), "max_iou": repr(network.loss[5])}
    return graph.model(["n", "height", "width", 3], scores, ["n", "rows", "columns"], metadata)


def embedder_graph(data: bytes, path: Path) -> ModelProto:
    """Return the 29-layer residual network of dlib_face_recognition_resnet_model_v1.dat.

    It converts chips of `CHIP` pixels to vectors (n, 128). For arguments and errors see
    `detector_graph`.
    """
    network = parse_network(data, path)
    kinds = [layer.kind for layer in network.layers]
    if len(network.loss) != 2 or kinds != _EMBEDDER_KINDS:
        raise CaerError(f"{path}: does not contain dlib's face embedder but another network")
    graph = Graph()
    stem, *rest = _convolutions(network, path)
    x = graph.add("Relu", _apply(graph, stem, _pixels(graph)))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    side = (stem.side_after(CHIP) - 3) // 2 + 1
    for first, second, halves in zip(rest[::2], rest[1::2], _HALVES, strict=True):
        x, side = _block(graph, x, side, first, second, halves)
    x = graph.add("ReduceMean", x, axes=[2, 3], keepdims=0)
    outputs, inputs = network.layers[-1].numbers
    weights = network.layers[-1].tensors[0]
    if weights.size != outputs * inputs or inputs != len(rest[-1].bias):
        _does_not_fit(path)
    vectors = graph.add("MatMul", x, graph.constant(weights.reshape(inputs, outputs)))
    return graph.model(["n", CHIP, CHIP, 3], vectors, ["n", outputs], {})


@dataclass(frozen=True)
class _Convolution:
    """Weights (filters, channels, rows, columns), bias (filters,), (y, x) stride and padding."""

    weights: Floats
    bias: Floats
    stride: tuple[int, int]
    padding: tuple[int, int]

    def side_after(self, side: int) -> int:
        """Return the side of a square picture after the convolution."""
        rows = int(self.weights.shape[2])
        return (side + 2 * self.padding[0] - rows) // self.stride[0] + 1


def _pixels(graph: Graph) -> str:
    """Convert the input's bytes to floats, channels first; return the name of the result."""
    return graph.add("Transpose", graph.add("Cast", "pictures", to=1), perm=[0, 3, 1, 2])


def _apply(graph: Graph, convolution: _Convolution, x: str) -> str:
    weights, bias = graph.constant(convolution.weights), graph.constant(convolution.bias)
    return graph.add(
        "Conv", x, weights, bias, strides=convolution.stride, pads=convolution.padding * 2
    )


def _apply_single_filter(graph: Graph, convolution: _Convolution, x: str) -> str:
    """Apply a convolution with one square filter.

    Libraries compute at least eight filters at a time and would discard seven. Therefore each row
    of the filter becomes a filter, and a second convolution shifts and adds their results.
    """
    side = convolution.weights.shape[3]
    rows = convolution.weights[0].transpose(1, 0, 2).reshape(side, -1, 1, side)
    shifts = np.eye(side, dtype=np.float32).reshape(1, side, side, 1)
    half = side // 2
    by_row = graph.add("Conv", x, graph.constant(rows), pads=[0, half, 0, half])
    bias = graph.constant(convolution.bias)
    return graph.add("Conv", by_row, graph.constant(shifts), bias, pads=[half, 0, half, 0])


def _block(
    graph: Graph, x: str, side: int, first: _Convolution, second: _Convolution, halves: bool
) -> tuple[str, int]:
    """Add a residual block; if it halves the picture, the shortcut is averaged two by two.

    As in dlib, terms of unequal size are padded with zeros before they are added.

    Returns:
        Name and side of the result.
    """
    y = graph.add("Relu", _apply(graph, first, x))
    y = _apply(graph, second, y)
    side_y = second.side_after(first.side_after(side))
    side_x = side // 2 if halves else side
    shortcut = graph.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]) if halves else x
    largest = max(side_x, side_y)
    channels = second.weights.shape[0] - first.weights.shape[1]
    total = graph.add(
        "Add",
        _fill(graph, y, max(-channels, 0), largest - side_y),
        _fill(graph, shortcut, max(channels, 0), largest - side_x),
    )
    return graph.add("Relu", total), largest


def _fill(graph: Graph, x: str, channels: int, edge: int) -> str:
    """Pad with zeros: channels at the end, and pixels at the right and at the bottom."""
    if not channels and not edge:
        return x
    return graph.add("Pad", x, graph.constant(np.array([0, 0, 0, 0, 0, channels, edge, edge])))


def _convolutions(network: Network, path: Path) -> Iterator[_Convolution]:
    """Yield the network's convolutions, each with the following normalisation folded in."""
    layers = network.layers
    channels = 3
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        if layer.kind != "convolution":
            continue
        filters, rows, columns, *strides_and_padding = layer.numbers
        parameters = layer.tensors[0].astype(np.float64)
        if parameters.size != filters * (channels * rows * columns + 1):
            _does_not_fit(path)
        weights = parameters[:-filters].reshape(filters, channels, rows, columns)
        bias = parameters[-filters:]
        if following is not None and following.kind in ("affine", "batch_norm"):
            scale, shift = _scale_and_shift(following, filters, path)
            weights, bias = weights * scale.reshape(-1, 1, 1, 1), bias * scale + shift
        if channels == 3:
            weights = weights / 256
            bias = bias - (weights * np.reshape(network.mean, (3, 1, 1))).sum((1, 2, 3))
            weights = weights[:, ::-1]  # from RGB, with which the networks were trained, to BGR
        stride_y, stride_x, padding_y, padding_x = strides_and_padding
        yield _Convolution(
            _single(weights), _single(bias), (stride_y, stride_x), (padding_y, padding_x)
        )
        channels = filters


def _scale_and_shift(layer: Layer, filters: int, path: Path) -> tuple[Doubles, Doubles]:
    sizes = (2 * filters, filters, filters)[: len(layer.tensors)]
    if tuple(tensor.size for tensor in layer.tensors) != sizes:
        _does_not_fit(path)
    parameters = layer.tensors[0].astype(np.float64)
    scale, shift = parameters[:filters], parameters[filters:]
    if layer.kind == "batch_norm":
        mean, variance = (tensor.astype(np.float64) for tensor in layer.tensors[1:])
        scale = scale / np.sqrt(variance + layer.epsilon)
        shift = shift - scale * mean
    return scale, shift


def _single(values: npt.NDArray[Any]) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float32)


def _does_not_fit(path: Path) -> NoReturn:
    raise CaerError(f"{path}: a layer's weights do not fit its size")


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
