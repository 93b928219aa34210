"""How the stored picture is displayed; no other module decides this.

A player crops, stretches pixels that are not square, rotates and mirrors as the file says. Analysis
and clips both use this module, and FFmpeg's own rotation and cropping are switched off. If the
aspect ratio changes within a broadcast, the displayed frame stays that of the first picture, and
other pictures are fitted into it between black bars, as on a television set.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from caer_data.media.fragments import inside, track_number, tracks, within

_MATRIX: Final = struct.Struct("=9i")  # FFmpeg's display matrix: a b u, c d v, x y w

_APERTURE: Final = struct.Struct(">IIIIiIiI")  # width, height and offsets, each a fraction
_FIRST_ENTRY: Final = 8  # bytes before the first sample entry (ISO/IEC 14496-12, section 8.5.2)
_VISUAL_ENTRY: Final = 78  # bytes before the boxes of a visual sample entry (section 12.1.3)

# IDs of Matroska elements (RFC 9559)
_SEGMENT, _SEEK_HEAD, _TRACKS, _ENTRY, _VIDEO = 0x18538067, 0x114D9B74, 0x1654AE6B, 0xAE, 0xE0
_SEEK_ID, _SEEK_POSITION = 0x53AB, 0x53AC
_BOTTOM, _TOP, _LEFT, _RIGHT = 0x54AA, 0x54BB, 0x54CC, 0x54DD
_CLUSTER: Final = 0x1F43B675
_EBML: Final = b"\x1a\x45\xdf\xa3"
_MAX_BYTES: Final = 1 << 20
"""Bytes that are searched for the track headers, and maximum size of these headers."""


@dataclass(frozen=True)
class Crop:
    """Pixels of the stored picture that are not displayed, on each side."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def fits(self, width: int, height: int) -> bool:
        """Whether any pixels of a picture of this size remain."""
        return self.left + self.right < width and self.top + self.bottom < height


@dataclass(frozen=True)
class Turn:
    """How the decoded picture is made upright: it is first mirrored, then rotated.

    Attributes:
        rotation: degrees clockwise: 0, 90, 180 or 270.
        mirrored: whether left and right are exchanged before rotating.
    """

    rotation: int = 0
    mirrored: bool = False


def turn_of(matrix: bytes) -> Turn:
    """Return the turn of a display matrix; no turn if the matrix is missing or singular."""
    if len(matrix) != _MATRIX.size:
        return Turn()
    a, b, _, c, d, *_ = _MATRIX.unpack(matrix)
    area = a * d - b * c
    if area == 0:
        return Turn()
    mirrored = area < 0
    angle = math.degrees(math.atan2(-b, -a) if mirrored else math.atan2(b, a))
    return Turn(round(angle / 90) * 90 % 360, mirrored)


def displayed(
    width: int, height: int, crop: Crop, aspect: Fraction, rotation: int
) -> tuple[int, int]:
    """Return the displayed size of a stored picture: cropped, with square pixels, upright."""
    shown = max(1, round((width - crop.left - crop.right) * aspect))
    size = shown, height - crop.top - crop.bottom
    return size[::-1] if rotation in (90, 270) else size


def fit(size: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """Return the largest size of the same shape that fits into a canvas."""
    scale = min(canvas[0] / size[0], canvas[1] / size[1])
    return (
        max(1, min(canvas[0], round(size[0] * scale))),
        max(1, min(canvas[1], round(size[1] * scale))),
    )


def matroska_crop(path: Path, number: int) -> Crop:
    """Return the crop of a Matroska file's video track; an empty crop for other files."""
    videos = [
        dict(_elements(video))
        for entry, track in _elements(_tracks(path))
        if entry == _ENTRY
        for name, video in _elements(track)
        if name == _VIDEO
    ]
    if number >= len(videos):
        return Crop()
    sides = (videos[number].get(name, b"") for name in (_LEFT, _TOP, _RIGHT, _BOTTOM))
    return Crop(*(int.from_bytes(side[:8], "big") for side in sides))


def clean_aperture(path: Path, track: int, width: int, height: int) -> Crop:
    """Return the crop of a track of an MP4 or QuickTime file by its box `clap`.

    Args:
        path: the file.
        track: number of the track.
        width: width of the stored picture.
        height: height of the stored picture.
    """
    with path.open("rb") as file:
        films = tracks(file, path.stat().st_size)
        own = next((trak for trak in films if track_number(trak) == track), b"")
    table = within(own, b"mdia", b"minf", b"stbl", b"stsd")
    entry = next((data for _, data in inside(table[_FIRST_ENTRY:])), b"")
    aperture = within(entry[_VISUAL_ENTRY:], b"clap")
    if len(aperture) < _APERTURE.size:
        return Crop()
    values = _APERTURE.unpack(aperture[: _APERTURE.size])
    if not all(values[1::2]):
        return Crop()
    shown = [Fraction(*pair) for pair in zip(values[::2], values[1::2], strict=True)]
    left, right = _beside(width, shown[0], shown[2])
    top, bottom = _beside(height, shown[1], shown[3])
    return Crop(left, top, right, bottom)


def _beside(whole: int, shown: Fraction, offset: Fraction) -> tuple[int, int]:
    """Return the pixels before and behind what is shown, whose centre is offset."""
    before = min(max(0, math.floor((whole - shown) / 2 + offset)), whole)
    return before, max(0, whole - before - round(shown)) if shown > 0 else whole


def _tracks(path: Path) -> bytes:
    """Return the content of the element `Tracks`, which may come after the pictures."""
    with path.open("rb") as file:
        head = file.read(_MAX_BYTES)
        if not head.startswith(_EBML):
            return b""
        segment = _content(head, _SEGMENT)
        found = dict(_elements(segment))
        if _TRACKS in found:
            return found[_TRACKS]
        for _, seek in _elements(found.get(_SEEK_HEAD, b"")):
            entry = dict(_elements(seek))
            if int.from_bytes(entry.get(_SEEK_ID, b""), "big") == _TRACKS:
                place = int.from_bytes(entry.get(_SEEK_POSITION, b"")[:7], "big")
                file.seek(len(head) - len(segment) + place)
                return dict(_elements(file.read(_MAX_BYTES))).get(_TRACKS, b"")
    return b""


def _content(data: bytes, wanted: int) -> bytes:
    """Return the data after the header of the first element with an ID, to the end of the data."""
    at = 0
    while at < len(data):
        name, at = _number(data, at, keep_marker=True)
        size, at = _number(data, at, keep_marker=False)
        if name == wanted:
            return data[at:]
        if name < 0 or size < 0:
            break
        at += size
    return b""


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield ID and content of each element, up to the pictures."""
    at = 0
    while at < len(data):
        name, at = _number(data, at, keep_marker=True)
        size, at = _number(data, at, keep_marker=False)
        if name < 0 or size < 0 or name == _CLUSTER:
            return
        yield name, data[at : at + size]
        at += size


def _number(data: bytes, at: int, *, keep_marker: bool) -> tuple[int, int]:
    """Return a variable-length number and the position of its end; -1 if there is none."""
    if at >= len(data) or data[at] == 0:
        return -1, len(data)
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big")
    return (value if keep_marker else value & ((1 << 7 * length) - 1)), at + length
