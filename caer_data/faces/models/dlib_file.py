"""Reads network files of dlib without dlib, checking its binary format at every step.

Format (http://dlib.net, dlib/serialize.h and dlib/dnn): An integer is one byte, whose low four bits
are the number of bytes that follow (little-endian) and whose top bit is the sign. A real number
consists of the integers mantissa and exponent of `mantissa * 2**exponent`, a text of its length and
its bytes, a tensor of its version, four sizes and 32-bit floats. A network consists of its loss,
the versions of all nested layers from the outermost inwards, the input, and every layer from the
input on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import numpy as np

from caer_data.engine.errors import CaerError
from caer_data.faces.models.interface import Floats


@dataclass(frozen=True)
class Layer:
    """One layer: its kind without dlib's version suffix, its integers and its tensors."""

    kind: str
    numbers: tuple[int, ...]
    tensors: tuple[Floats, ...]
    epsilon: float = 0.0


@dataclass(frozen=True)
class Network:
    """Content of a file: settings of the loss, mean RGB of the input, and the layers in order."""

    loss: tuple[float, ...]
    mean: tuple[float, float, float]
    layers: tuple[Layer, ...]


def parse_network(data: bytes, path: Path) -> Network:
    """Parse the content of a network file of dlib; `path` is used in messages.

    Raises:
        CaerError: the file is damaged or contains an unknown layer.
    """
    return _Reader(data, path).network()


class _Reader:
    """A position in the bytes of one file; every method reads one item and advances."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.data = data
        self.path = path
        self.at = 0

    def fail(self, what: str) -> NoReturn:
        raise CaerError(
            f"{self.path}: not a usable network of dlib, {what} at byte {self.at}; "
            "install the file again (pip install --force-reinstall face_recognition_models)"
        )

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            self.fail("unexpected end")
        chunk = self.data[self.at : self.at + count]
        self.at += count
        return chunk

    def integer(self) -> int:
        control = self.take(1)[0]
        count = control & 0x0F
        if control & 0x70 or not 1 <= count <= 8:
            self.fail("an integer was expected")
        value = int.from_bytes(self.take(count), "little")
        return -value if control & 0x80 else value

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def real(self) -> float:
        mantissa, exponent = self.integers(2)
        if abs(exponent) > 900:
            self.fail("a number is out of range")
        return float(mantissa) * 2.0**exponent

    def reals(self, count: int) -> tuple[float, ...]:
        return tuple(self.real() for _ in range(count))

    def text(self) -> str:
        length = self.integer()
        if not 0 < length <= 64:
            self.fail("a name was expected")
        return self.take(length).decode("ascii", "replace")

    def tensor(self) -> Floats:
        if self.integer() != 2:
            self.fail("a tensor was expected")
        sizes = self.integers(4)
        if min(sizes) < 0:
            self.fail("a tensor has a negative size")
        count = sizes[0] * sizes[1] * sizes[2] * sizes[3]
        values = np.frombuffer(self.take(4 * count), "<f4").astype(np.float32)
        if not np.isfinite(values).all():
            self.fail("a weight is not a number")
        return values

    def alias(self) -> None:
        """Skip the header of a part of a tensor: version and four sizes."""
        self.integers(5)

    def network(self) -> Network:
        loss = self.loss()
        while (version := self.integer()) in (1, 2):  # the nested layers, outermost first
            pass
        if version != 3:  # the innermost layer, which contains the input
            self.fail(f"layer version {version}")
        mean = self.input()
        layers = [self.layer()]
        self.integer()  # the innermost layer ends with its sample expansion factor
        while self.at < len(self.data):
            layers.append(self.layer())
        return Network(loss, mean, tuple(layers))

    def loss(self) -> tuple[float, ...]:
        if self.integer() != 1:
            self.fail("a loss was expected")
        name = self.text()
        if name == "loss_mmod_":
            if self.integer() != 1:
                self.fail("unknown version of the detector's settings")
            width, height = self.integers(2)
            return (float(width), float(height), *self.reals(7))
        if name != "loss_metric_2":
            self.fail(f"unknown loss '{name}'")
        return self.reals(2)

    def input(self) -> tuple[float, float, float]:
        name = self.text()
        red, green, blue = self.reals(3)
        if name == "input_rgb_image_sized":
            self.integers(2)
        elif name != "input_rgb_image_pyramid":
            self.fail(f"unknown input '{name}'")
        return red, green, blue

    def layer(self) -> Layer:
        name = self.text()
        if name not in _LAYERS:
            self.fail(f"unknown layer '{name}'")
        layer = _LAYERS[name](self)
        if self.take(3).strip(b"01"):
            self.fail("a layer's flags were expected")
        for _ in range(3):  # gradients and the last output, which are not used
            self.tensor()
        return layer


def _convolution(reader: _Reader) -> Layer:
    weights = reader.tensor()
    numbers = reader.integers(7)  # filters, rows, columns, stride y, x, padding y, x
    if min(numbers[:5]) < 1 or min(numbers[5:]) < 0 or max(numbers) > 4096:
        reader.fail("a convolution has an impossible size")
    reader.alias()
    reader.alias()
    reader.reals(4)
    return Layer("convolution", numbers, (weights,))


def _affine(reader: _Reader) -> Layer:
    weights = reader.tensor()
    reader.alias()
    reader.alias()
    reader.integer()
    return Layer("affine", (), (weights,))


def _batch_norm(reader: _Reader) -> Layer:
    weights = reader.tensor()
    reader.alias()
    reader.alias()
    reader.tensor()  # mean and deviation of the last training batch
    reader.tensor()
    mean, variance = reader.tensor(), reader.tensor()
    reader.integers(2)
    reader.reals(4)
    return Layer("batch_norm", (), (weights, mean, variance), epsilon=reader.real())


def _pool(kind: str) -> Callable[[_Reader], Layer]:
    def read(reader: _Reader) -> Layer:
        return Layer(kind, reader.integers(6), ())  # rows, columns, stride y, x, padding y, x

    return read


def _fully_connected(reader: _Reader) -> Layer:
    numbers = reader.integers(2)  # outputs, inputs
    weights = reader.tensor()
    reader.alias()
    reader.alias()
    reader.integer()
    reader.reals(4)
    return Layer("fully_connected", numbers, (weights,))


_LAYERS: Final[dict[str, Callable[[_Reader], Layer]]] = {
    "con_4": _convolution,
    "affine_": _affine,
    "bn_con2": _batch_norm,
    "max_pool_2": _pool("max_pool"),
    "avg_pool_2": _pool("avg_pool"),
    "fc_2": _fully_connected,
    "relu_": lambda _: Layer("relu", (), ()),
    "add_prev_": lambda _: Layer("add_prev", (), ()),
}
