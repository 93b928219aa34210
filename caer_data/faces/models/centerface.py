"""CenterFace (Xu et al. 2019, arXiv:1911.03599), run with ONNX Runtime.

For each cell of four by four pixels, the network returns the probability that it contains the
centre of a face, the logarithm of the face's height and width in cells, the position of the centre
within the cell, and five points as shares of the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from caer_data.faces.models import weights
from caer_data.faces.models.geometry import Reals, detections, pad, resize
from caer_data.faces.models.interface import Detections, Floats, Picture, Provider, Settings
from caer_data.faces.models.onnx import load
from caer_data.faces.models.weights import ModelFile

_INPUT = "input.1"
_OUTPUTS = ["537", "538", "539", "540"]  # heat, sizes, offsets, points
_CELL = 4
_STRIDE = 32
_MAX_IOU = 0.3


class CenterfaceDetector:
    """Finds faces of at least about 8 px in the resized picture, with five points."""

    name = "centerface"
    min_score = 0.5
    weak_score = 0.35
    sure_score = 0.7
    close_score = 0.55

    def __init__(self, file: ModelFile, provider: Provider, threads: int, size: int) -> None:
        model = load(replace(file, data=with_free_size(file.data)), provider, threads)
        self.size = size
        self.provider = model.provider
        self.warnings = model.warnings
        self._session = model.session

    def detect(
        self, pictures: Sequence[Picture], min_score: float, size: int | None = None
    ) -> list[Detections]:
        """Find faces; see `interface.Detector`."""
        if not pictures:
            return []
        _, scale_x, scale_y = resize(pictures[0], size or self.size)
        looked_at = [pad(resize(p, size or self.size)[0], _STRIDE) for p in pictures]
        blob = cv2.dnn.blobFromImages(looked_at, swapRB=True)
        outputs = self._session.run(_OUTPUTS, {_INPUT: blob})
        zoom = np.array((scale_x, scale_y), np.float32)
        return [_decode(maps, min_score, zoom) for maps in zip(*outputs, strict=True)]


def _decode(maps: tuple[Floats, ...], min_score: float, zoom: Reals) -> Detections:
    """Return the faces of one picture from the network's four maps, in pixels of the picture."""
    heat, sizes, offsets, points = maps
    rows, columns = np.nonzero(heat[0] >= min_score)
    cells = np.stack([columns, rows], axis=1)
    size = np.exp(sizes[::-1, rows, columns].T) * _CELL
    centres = (cells + offsets[::-1, rows, columns].T + 0.5) * _CELL
    corners = centres - size / 2
    boxes = np.concatenate([corners, corners + size], axis=1)
    shares = points[:, rows, columns].T.reshape(-1, 5, 2)[:, :, ::-1]
    places = corners[:, None] + shares * size[:, None]
    scores = heat[0, rows, columns]
    return detections(boxes / np.tile(zoom, 2), scores, _MAX_IOU, places / zoom)


def with_free_size(data: bytes) -> bytes:
    """Return the published file with variable instead of fixed shapes of its input and outputs.

    The file declares pictures of 32 by 32 in batches of ten, although nothing in its graph depends
    on this. In the protocol buffer, a size below 128 and an empty name of a size have equal length,
    so that the bytes can be replaced in place.
    """
    for channels, side in ((3, 32), (1, 8), (2, 8), (10, 8)):
        fixed = b"".join(_fixed(n) for n in (10, channels, side, side))
        data = data.replace(fixed, _OPEN + _fixed(channels) + _OPEN + _OPEN)
    return data


_OPEN = b"\x0a\x02\x12\x00"  # Dimension { dim_param: "" }


def _fixed(size: int) -> bytes:
    return b"\x0a\x02\x08" + bytes([size])  # Dimension { dim_value: size }


def check(settings: Settings) -> None:
    """Raise a CaerError if the model file is not installed or is not the published one."""
    weights.centerface()


def create(settings: Settings, threads: int) -> CenterfaceDetector:
    """Return the loaded detector; see `choose.create_detector`."""
    file = weights.centerface()
    return CenterfaceDetector(file, settings.provider, threads, settings.detector_size)
