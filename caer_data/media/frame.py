"""A decoded frame, and pictures of it that are computed directly from the decoder's planes.

A frame provides a small picture for shot detection and a larger one for faces, without converting
the whole frame.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from av import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from caer_data.media.colour import HLG, PQ, assumed, one_field, tone_mapped
from caer_data.media.geometry import Crop, Turn, displayed, fit
from caer_data.media.probe import VideoInfo

Picture = npt.NDArray[np.uint8]
_Scale = Callable[[npt.NDArray[Any], int, tuple[int, int]], npt.NDArray[Any]]
"""Resizes a plane, given with its number, to (width, height)."""

# Bit depth of planar YUV formats by FFmpeg's name; the chroma planes may have any size.
_PLANAR: Final = {
    f"yuv{full}{chroma}p{depth}": int(depth[:2] or 8)
    for full in ("", "j")
    for chroma in ("420", "422", "444")
    for depth in (("",) if full else ("", "10le", "12le"))
}
_TURNS: Final = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
# Luma weights of red and blue by AVColorSpace (ITU-T H.273, table 4)
_WEIGHTS_601: Final = (0.299, 0.114)
_WEIGHTS_709: Final = (0.2126, 0.0722)
_WEIGHTS: Final = {1: _WEIGHTS_709, 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
_UNSPECIFIED: Final = 2
_WHOLE: Final = Crop()
_BLOCK: Final = 4
"""Pixels; a multiple of the pixels that share a chroma sample."""
_FULL_RANGE: Final = 2
_MOST_SCALERS: Final = 16
_AREA: Final = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT


@dataclass(frozen=True)
class DecodedFrame:
    """A decoded frame; its pictures are computed on demand.

    Attributes:
        index: number of the frame, from 0, in presentation order.
        pts: timestamp in the stream's time base, always later than the previous frame's; `retime`
            explains when it differs from the file's.
        duration: duration of the frame, in the time base.
        raw: the decoder's frame.
        info: properties of the video.
        stamp: the frame's timestamp in the file; None if it has none.
        aspect: width over height of its pixels; None if it is that of the first frame.
    """

    index: int
    pts: int
    duration: int
    raw: Any
    info: VideoInfo
    stamp: int | None = None
    aspect: Fraction | None = None

    def picture(self, max_side: int | None = None) -> Picture:
        """Return the displayed picture (BGR, upright), its longer side at most `max_side` px."""
        width, height = fitted(self.info.width, self.info.height, max_side)
        return self._shown(width, height, _linear, self._untagged)

    def shrunk(self, width: int, height: int) -> Picture:
        """Return the picture (BGR, upright) at exactly this size, averaging areas to shrink it.

        Except for rounding this equals resizing `picture()`, but it converts fewer pixels.
        """
        return self._shown(width, height, _averaged, self._untagged)

    def part(self, x1: int, y1: int, x2: int, y2: int) -> Picture:
        """Return a rectangle of `picture()` in BGR, right and bottom exclusive.

        If displayed and stored pixels coincide, only the surroundings of the rectangle are
        converted.
        """
        if not self._shown_as_stored:
            return self.picture()[y1:y2, x1:x2]
        near, x, y = self._surroundings(x1, y1, x2, y2)
        size = self.raw.width - near.left - near.right, self.raw.height - near.top - near.bottom
        info = replace(self.info, crop=near, width=size[0], height=size[1])
        return replace(self, info=info).picture()[y : y + y2 - y1, x : x + x2 - x1]

    def part_at(self, x1: int, y1: int, x2: int, y2: int, width: int, height: int) -> Picture:
        """Return the same rectangle at exactly this size, averaging areas to shrink it."""
        if not self._shown_as_stored or x2 - x1 < width or y2 - y1 < height:
            return averaged(self.part(x1, y1, x2, y2), (width, height))
        raw, (near, x, y) = self.raw, self._surroundings(x1, y1, x2, y2)
        planes = []
        for number in range(3):
            plane = _plane(raw, number, _PLANAR[raw.format.name], near, False)
            # a colour sample belongs to all its pixels, of which only some may be in the rectangle
            full = raw.width - near.left - near.right, raw.height - near.top - near.bottom
            if plane.shape != full[::-1]:
                plane = cv2.resize(plane, full, interpolation=cv2.INTER_NEAREST)
            planes.append(averaged(plane[y : y + y2 - y1, x : x + x2 - x1], (width, height)))
        picture = _bgr_of(raw, planes, self._untagged)
        return tone_mapped(picture, raw.color_trc) if raw.color_trc in (PQ, HLG) else picture

    @property
    def _shown_as_stored(self) -> bool:
        """Whether displayed pixels are stored pixels, in a planar format."""
        info, raw = self.info, self.raw
        plain = info.turn == Turn() and info.pixel_aspect == 1 and self.aspect is None
        stored = (raw.width, raw.height) == (info.stored_width, info.stored_height)
        return plain and stored and raw.format.name in _PLANAR and not self._split

    def _surroundings(self, x1: int, y1: int, x2: int, y2: int) -> tuple[Crop, int, int]:
        """Return whole blocks around a rectangle, and its left and top edge in them."""
        raw, own = self.raw, self.info.crop
        left, top = (max(0, n // _BLOCK - 1) * _BLOCK for n in (own.left + x1, own.top + y1))
        right = min(raw.width, (own.left + x2 + 2 * _BLOCK) // _BLOCK * _BLOCK)
        bottom = min(raw.height, (own.top + y2 + 2 * _BLOCK) // _BLOCK * _BLOCK)
        near = Crop(left, top, raw.width - right, raw.height - bottom)
        return near, own.left + x1 - left, own.top + y1 - top

    def small(self, width: int, height: int) -> Picture:
        """Return the picture (BGR, upright) at exactly this size, for comparing frames.

        Except for rounding it equals the result of `cv2.VideoCapture` and `cv2.resize`, so that
        PySceneDetect's detectors give the same results: chroma is sampled at the nearest position,
        and untagged video is treated as BT.601.
        """
        return self._shown(width, height, _nearest_colour, _WEIGHTS_601)

    @property
    def _split(self) -> bool:
        return self.info.fields.deinterlaces(bool(self.raw.interlaced_frame))

    @property
    def _untagged(self) -> tuple[float, float]:
        return _WEIGHTS.get(assumed(self.raw.height), _WEIGHTS_601)

    def luma(self, width: int, height: int) -> Picture:
        """Return the brightness of the picture (upright) at exactly this size, averaging areas.

        Unlike single samples, averages do not depend on the size of the video.
        """
        return self._luma(width, height, 4 * max(width, height), cv2.INTER_AREA)

    def brightness(self, width: int, height: int) -> Picture:
        """Return the brightness of the picture (upright) at this size, of single samples.

        This takes a tenth of the time of `luma` if the video is large.
        """
        return self._luma(width, height, max(width, height), cv2.INTER_LINEAR)

    def _luma(self, width: int, height: int, side: int, how: int) -> Picture:
        """Return the brightness; formats that must be converted are first made `side` px wide."""
        raw, turn, crop = self.raw, self.info.turn, self.info.crop
        depth = _PLANAR.get(raw.format.name)
        if depth is None or raw.color_trc in (PQ, HLG):
            grey = cv2.cvtColor(self.picture(side), cv2.COLOR_BGR2GRAY)
            return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA))
        size = (height, width) if turn.rotation in (90, 270) else (width, height)
        plane = _plane(raw, 0, depth, crop, self._split)
        small = cv2.resize(plane, size, interpolation=how)
        small = cv2.LUT(small, _conversion(raw, _WEIGHTS_601)[0])
        if turn.mirrored:
            small = cv2.flip(small, 1)
        if turn.rotation:
            small = cv2.rotate(small, _TURNS[turn.rotation])
        return np.asarray(small, np.uint8)

    def _shown(
        self, width: int, height: int, scale: _Scale, untagged: tuple[float, float]
    ) -> Picture:
        inner = self._fitted(width, height)
        turn, crop = self.info.turn, self.info.crop
        size = inner[::-1] if turn.rotation in (90, 270) else inner
        picture = _to_bgr(self.raw, size, scale, untagged, crop, self._split)
        if self.raw.color_trc in (PQ, HLG):
            picture = tone_mapped(picture, self.raw.color_trc)
        if turn.mirrored:
            picture = np.asarray(cv2.flip(picture, 1), np.uint8)
        if turn.rotation:
            picture = np.asarray(cv2.rotate(picture, _TURNS[turn.rotation]), np.uint8)
        return picture if inner == (width, height) else _between_bars(picture, width, height)

    def _fitted(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of this frame inside a canvas; smaller only if its shape changed."""
        info, raw = self.info, self.raw
        aspect = info.pixel_aspect if self.aspect is None else self.aspect
        if (raw.width, raw.height, aspect) == (
            info.stored_width,
            info.stored_height,
            info.pixel_aspect,
        ):
            return width, height
        crop = info.crop if info.crop.fits(raw.width, raw.height) else Crop()
        own = displayed(raw.width, raw.height, crop, aspect, info.turn.rotation)
        inside = fit(own, (info.width, info.height))
        return (
            max(1, round(width * inside[0] / info.width)),
            max(1, round(height * inside[1] / info.height)),
        )


def fitted(width: int, height: int, max_side: int | None) -> tuple[int, int]:
    """Return a size scaled down (never up) so that its longer side is at most `max_side`."""
    scale = 1.0 if max_side is None else min(1.0, max_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _between_bars(picture: Picture, width: int, height: int) -> Picture:
    """Return a picture centred on a black canvas."""
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def _to_bgr(
    raw: Any,
    size: tuple[int, int],
    scale: _Scale,
    untagged: tuple[float, float],
    crop: Crop = _WHOLE,
    split: bool = False,
) -> Picture:
    depth = _PLANAR.get(raw.format.name)
    if depth is None:
        # For rare formats (grey, packed, RGB), FFmpeg converts the whole frame.
        full = _cropped(raw.reformat(format="bgr24").to_ndarray(), raw, crop)
        full = one_field(full) if split and len(full) > 1 else full
        return np.asarray(cv2.resize(full, size, interpolation=cv2.INTER_AREA))
    planes = [scale(_plane(raw, n, depth, crop, split), n, size) for n in range(3)]
    return _bgr_of(raw, planes, untagged)


def _bgr_of(raw: Any, planes: list[npt.NDArray[Any]], untagged: tuple[float, float]) -> Picture:
    """Convert three planes of one size, in 8 bits, with the colours of a frame."""
    luma, *colours = planes
    scaled, matrix = _conversion(raw, untagged)
    return np.asarray(cv2.transform(cv2.merge([cv2.LUT(luma, scaled), *colours]), matrix))


def _linear(plane: npt.NDArray[Any], _: int, size: tuple[int, int]) -> npt.NDArray[Any]:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR))


def _nearest_colour(
    plane: npt.NDArray[Any], number: int, size: tuple[int, int]
) -> npt.NDArray[Any]:
    how = cv2.INTER_NEAREST_EXACT if number else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, size, interpolation=how))


def averaged(picture: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    """Return a picture or plane of 8 bits at `size` (width, height).

    Shrinking averages areas to avoid aliasing; enlarging interpolates linearly.
    """
    height, width = picture.shape[:2]
    if picture.ndim == 2 and width >= size[0] and height >= size[1]:
        return _scalers.shrunk(picture, size)
    how = cv2.INTER_AREA if width * height > size[0] * size[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def _averaged(plane: npt.NDArray[Any], _: int, size: tuple[int, int]) -> npt.NDArray[Any]:
    return averaged(plane, size)


class _Scalers(threading.local):
    """FFmpeg's scalers of planes; each keeps its tables as long as its sizes stay the same.

    They average areas as exactly as OpenCV does, in a quarter of its time.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], VideoReformatter] = {}

    def shrunk(self, plane: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
        """Return a plane of 8 bits at a smaller size (width, height)."""
        key = (*plane.shape, *size)
        if key not in self._known:
            if len(self._known) >= _MOST_SCALERS:
                self._known.clear()
            self._known[key] = VideoReformatter()
        grey = VideoFrame.from_numpy_buffer(plane, "gray")
        found = self._known[key].reformat(grey, *size, "gray", interpolation=_AREA, threads=1)
        small: Any = found.planes[0]
        rows = np.frombuffer(small, np.uint8).reshape(small.height, small.line_size)
        return np.asarray(rows[:, : small.width])


_scalers: Final = _Scalers()


def _cropped(plane: npt.NDArray[Any], raw: Any, crop: Crop) -> npt.NDArray[Any]:
    """Return the displayed part of a plane, which may be subsampled."""
    if crop == _WHOLE or not crop.fits(raw.width, raw.height):
        return plane
    height, width = plane.shape[:2]
    left, right = (n * width // raw.width for n in (crop.left, raw.width - crop.right))
    top, bottom = (n * height // raw.height for n in (crop.top, raw.height - crop.bottom))
    return plane[top : max(bottom, top + 1), left : max(right, left + 1)]


def _plane(raw: Any, number: int, depth: int, crop: Crop, split: bool) -> npt.NDArray[Any]:
    """Return the displayed part of a plane in 8 bits; only one field if it is to be split."""
    plane = raw.planes[number]
    kind = np.dtype(np.uint8 if depth == 8 else "<u2")
    rows = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)
    view = _cropped(rows[:, : plane.width], raw, crop)
    if split and len(view) > 1:
        view = one_field(view)
    return view if depth == 8 else np.right_shift(view, depth - 8).astype(np.uint8)


def _conversion(
    raw: Any, untagged: tuple[float, float]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return a table that scales Y, and the 3x4 matrix from scaled Y, Cb, Cr to B, G, R.

    See ITU-T H.273, equations 11 to 61. As in FFmpeg, Y is rounded separately, so that all shades
    of grey have the same hue; otherwise rounding would add random hues to black and white films.
    """
    weights = untagged if raw.colorspace == _UNSPECIFIED else _WEIGHTS.get(raw.colorspace)
    full = raw.color_range == _FULL_RANGE or raw.format.name.startswith("yuvj")
    return _conversion_of(weights or _WEIGHTS_601, full)


@cache
def _conversion_of(
    weights: tuple[float, float], full: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    red, blue = weights
    green = 1 - red - blue
    luma, chroma, black = (1.0, 1.0, 0.0) if full else (255 / 219, 255 / 224, 16.0)
    scaled = np.clip((np.arange(256) - black) * luma, 0, 255).astype(np.uint8)
    colours = chroma * np.array(
        [
            [2 * (1 - blue), 0],
            [-2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green],
            [0, 2 * (1 - red)],
        ]
    )
    shift = -128 * colours.sum(axis=1)
    return scaled, np.column_stack([np.ones(3), colours, shift]).astype(np.float32)
