"""Reading and decoding the packets of a file, and counting lost frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import av

_ERRORS_IN_A_ROW: Final = 100
# Errors of PyAV besides its own class, for example if a new stream appears within the file.
_STRAY: Final = (IndexError, KeyError, ValueError, AttributeError)
_EVEN: Final = 0.9
"""Minimum share of steps of the usual length where frames are evenly spaced."""
_UNEVEN: Final = 0.25  # deviation from the usual step, as a share of it; or a tick of the clock
_TEAR_BEHIND: Final = 2
"""Number of packets by which FFmpeg may report a gap early."""
_EMPTY_MPEG4: Final = 8
"""Maximum size in bytes of an MPEG-4 part 2 packet that only repeats the previous frame."""


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@dataclass
class Damage:
    """Damage that was found while decoding a file.

    Attributes:
        packets: number of packets that could not be read or decoded.
        corrupt_frames: number of frames that the decoder repaired, and of those up to the next key
            frame, which may be predicted from them; these frames are kept.
        restarts: number of times the timestamps restart; later times continue from there.
        retimed: number of frames whose time is not that of the file (see `retime`).
        frames_given: number of frames passed to the decoder, or listed in the file's index.
        frames_lost: number of those frames that were not decoded.
        headless: number of frames before the first key frame, which cannot be decoded.
    """

    packets: int = 0
    corrupt_frames: int = 0
    restarts: int = 0
    retimed: int = 0
    frames_given: int = 0
    frames_lost: int = 0
    headless: int = 0

    def reckon(self, expected: int, received: int) -> None:
        """Count the missing frames of a file without an index, from the number expected."""
        self.frames_given = max(self.frames_given, expected)
        self.frames_lost = max(0, expected - received)

    def miss(self, frames: int, received: int) -> None:
        """Count frames that are missing in the pictures, which may already be known to be lost."""
        self.frames_lost = max(self.frames_lost, frames)
        self.frames_given = max(self.frames_given, received + self.frames_lost)

    @property
    def is_damaged(self) -> bool:
        """Whether frames were lost or repaired."""
        return bool(self.packets or self.corrupt_frames or self.frames_lost)

    @property
    def share(self) -> float:
        """Share of the frames that were lost or repaired, 0 to 1."""
        damaged = self.frames_lost + self.corrupt_frames
        return min(1.0, damaged / max(1, self.frames_given, damaged))

    def __str__(self) -> str:
        parts = (
            (self.packets, "damaged packet", "skipped"),
            (self.corrupt_frames, "frame", "repaired by the decoder or built on repaired ones"),
            (self.headless, "frame", "before the first key frame, which cannot be decoded"),
            (self.restarts, "restart", "of the timestamps"),
            (self.retimed, "frame", "retimed"),
        )
        lost = [f"{self.frames_lost} of {_counted(self.frames_given, 'frame')} lost"]
        others = [f"{_counted(count, what)} {how}" for count, what, how in parts if count]
        return ", ".join((lost if self.frames_lost else []) + others)


class Given:
    """Counts the frames that are passed to a decoder.

    Every packet is one frame, except packets that only repeat the previous frame, packets before
    the first key frame, packets hidden by an edit list, and separately stored fields.

    Args:
        codec: FFmpeg's name of the codec.
        promised: number of frames in the file's index, 0 if it has none.
    """

    def __init__(self, codec: str, promised: int) -> None:
        self._codec = codec
        self._promised = promised
        self._read = 0
        self._shown = 0
        self._first_key: int | None = None
        self._begun = False
        self._headless = 0

    def count(self, packet: Any) -> None:
        """Count a packet before it is decoded."""
        if not packet.size:
            return
        self._read += 1
        if packet.is_keyframe and not self._begun:
            self._begun, self._first_key = True, packet.pts
        self._headless += not self._begun
        if self._begun and not packet.is_discard and not self._leads(packet):
            self._shown += not _shows_nothing(self._codec, packet)

    @property
    def frames(self) -> int:
        """Number of frames that the decoder should return."""
        return self._shown + max(0, self._promised - self._read)

    def lost(self, received: int) -> int:
        """Return the number of frames that the decoder did not return."""
        halves = received and abs(self._shown - 2 * received) <= 0.02 * self._shown
        return 0 if halves else max(0, self.frames - received)

    def headless(self, received: int) -> int:
        """Return the number of undecodable frames before the first key frame."""
        return max(0, self._headless - max(0, received - self._shown)) if self._begun else 0

    def _leads(self, packet: Any) -> bool:
        """Whether a packet is displayed before the first key frame and needs an earlier frame."""
        key = self._first_key
        return key is not None and packet.pts is not None and packet.pts < key


class Steps:
    """Reckons how many frames are missing beside damage, from the usual step between frames.

    Args:
        nominal: duration of a frame by the header, in the time base.
    """

    def __init__(self, nominal: int) -> None:
        self._nominal = nominal
        self._all: Counter[int] = Counter()
        self._beside: list[int] = []

    def add(self, step: int, *, beside_damage: bool) -> None:
        """Add the step from one frame to the next."""
        self._all[step] += 1
        if beside_damage:
            self._beside.append(step)

    @property
    def frames(self) -> int:
        """Number of frames so far."""
        return self._all.total() + 1

    def missing(self, *, torn: bool) -> int:
        """Return the number of missing frames.

        Unevenly spaced frames tell nothing, unless the file is known to have lost data (`torn`).
        """
        usual = usual_step(self._all)
        if usual is None and not torn:
            return 0
        return sum(max(0, round(step / (usual or self._nominal)) - 1) for step in self._beside)


def usual_step(steps: Counter[int]) -> int | None:
    """Return the usual step between frames; None if they are not evenly spaced.

    Args:
        steps: how often each step occurs.
    """
    if not steps:
        return None
    ((usual, _),) = steps.most_common(1)
    near = max(float(usual > 1), _UNEVEN * usual)  # two ticks instead of one are another step
    even = sum(count for step, count in steps.items() if abs(step - usual) <= near)
    return usual if even >= _EVEN * steps.total() else None


class Tears:
    """Finds the packets of a transport stream after which data is missing.

    A gap in a stream's continuity counter does not count if a key frame follows immediately: there,
    two recordings were joined.

    Args:
        torn: set to which the timestamps of such packets are added.
    """

    def __init__(self, torn: set[int | None]) -> None:
        self._torn = torn
        self._pending: int | None = None
        self._behind = 0

    def look_at(self, packet: Any) -> None:
        """Examine the next packet."""
        self._behind += 1
        if packet.is_keyframe:
            self._pending = None
        elif self._pending is not None and self._behind >= _TEAR_BEHIND:
            self._torn.add(self._pending)
            self._pending = None
        if packet.is_corrupt:
            self._pending, self._behind = packet.pts, 0


def promised(container: Any, stream: Any) -> int:
    """Return the number of frames in a file's index, 0 if it has none.

    The header of AVI counts clock ticks. If a picture lasts several ticks, the others have no
    frame, as only the index tells.
    """
    frames = int(stream.frames)
    if "mp4" in container.format.name:  # an edit list may leave some out
        return min(frames, len(stream.index_entries))
    if container.format.name != "avi":
        return frames
    beats = [entry.timestamp for entry in stream.index_entries]
    return frames - int(beats[-1] - beats[0] + 1 - len(beats)) if len(beats) > 1 else 0


def packets_of(container: Any, stream: Any, damage: Damage) -> Iterator[Any]:
    """Yield all readable packets of a stream, and finally an empty one that flushes the decoder."""
    flushed = False
    for packet in readable_packets(container, stream, damage):
        flushed = not packet.size
        yield packet
    if not flushed:
        yield av.Packet(0)


def readable_packets(container: Any, streams: Any, damage: Damage | None = None) -> Iterator[Any]:
    """Yield all readable packets of one or several streams; after damage, what follows it.

    One empty packet of each stream comes last, unless too many errors follow one another. If a new
    stream has appeared, PyAV may fail between these and begin with them again.

    Args:
        container: the opened file.
        streams: a stream of it, or several.
        damage: counts the packets that could not be read.
    """
    in_a_row = 0
    ended = set[int]()
    while in_a_row < _ERRORS_IN_A_ROW:
        try:
            for packet in container.demux(streams):
                in_a_row = 0
                if packet.size == 0 and packet.pts is None and packet.dts is None:
                    if packet.stream.index in ended:
                        continue
                    ended.add(packet.stream.index)
                yield packet
            return
        except av.FFmpegError:
            in_a_row += 1
            if damage is not None:
                damage.packets += 1
        except _STRAY:
            continue


def decoded(context: Any, packet: Any, damage: Damage) -> list[Any]:
    """Return the frames that the decoder returns for a packet."""
    try:
        return list(context.decode(packet))
    except (av.FFmpegError, *_STRAY):
        damage.packets += 1
        return []


def _shows_nothing(codec: str, packet: Any) -> bool:
    if codec == "vp8":  # RFC 6386, section 9.1: the fifth bit is show_frame
        return not memoryview(packet)[0] >> 4 & 1
    return codec == "mpeg4" and packet.size < _EMPTY_MPEG4
