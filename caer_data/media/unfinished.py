"""Detection of incomplete files, such as crashed recordings or interrupted downloads."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from caer_data.media.fragments import (
    LARGEST,
    MOST_BOXES,
    inside,
    integer,
    top_level,
    tracks,
    within,
)

_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = b"\x18\x53\x80\x67"
_ASF: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_DATA: Final = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_INDEXES: Final = (
    bytes.fromhex("90080033b1e5cf1189f400a0c90349cb"),
    bytes.fromhex("d329e2d6da35d111903400a0c90349be"),
    bytes.fromhex("f803b1fead12644c840f2a1d2f7ad48c"),
    bytes.fromhex("d03fb73c4a0c0348953dedf7b6228f0c"),
)
_PAGE: Final = b"OggS"
_FLV_AGAIN: Final = b"FLV\x01"
_FIRST_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""Types with which an MP4 or an old QuickTime file begins."""
_BOXES: Final = (
    *_FIRST_BOXES, b"moof", b"sidx", b"ssix", b"styp", b"mfra", b"meta", b"udta", b"uuid", b"emsg",
    b"prft", b"pdin",
)  # fmt: skip
"""Types of top-level boxes; anything else at the end, such as a tag of ID3, was appended."""
_HEAD: Final = 4096
_HANDLERS: Final = (b"vide", b"soun")
_PLAIN: Final = 1 << 16  # the usual speed of an edit
_FRAGMENT: Final = 24  # bytes up to a fragment's number (ISO/IEC 14496-12, section 8.8.5)

CUT_OFF: Final = "the file is truncated"
NOT_CLOSED: Final = "the recording was never closed"
FRAGMENTS_MISSING: Final = "fragments are missing"
PAGES_MISSING: Final = "pages of the file are missing"
JOINED: Final = "another film is appended to it, which is not read"
CHAINED: Final = "further recordings are appended to it, which may not be read"
EDITED: Final = (
    "its edit list contains pauses or changes of speed, which are not followed; "
    "pictures or sound may be repeated"
)


class Ending(NamedTuple):
    """What is wrong with the structure of a file.

    Attributes:
        reason: what is wrong, empty if nothing.
        appended: share of the file that belongs to an appended film, 0 to 1.
    """

    reason: str
    appended: float = 0.0


def unfinished(path: Path) -> Ending:
    """Return what is wrong with the structure of a file, by what it states.

    Only Matroska, MP4, QuickTime, AVI, FLV, ASF and Ogg state the sizes of their parts.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD)
        found = _found(file, head, size)
    if isinstance(found, str):
        return Ending(found)
    return Ending(JOINED, 1 - found / max(1, size))


def _found(file: BinaryIO, head: bytes, size: int) -> str | int:
    """Return what is wrong, or the byte at which another film begins."""
    if head.startswith(_EBML):
        return _matroska(head, size)
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return _avi(file, 8 + int.from_bytes(head[4:8], "little"), size)
    if head.startswith(b"FLV"):
        return _flv(file, int.from_bytes(head[5:9], "big"), size)
    if head.startswith(_ASF):
        return _asf(file, int.from_bytes(head[16:24], "little"), size)
    if head.startswith(_PAGE):
        return _ogg(file, size)
    return _mp4(file, size) if head[4:8] in _FIRST_BOXES else ""


def _avi(file: BinaryIO, end: int, size: int) -> str | int:
    """Check the sizes of the RIFF chunks; a long film continues in chunks called AVIX."""
    for _ in range(MOST_BOXES):
        if end > size:
            return CUT_OFF
        file.seek(end + end % 2)
        behind = file.read(12)
        if behind[:4] != b"RIFF" or behind[8:12] != b"AVIX":
            return end + end % 2 if behind[:4] == b"RIFF" and behind[8:12] == b"AVI " else ""
        end += end % 2 + 8 + int.from_bytes(behind[4:8], "little")
    return ""


def _mp4(file: BinaryIO, size: int) -> str | int:
    """Check the top-level boxes; one film has one box `moov`.

    Fragments may be preceded by a header of their own, as in streams that were interrupted.
    """
    films = 0
    cut_off, missing, last = False, False, None
    begins = joined = 0
    for kind, start, begin, end in top_level(file, size):
        cut_off = end > size and kind in _BOXES
        if kind == b"ftyp":
            begins = start
        if kind == b"moov":
            films += not (films and _precedes_fragments(file, begin, end))
            joined = joined or (begins or start if films > 1 else 0)
        if kind == b"moof":
            file.seek(start)
            box = file.read(_FRAGMENT)
            if box[12:16] == b"mfhd":
                number = int.from_bytes(box[20:24], "big")
                missing = missing or (last is not None and number > last + 1)
                last = number
    if cut_off:
        return CUT_OFF
    if films > 1:
        return joined
    if missing:
        return FRAGMENTS_MISSING
    return EDITED if _edited(file, size) else ""


def _precedes_fragments(file: BinaryIO, begin: int, end: int) -> bool:
    """Whether a box `moov` is the header of fragments, by its content."""
    if end - begin > LARGEST:
        return False
    file.seek(begin)
    return b"mvex" in dict(inside(file.read(end - begin)))


def _edited(file: BinaryIO, size: int) -> bool:
    """Whether pictures or sound have edits that FFmpeg does not follow.

    It follows cuts, repeats and a pause at the start (ISO/IEC 14496-12, section 8.6.6).
    """
    for track in tracks(file, size):
        if within(track, b"mdia", b"hdlr")[8:12] not in _HANDLERS:
            continue
        edits = within(track, b"edts", b"elst")
        wide = 8 if edits[:1] == b"\1" else 4
        begun = False
        for at in range(8, len(edits) - 2 * wide - 3, 2 * wide + 4):
            length = integer(edits, at, wide)
            pause = integer(edits, at + wide, wide) == (1 << 8 * wide) - 1
            if length and (begun if pause else integer(edits, at + 2 * wide, 4) != _PLAIN):
                return True
            begun = begun or not pause
    return False


def _flv(file: BinaryIO, at: int, size: int) -> str | int:
    """Check the tags: each states its size before it, and again behind it."""
    at += 4
    while at + 11 <= size:
        file.seek(at)
        tag = file.read(4)
        if tag == _FLV_AGAIN:
            return at
        if tag[0] & 0x1F not in (8, 9, 18):  # neither sound nor pictures nor a script
            return ""
        at += 11 + int.from_bytes(tag[1:], "big")
        if at > size:
            return "" if _ends_with_tag(file, size) else CUT_OFF
        at += 4
    return ""


def _ends_with_tag(file: BinaryIO, size: int) -> bool:
    """Whether an FLV file ends with a whole tag, so that a size in its middle is damaged."""
    file.seek(size - 4)
    length = int.from_bytes(file.read(4), "big")
    if not 11 <= length <= size - 4:
        return False
    file.seek(size - 4 - length)
    return int.from_bytes(file.read(4)[1:], "big") + 11 == length


def _asf(file: BinaryIO, at: int, size: int) -> str | int:
    """Check the sizes of the data and the indexes behind it, which live recordings do not state."""
    file.seek(at)
    data = file.read(24)
    if not data.startswith(_ASF_DATA):
        return ""
    for _ in range(MOST_BOXES):
        length = int.from_bytes(data[16:24], "little")
        at += length
        if at > size:
            return CUT_OFF
        file.seek(at)
        data = file.read(24)
        if length < len(data) or len(data) < len(_ASF) + 8:
            break
        if data.startswith(_ASF):
            return at
        if not data.startswith(_ASF_INDEXES):  # such as a tag, which was appended
            break
    return ""


def _ogg(file: BinaryIO, size: int) -> str:
    """Check that the pages of each stream are numbered without gaps, and the last one is whole."""
    at, missing, chained, begun = 0, False, False, False
    last, open_ = dict[bytes, int](), set[bytes]()
    while at < size:
        file.seek(at)
        page = file.read(27 + 255)
        if not page.startswith(_PAGE) or len(page) < 27:
            step = page.find(_PAGE, 1)
            at += step if step > 0 else max(1, len(page) - len(_PAGE) + 1)
            continue
        stream, number = page[14:18], int.from_bytes(page[18:22], "little")
        first = page[5] & 2
        # the first pages of all streams of a recording are in front of its others
        chained |= bool(first) and stream not in last and begun and not open_
        begun |= not first
        missing |= not first and stream in last and number > last[stream] + 1
        last[stream] = number
        (open_.discard if page[5] & 4 else open_.add)(stream)
        at += 27 + page[26] + sum(page[27 : 27 + page[26]])
    if at > size and page.startswith(_PAGE):
        return CUT_OFF
    if missing:
        return PAGES_MISSING
    if chained:
        return CHAINED
    return NOT_CLOSED if open_ else ""


def _matroska(head: bytes, size: int) -> str:
    at = head.find(_SEGMENT) + len(_SEGMENT)
    if at < len(_SEGMENT) or at >= len(head) or head[at] == 0:
        return ""
    length = 9 - head[at].bit_length()
    value = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
    if value == (1 << 7 * length) - 1:
        return NOT_CLOSED
    return CUT_OFF if at + length + value > size else ""
