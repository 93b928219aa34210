"""Where the displayed picture lies in the stored one: the one place that decides.

A player cuts off what the file crops, stretches pixels that are not square, turns and mirrors.
Analysis and clips both follow what is said here; FFmpeg's own turning and cropping are switched
off. A broadcast may change its aspect ratio: the displayed frame stays that of the first picture,
and others are fitted into it between black bars, as on a television set.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

_MATRIX: Final = struct.Struct("=9i")  # FFmpeg's display matrix: a b u, c d v, x y w

# Matroska's elements (RFC 9559); those that are entered
_SEGMENT, _SEEK_HEAD, _TRACKS, _ENTRY, _VIDEO = 0x18538067, 0x114D9B74, 0x1654AE6B, 0xAE, 0xE0
_SEEK_ID, _SEEK_POSITION = 0x53AB, 0x53AC
_BOTTOM, _TOP, _LEFT, _RIGHT = 0x54AA, 0x54BB, 0x54CC, 0x54DD
_CLUSTER: Final = 0x1F43B675
_EBML: Final = b"\x1a\x45\xdf\xa3"
_MAX_BYTES: Final = 1 << 20
"""Bytes in which the tracks are looked for, and that they may take."""


@dataclass(frozen=True)
class Crop:
    """Pixels of the stored picture that are not shown, at each side."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def fits(self, width: int, height: int) -> bool:
        """Whether something is left of a picture of this size."""
        return self.left + self.right < width and self.top + self.bottom < height


@dataclass(frozen=True)
class Turn:
    """How the decoded picture is made upright: first mirrored left to right, then turned.

    Attributes:
        rotation: clockwise: 0, 90, 180 or 270.
        mirrored: left and right change places first.
    """

    rotation: int = 0
    mirrored: bool = False


def turn_of(matrix: bytes) -> Turn:
    """What a display matrix asks for; one that would squash the picture is a writing error."""
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
    """Size of the displayed picture of a stored one: cropped, with square pixels, upright."""
    shown = max(1, round((width - crop.left - crop.right) * aspect))
    size = shown, height - crop.top - crop.bottom
    return size[::-1] if rotation in (90, 270) else size


def fit(size: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """Largest size of equal shape that a canvas has room for."""
    scale = min(canvas[0] / size[0], canvas[1] / size[1])
    return (
        max(1, min(canvas[0], round(size[0] * scale))),
        max(1, min(canvas[1], round(size[1] * scale))),
    )


def matroska_crop(path: Path, number: int) -> Crop:
    """What a Matroska file crops off its video track of this number; nothing in other files."""
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


def _tracks(path: Path) -> bytes:
    """Content of the element that describes the tracks; editors move it behind the pictures."""
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
    """All that follows the head of the first element of a name, to the end of the data."""
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
    """Name and content of each element, up to the pictures."""
    at = 0
    while at < len(data):
        name, at = _number(data, at, keep_marker=True)
        size, at = _number(data, at, keep_marker=False)
        if name < 0 or size < 0 or name == _CLUSTER:
            return
        yield name, data[at : at + size]
        at += size


def _number(data: bytes, at: int, *, keep_marker: bool) -> tuple[int, int]:
    """A number of variable length, and where it ends; -1 where there is none."""
    if at >= len(data) or data[at] == 0:
        return -1, len(data)
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big")
    return (value if keep_marker else value & ((1 << 7 * length) - 1)), at + length
