"""Detection of incomplete files, such as crashed recordings or interrupted downloads."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = b"\x18\x53\x80\x67"
_HEAD: Final = 4096
_FRAGMENT: Final = 24  # bytes up to a fragment's number (ISO/IEC 14496-12, section 8.8.5)
_BOXES: Final = 10_000
"""Maximum number of top-level boxes of an MP4 that are examined; a fragment has two."""

CUT_OFF: Final = "the file is truncated"
NOT_CLOSED: Final = "the recording was never closed"
FRAGMENTS_MISSING: Final = "fragments are missing"
JOINED: Final = "another film is appended to it, which is not read"


def unfinished(path: Path) -> str:
    """Return what is wrong with the end of a file, by the sizes it states; empty if nothing.

    Only Matroska, MP4 and AVI state their sizes.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if head.startswith(_EBML):
            return _matroska(head, size)
        if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
            return _avi(file, 8 + int.from_bytes(head[4:8], "little"), size)
        return _mp4(file, size) if head[4:8] == b"ftyp" else ""


def _avi(file: BinaryIO, end: int, size: int) -> str:
    """Check the size of the first RIFF chunk; a long film continues in chunks called AVIX."""
    if end > size:
        return CUT_OFF
    file.seek(end + end % 2)
    behind = file.read(12)
    return JOINED if behind[:4] == b"RIFF" and behind[8:12] == b"AVI " else ""


def _mp4(file: BinaryIO, size: int) -> str:
    """Check the top-level boxes; one film has one box `moov`."""
    at = films = 0
    missing, last = False, None
    for _ in range(_BOXES):
        file.seek(at)
        box = file.read(_FRAGMENT)
        if len(box) < 8:
            break
        films += box[4:8] == b"moov"
        if box[4:8] == b"moof" and box[12:16] == b"mfhd":
            number = int.from_bytes(box[20:24], "big")
            missing = missing or (last is not None and number > last + 1)
            last = number
        length = int.from_bytes(box[:4], "big")
        if length == 1:
            length = int.from_bytes(box[8:16], "big")
        if length < 8:  # 0: to the end of the file
            break
        at += length
    if at > size:
        return CUT_OFF
    if films > 1:
        return JOINED
    return FRAGMENTS_MISSING if missing else ""


def _matroska(head: bytes, size: int) -> str:
    at = head.find(_SEGMENT) + len(_SEGMENT)
    if at < len(_SEGMENT) or at >= len(head) or head[at] == 0:
        return ""
    length = 9 - head[at].bit_length()
    value = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
    if value == (1 << 7 * length) - 1:
        return NOT_CLOSED
    return CUT_OFF if at + length + value > size else ""
