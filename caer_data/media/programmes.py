"""Streams of a broadcast that belong to a different programme than its pictures.

A recording of a whole channel contains several programmes, and the sound of one says nothing about
the pictures of another. Transport streams list the streams of each (ISO/IEC 13818-1, section
2.4.4).
"""

from __future__ import annotations

from collections.abc import Iterator
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


def elsewhere(path: Path, pid: int) -> frozenset[int]:
    """Return the numbers (PID) of the streams that only programmes without stream `pid` have.

    The result is empty if the file is not a transport stream, or if no programme has the stream.
    """
    programmes = _programmes(path)
    own = {other for streams in programmes if pid in streams for other in streams}
    return frozenset(n for streams in programmes for n in streams if own and n not in own)


def _programmes(path: Path) -> list[set[int]]:
    """Return the streams of each programme."""
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES)
    maps: dict[int, set[int]] = {}
    for pid, section in _sections(data, {_PAT}):
        if pid == _PAT and section[0] == _PAT:
            for at in range(8, len(section) - 7, 4):
                if section[at] or section[at + 1]:  # number 0 is the network's
                    maps.setdefault(_pid(section, at + 2), set())
    for pid, section in _sections(data, set(maps)):
        if section[0] == _PMT:
            maps[pid] |= set(_streams(section))
    return list(maps.values())


def _streams(section: bytes) -> Iterator[int]:
    at = 12 + _length(section, 10)
    while at + 5 <= len(section) - 4:  # a checksum comes last
        yield _pid(section, at + 1)
        at += 5 + _length(section, at + 3)


def _sections(data: bytes, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the complete sections of the wanted PIDs, each with its PID."""
    open_: dict[int, bytes] = {}
    for packet in _packets(data):
        pid = _pid(packet, 1)
        if pid not in wanted or not packet[3] & 0x10:  # no payload
            continue
        at = 5 + packet[4] if packet[3] & 0x20 else 4
        if packet[1] & 0x40 and at < _PACKET:  # a section begins, after the rest of another
            open_[pid] = packet[at + 1 + packet[at] :]
        elif pid in open_:
            open_[pid] += packet[at:]
        section = open_.get(pid, b"")
        if len(section) > 12 and len(section) >= 3 + _length(section, 1):
            yield pid, section[: 3 + _length(section, 1)]
            del open_[pid]


def is_transport_stream(path: Path) -> bool:
    """Whether a file is a transport stream, by its content.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return _layout(file.read(_HEAD)) is not None


def rest_without(path: Path, pid: int) -> float:
    """Return the share of a transport stream that comes after the last packet of stream `pid`.

    Padding does not count.

    Raises:
        OSError: the file cannot be read.
    """
    size = end = path.stat().st_size
    behind = 0
    with path.open("rb") as file:
        while end > 0:
            start = max(0, end - _MAX_BYTES)
            file.seek(start)
            pids = [_pid(packet, 1) for packet in _packets(file.read(end - start))]
            last = max((n for n, found in enumerate(pids) if found == pid), default=-1)
            behind += sum(found != _PADDING for found in pids[last + 1 :])
            if last >= 0:
                break
            end = start
    return behind * _PACKET / size if size else 0.0


def _packets(data: bytes) -> Iterator[bytes]:
    start, size = _layout(data) or (len(data), _PACKET)
    for at in range(start, len(data) - _PACKET + 1, size):
        if data[at] == _SYNC:
            yield data[at : at + _PACKET]


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
