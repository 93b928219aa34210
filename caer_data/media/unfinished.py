"""Whether a file was written to its end: a recording that crashed, a download that broke off."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = b"\x18\x53\x80\x67"
_HEAD: Final = 4096
_BOXES: Final = 10_000
"""Top-level boxes of an MP4 that are looked at; fragments are two each."""

CUT_OFF: Final = "the file breaks off"
NOT_CLOSED: Final = "the recording was never closed"


def unfinished(path: Path) -> str:
    """What is wrong with the end of a file, by its own sizes; nothing where all is well.

    Matroska, MP4 and AVI say how long they are; other containers do not.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if head.startswith(_EBML):
            return _matroska(head, size)
        if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
            return CUT_OFF if 8 + int.from_bytes(head[4:8], "little") > size else ""
        if head[4:8] == b"ftyp":
            at = 0
            for _ in range(_BOXES):
                file.seek(at)
                box = file.read(16)
                if len(box) < 8:
                    break
                length = int.from_bytes(box[:4], "big")
                if length == 1:
                    length = int.from_bytes(box[8:16], "big")
                if length < 8:  # 0: to the end of the file
                    break
                at += length
            return CUT_OFF if at > size else ""
    return ""


def _matroska(head: bytes, size: int) -> str:
    at = head.find(_SEGMENT) + len(_SEGMENT)
    if at < len(_SEGMENT) or at >= len(head) or head[at] == 0:
        return ""
    length = 9 - head[at].bit_length()
    value = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
    if value == (1 << 7 * length) - 1:
        return NOT_CLOSED
    return CUT_OFF if at + length + value > size else ""
