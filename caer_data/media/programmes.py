"""The programmes of a broadcast, and which streams belong to each.

A recording of a whole channel contains several programmes, and the sound of one says nothing about
the pictures of another. Transport streams list the streams of each (ISO/IEC 13818-1, section
2.4.4), and their names (ETSI EN 300 468, section 5.2.3).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MAX_BYTES: Final = 8 << 20
"""Bytes to search for the lists, which are repeated several times per second."""
_SYNC: Final = 0x47
_SIZES: Final = (188, 192, 204)  # of packets: plain, after an arrival time, with a checksum
_PACKET: Final = 188
_HEAD: Final = 1 << 16
_IN_STEP: Final = 5  # packets that must begin where they should
_PAT, _PMT, _PADDING = 0, 2, 0x1FFF
_SDT_PID, _SDT = 0x11, 0x42
_SERVICE: Final = 0x48  # descriptor of a programme's name
_SMALLEST: Final = 12  # bytes of a section with its head and checksum
_ENCODINGS: Final = {
    b"\x11": "utf-16-be",
    b"\x12": "euc_kr",
    b"\x13": "gb2312",
    b"\x14": "big5",
    b"\x15": "utf-8",
}
_ACCENTS: Final = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308 \u030a\u0327 \u030b\u0328\u030c"
"""Combining accents of ISO 6937, from 0xC1 on."""
_PICTURES: Final = frozenset(
    (0x01, 0x02, 0x10, 0x1B, 0x20, 0x21, 0x24, 0x33, 0x42, 0xD1, 0xD2, 0xEA)
)
"""Stream types of pictures: MPEG-1 to MPEG-4, H.264, H.265, H.266, AVS, Dirac, VC-1."""


@dataclass(frozen=True)
class Programme:
    """One programme of a broadcast.

    Attributes:
        number: its number.
        name: its name; empty if it has none.
        streams: numbers (PID) of its streams.
    """

    number: int
    name: str
    streams: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.number} '{self.name}'" if self.name else str(self.number)


def programmes(path: Path) -> list[Programme]:
    """Return those programmes of a transport stream of which packets are in its first megabytes.

    Receivers that record a single programme may keep the list of all. The result is empty if the
    file is not a transport stream.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES)
    present = {_pid(packet, 1) for _, packet in _packets(data)}
    pids = _map_pids(data)
    streams: dict[int, dict[int, int]] = {number: {} for number in pids}
    for pid, _, section in _sections(data, set(pids.values())):
        number = int.from_bytes(section[3:5], "big")
        if section[0] == _PMT and pids.get(number) == pid:  # programmes may share a PID
            streams[number].update((own, kind) for kind, own in _streams(section))
    names = _names(data)
    return [
        Programme(number, names.get(number, ""), tuple(sorted(own)))
        for number, own in streams.items()
        if present & _telling(own)
    ]


def _telling(streams: dict[int, int]) -> set[int]:
    """Return the streams of which packets show that a programme is there: pictures if it has any.

    Others, such as teletext, are shared by programmes.
    """
    return {pid for pid, kind in streams.items() if kind in _PICTURES} or set(streams)


def elsewhere(among: Iterable[Programme], pid: int) -> frozenset[int]:
    """Return the numbers (PID) of the streams that only programmes without stream `pid` have.

    The result is empty if no programme has the stream.
    """
    known = [programme.streams for programme in among]
    own = {other for streams in known if pid in streams for other in streams}
    return frozenset(n for streams in known for n in streams if own and n not in own)


def pictures_begin(path: Path) -> int:
    """Return the place from which a transport stream lists pictures, in bytes; 0 if it never does.

    A demuxer that has taken a stream for sound does not see that its number later belongs to
    pictures, as in recordings of different receivers that were joined.

    Raises:
        OSError: the file cannot be read.
    """
    maps: set[int] = set()
    before = 0
    with path.open("rb") as file:
        while data := file.read(_MAX_BYTES):
            maps |= set(_map_pids(data).values())
            place = 0
            for pid, at, section in _sections(data, {_PAT, *maps}):
                if pid == _PAT:
                    place = at
                elif section[0] == _PMT and any(kind in _PICTURES for kind, _ in _streams(section)):
                    return before + place
            before += len(data)
    return 0


def _map_pids(data: bytes) -> dict[int, int]:
    """Return the PID of the list of streams of each programme, by its number."""
    found: dict[int, int] = {}
    for _, _, section in _sections(data, {_PAT}):
        if section[0] == _PAT:
            for at in range(8, len(section) - 7, 4):
                number = int.from_bytes(section[at : at + 2], "big")
                if number:  # number 0 is the network's
                    found.setdefault(number, _pid(section, at + 2))
    return found


def _names(data: bytes) -> dict[int, str]:
    """Return the names of the programmes by number."""
    found: dict[int, str] = {}
    for _, _, section in _sections(data, {_SDT_PID}):
        at = 11
        while section[0] == _SDT and at + 5 <= len(section) - 4:
            number, length = int.from_bytes(section[at : at + 2], "big"), _length(section, at + 3)
            at += 5
            for kind, told in _descriptors(section[at : min(at + length, len(section) - 4)]):
                if kind == _SERVICE and len(told) > 2:
                    name = 2 + told[1]  # behind the provider's
                    found[number] = _text(told[name + 1 : name + 1 + sum(told[name : name + 1])])
            at += length
    return found


def _descriptors(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(data):
        yield data[at], data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]


def _text(data: bytes) -> str:
    """Decode a name (ETSI EN 300 468, annex A); a first byte below 0x20 says how."""
    table, encoding, name = data[:1], "latin-1", data[data[:1] < b" " :]
    if data[:1] in _ENCODINGS:
        encoding = _ENCODINGS[data[:1]]
    elif b"\x01" <= table <= b"\x0b" and table != b"\x08":
        encoding = f"iso8859-{table[0] + 4}"
    elif table == b"\x10":
        encoding, name = f"iso8859-{sum(data[2:3])}", data[3:]
    try:
        text = name.decode(encoding, "replace")
    except LookupError:
        text = name.decode("ascii", "replace")
    if table >= b" ":  # ISO 6937 puts an accent before its letter
        text = re.sub("([\xc1-\xcf])([A-Za-z])", _accented, text)
    return "".join(c for c in text if c.isprintable()).strip()


def _accented(found: re.Match[str]) -> str:
    accent = _ACCENTS[ord(found[1]) - 0xC1]
    return unicodedata.normalize("NFC", found[2] + accent) if accent.strip() else found[0]


def _streams(section: bytes) -> Iterator[tuple[int, int]]:
    """Yield the type and PID of each stream of a programme."""
    at = 12 + _length(section, 10)
    while at + 5 <= len(section) - 4:  # a checksum comes last
        yield section[at], _pid(section, at + 1)
        at += 5 + _length(section, at + 3)


def _sections(data: bytes, wanted: set[int]) -> Iterator[tuple[int, int, bytes]]:
    """Yield the complete sections of the wanted PIDs: PID, place of its last packet, section."""
    open_: dict[int, bytes] = {}
    for place, packet in _packets(data):
        pid = _pid(packet, 1)
        if pid not in wanted or not packet[3] & 0x10:  # no payload
            continue
        at = 5 + packet[4] if packet[3] & 0x20 else 4
        if packet[1] & 0x40 and at < _PACKET:  # a section begins, after the rest of another
            open_[pid] = packet[at + 1 + packet[at] :]
        elif pid in open_:
            open_[pid] += packet[at:]
        section = open_.get(pid, b"")
        if len(section) > 3 and len(section) >= 3 + _length(section, 1):
            if 3 + _length(section, 1) >= _SMALLEST:
                yield pid, place, section[: 3 + _length(section, 1)]
            del open_[pid]


def is_transport_stream(path: Path) -> bool:
    """Whether a file is a transport stream, by its content.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return _layout(file.read(_HEAD)) is not None


def rest_without(path: Path, pid: int, ignored: Set[int] = frozenset()) -> float:
    """Return the share of a transport stream that comes after the last packet of stream `pid`.

    Args:
        path: the file.
        pid: number of the stream.
        ignored: numbers of the streams that do not count, such as its sound; nor does padding.

    Raises:
        OSError: the file cannot be read.
    """
    size = end = path.stat().st_size
    behind = 0
    ignored = {*ignored, _PADDING}
    with path.open("rb") as file:
        while end > 0:
            start = max(0, end - _MAX_BYTES)
            file.seek(start)
            pids = [_pid(packet, 1) for _, packet in _packets(file.read(end - start))]
            last = max((n for n, found in enumerate(pids) if found == pid), default=-1)
            behind += sum(found not in ignored for found in pids[last + 1 :])
            if last >= 0:
                break
            end = start
    return behind * _PACKET / size if size else 0.0


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each packet and its place."""
    start, size = _layout(data) or (len(data), _PACKET)
    for at in range(start, len(data) - _PACKET + 1, size):
        if data[at] == _SYNC:
            yield at, data[at : at + _PACKET]


def _layout(data: bytes) -> tuple[int, int] | None:
    """Return the start of the first packet, and the size of packets; None if there are none."""
    for size in _SIZES:
        for start in range(size):
            if all(data[n : n + 1] == b"\x47" for n in range(start, start + _IN_STEP * size, size)):
                return start, size
    return None


def _pid(data: bytes, at: int) -> int:
    return (data[at] & 0x1F) << 8 | data[at + 1]


def _length(data: bytes, at: int) -> int:
    return (data[at] & 0x0F) << 8 | data[at + 1]
