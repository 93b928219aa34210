"""Read pictures for the networks from media files: sampled frames, face crops, small frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from caer_data.benchmark.data.samples import Boxes
from caer_data.engine.errors import CaerError
from caer_data.media.frame import DecodedFrame, averaged
from caer_data.media.probe import VideoInfo, probe
from caer_data.media.sampling import sampled_frames

Picture = npt.NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

Edges = tuple[int, int, int, int]
"""Left, top, right and bottom of a rectangle in pixels; right and bottom are exclusive."""

MAX_PIXELS: Final = 36_000_000


class Shown(Protocol):
    """A picture; only the requested part is converted to RGB."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the whole picture."""

    def whole(self) -> Picture:
        """Return the whole picture."""

    def at(self, size: tuple[int, int]) -> Picture:
        """Return the whole picture at `size` (height, width); shrinking averages areas."""

    def part(self, edges: Edges, size: tuple[int, int]) -> Picture:
        """Return a rectangle of it at `size`."""


@dataclass(frozen=True)
class Still:
    """A picture in memory."""

    picture: Picture

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.picture.shape[0], self.picture.shape[1]

    def whole(self) -> Picture:
        """The picture."""
        return self.picture

    def at(self, size: tuple[int, int]) -> Picture:
        """The picture resized."""
        return np.asarray(averaged(self.picture, size[::-1]), np.uint8)

    def part(self, edges: Edges, size: tuple[int, int]) -> Picture:
        """A rectangle resized."""
        x1, y1, x2, y2 = edges
        return np.asarray(averaged(self.picture[y1:y2, x1:x2], size[::-1]), np.uint8)


@dataclass(frozen=True)
class Moving:
    """A frame of a video."""

    frame: DecodedFrame

    @property
    def size(self) -> tuple[int, int]:
        """Height and width as displayed."""
        return self.frame.info.height, self.frame.info.width

    def whole(self) -> Picture:
        """The displayed picture."""
        return _rgb(self.frame.picture())

    def at(self, size: tuple[int, int]) -> Picture:
        """The displayed picture resized."""
        return _rgb(self.frame.shrunk(*size[::-1]))

    def part(self, edges: Edges, size: tuple[int, int]) -> Picture:
        """A rectangle of the displayed picture resized."""
        return _rgb(self.frame.part_at(*edges, *size[::-1]))


def _rgb(bgr: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def sampled(
    path: Path, fps: float | None, info: VideoInfo | None = None
) -> Iterator[tuple[int, Shown]]:
    """Yield index and frame of a clip nearest to 0, 1/fps, 2/fps, ... seconds; or one picture.

    Frames are chosen by timestamp, so any frame rate, even a variable one, gives `fps` frames per
    second. If `fps` is None, the file is an image, whose index is 0. `info` is the result of an
    earlier probe of the clip, if there is one.

    Raises:
        CaerError: the file cannot be decoded.
    """
    if fps is None:
        yield 0, Still(_image(path))
        return
    found = False
    for frame in sampled_frames(path, info or probe(path), fps):
        found = True
        yield frame.index, Moving(frame)
    if not found:
        raise CaerError(f"{path}: no frame can be decoded")


def is_picture(path: Path) -> bool:
    """Return whether a file has the suffix of a picture format."""
    try:
        with Image.open(path):
            return True
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


def _image(path: Path) -> Picture:
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise CaerError(f"{path}: a picture of {image.width}x{image.height} is too large")
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError as error:
        raise CaerError(f"{path}: does not exist") from error
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise CaerError(f"{path}: cannot be read as a picture; repair or remove it") from error


def box_at(boxes: Boxes, frame: int) -> npt.NDArray[np.float32]:
    """Return the box at a frame, shape (4,): interpolated or, outside known frames, the nearest."""
    known = boxes[:, 0]
    return np.array([np.interp(frame, known, boxes[:, i]) for i in range(1, 5)], np.float32)


def face_crop(shown: Shown, box: npt.NDArray[np.float32], size: tuple[int, int]) -> Picture:
    """Return the box's part of the picture at `size` (height, width).

    Raises:
        CaerError: less than two pixels of the box are inside the picture.
    """
    height, width = shown.size
    x1, y1 = np.floor(box[:2]).astype(int).clip(0, [width, height])
    x2, y2 = np.ceil(box[2:]).astype(int).clip(0, [width, height])
    if x2 - x1 < 2 or y2 - y1 < 2:
        numbers = ", ".join(f"{v:.1f}" for v in box)
        raise CaerError(f"the box ({numbers}) lies outside the frame of {width}x{height}")
    return shown.part((x1, y1, x2, y2), size)
