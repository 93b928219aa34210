"""What a fragmented MP4 states about its length, although it breaks off.

Every fragment lists its frames before their data, so that those of the last one are known even if
their data are missing. An index of segments, or the header, may state the length of the whole film
(ISO/IEC 14496-12, sections 8.8 and 8.16.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

MOST_BOXES: Final = 1_000_000
"""Maximum number of boxes of one file that are examined; a fragment has two."""
LARGEST: Final = 64 << 20
"""Maximum size of a box that is read into memory, bytes."""
_HEAD: Final = 8


@dataclass(frozen=True)
class Stated:
    """What the fragments of one track state.

    Attributes:
        frames: number of frames that the header and all fragments list.
        seconds: length of the film by its index of segments or its header; 0 if they have none.
    """

    frames: int
    seconds: Fraction


def stated(path: Path, track: int) -> Stated:
    """Return what the fragments of a track state; zeros if the file is not a fragmented MP4.

    Args:
        path: the file.
        track: number of the track.

    Raises:
        OSError: the file cannot be read.
    """
    frames = fragments = 0
    header = Fraction(0)
    starts, ends = list[Fraction](), list[Fraction]()
    with path.open("rb") as file:
        for kind, data in _boxes_of(file, path.stat().st_size):
            if kind == b"moof":
                fragments += 1
                frames += sum(_listed(data, track))
            elif kind == b"moov":
                frames += sum(_listed_before(data, track))
                header = max(header, _in_header(data))
            elif kind == b"sidx" and integer(data, 4, 4) == track:
                start, length = _indexed(data)
                starts.append(start)
                ends.append(start + length)
    if not fragments:
        return Stated(0, Fraction(0))
    indexed = max(ends) - min(starts) if ends else Fraction(0)
    return Stated(frames, max(header, indexed))


def top_level(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield each box of a file: type, place, place of its content, and end by its stated size.

    Args:
        file: an MP4 file.
        size: its size in bytes; a box may state an end behind it.
    """
    at = 0
    for _ in range(MOST_BOXES):
        file.seek(at)
        head = file.read(2 * _HEAD)
        if len(head) < _HEAD:
            return
        length, begin = integer(head, 0, 4), at + _HEAD
        if length == 1 and len(head) == 2 * _HEAD:
            length, begin = integer(head, 8, 8), at + 2 * _HEAD
        if length == 0:  # to the end of the file
            yield head[4:8], at, begin, size
        if length < begin - at:
            return
        yield head[4:8], at, begin, at + length
        at += length
        if at > size:
            return


def _boxes_of(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of the small boxes of a file."""
    for kind, _, begin, end in top_level(file, size):
        if kind in (b"moof", b"moov", b"sidx") and end - begin <= LARGEST:
            file.seek(begin)
            yield kind, file.read(end - begin)


def tracks(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the content of each box `trak` of an MP4 or QuickTime file of this size."""
    for kind, _, begin, end in top_level(file, size):
        if kind == b"moov" and end - begin <= LARGEST:
            file.seek(begin)
            yield from (track for name, track in inside(file.read(end - begin)) if name == b"trak")
            return


def track_number(trak: bytes) -> int:
    """Return the number of a track; FFmpeg uses it as the identifier of the stream."""
    head = dict(inside(trak)).get(b"tkhd", b"")
    return integer(head, 20 if head[:1] == b"\1" else 12, 4)


def within(data: bytes, *names: bytes) -> bytes:
    """Return the content of a box in nested boxes; empty if there is none."""
    for name in names:
        data = dict(inside(data)).get(name, b"")
    return data


def inside(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each box in the content of another; what is missing is cut off."""
    at = 0
    while at + _HEAD <= len(data):
        length = integer(data, at, 4)
        if length < _HEAD:
            return
        yield data[at + 4 : at + _HEAD], data[at + _HEAD : at + length]
        at += length


def _listed(moof: bytes, track: int) -> Iterator[int]:
    """Yield the numbers of frames of a track in a fragment, run by run."""
    for kind, traf in inside(moof):
        if kind != b"traf":
            continue
        own = False
        for part, data in inside(traf):
            if part == b"tfhd":
                own = integer(data, 4, 4) == track
            elif part == b"trun" and own:
                yield integer(data, 4, 4)


def _listed_before(moov: bytes, track: int) -> Iterator[int]:
    """Yield the number of frames of a track that the header lists."""
    for kind, trak in inside(moov):
        if kind == b"trak" and track_number(trak) == track:
            yield integer(within(trak, b"mdia", b"minf", b"stbl", b"stsz"), 8, 4)


def _in_header(moov: bytes) -> Fraction:
    """Return the length of all fragments by the header, s; 0 if it states none."""
    scale, length = 0, 0
    for kind, data in inside(moov):
        if kind == b"mvhd":
            scale = integer(data, 20 if data[:1] == b"\1" else 12, 4)
        elif kind == b"mvex":
            for part, inner in inside(data):
                if part == b"mehd":
                    length = integer(inner, 4, 8 if inner[:1] == b"\1" else 4)
    return Fraction(length, scale) if scale else Fraction(0)


def _indexed(sidx: bytes) -> tuple[Fraction, Fraction]:
    """Return the start and length of the segments of an index, s."""
    wide = 8 if sidx[:1] == b"\1" else 4
    scale, start = integer(sidx, 8, 4) or 1, integer(sidx, 12, wide)
    first = 12 + 2 * wide + 4
    length = sum(integer(sidx, first + 12 * n + 4, 4) for n in range(integer(sidx, first - 2, 2)))
    return Fraction(start, scale), Fraction(length, scale)


def integer(data: bytes, at: int, size: int) -> int:
    """Return an unsigned number; what is missing is cut off."""
    return int.from_bytes(data[at : at + size], "big")
