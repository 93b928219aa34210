"""Strictly rising timestamps for files with faulty ones.

A decoder returns frames in presentation order, but their timestamps may be wrong: AVI has no
presentation times, joined recordings restart their clock, and broadcasts repeat timestamps. No
frame is dropped for this. As in FFmpeg (`guess_correct_pts`), a frame's timestamp is its
presentation or its decode time, whichever has had fewer faults so far. Where timestamps then still
fall, repeat or are missing, frames get new times: each lasts as long as the decoder says, otherwise
as long as usual. (DVDs state few times, and film on them alternates between frames of three fields
and of two.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

_AHEAD: Final = 8
"""Frames to look ahead before deciding that a timestamp is wrong: if none of them rises above the
last good one, the clock has restarted. The same number is examined before the first frame gets a
time. The frames are held in memory, so the number is small."""

TURN_S: Final = 12 * 3600
"""Seconds from which a step ahead is one back: if the 33-bit clock of a broadcast falls, as where
recordings were joined, FFmpeg takes this for a complete turn of 26 hours."""

_SHORTEST: Final = 0.75  # durations of frames that are believed, in usual ones
_LONGEST: Final = 2.25


@dataclass
class Timed:
    """A frame and its time.

    Attributes:
        raw: the decoder's frame.
        stamp: the timestamp in the file, in the time base; None if it has none.
        pts: the retimed timestamp, later than the previous frame's.
    """

    raw: Any
    stamp: int | None
    pts: int


@dataclass
class _Votes:
    """Decides whether to trust presentation or decode times, by their faults so far."""

    faulty_pts: int = 0
    faulty_dts: int = 0
    _last_pts: int | None = None
    _last_dts: int | None = None

    def count(self, pts: int | None, dts: int | None) -> None:
        if pts is not None:
            self.faulty_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        if dts is not None:
            self.faulty_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts

    def best(self, pts: int | None, dts: int | None) -> int | None:
        if pts is not None and (dts is None or self.faulty_pts <= self.faulty_dts):
            return pts
        return dts


@dataclass
class Retimer:
    """Assigns rising timestamps to the frames of one video, in one pass.

    Args:
        nominal: usual duration of a frame, in the time base.
        turn: `TURN_S` in the time base.
        start: timestamp of the first picture, from which frames without a time are counted. Decode
            times are late by the decoder's delay and are shifted to begin here.

    Attributes:
        restarts: number of times the file's timestamps restart; later times continue from there.
        retimed: number of frames whose time is not the file's presentation time.
    """

    nominal: int
    turn: int
    start: int | None = None
    restarts: int = 0
    retimed: int = 0
    _votes: _Votes = field(default_factory=_Votes)
    _doubtful: list[tuple[Any, int | None]] = field(default_factory=list)
    _offset: int = 0
    _last: int | None = None
    _lasts: int = 0

    def times(self, frames: Iterable[Any]) -> Iterator[Timed]:
        """Yield the frames with their times; at a fault, a few frames are held back briefly."""
        ahead: deque[Any] = deque()
        begun = False
        for raw in frames:
            self._votes.count(raw.pts, raw.dts)
            ahead.append(raw)
            begun = begun or len(ahead) == _AHEAD
            while begun and ahead:
                yield from self._take(ahead.popleft())
        while ahead:
            yield from self._take(ahead.popleft())
        yield from self._end()

    def _take(self, raw: Any) -> Iterator[Timed]:
        stamp: Any = self._votes.best(raw.pts, raw.dts)
        if self._last is None and stamp not in (None, raw.pts):
            late = stamp - (stamp if self.start is None else self.start)
            self._offset = -late if 0 < late <= _AHEAD * self.nominal else 0
        yield from self._place(raw, stamp)

    def _place(self, raw: Any, stamp: int | None) -> Iterator[Timed]:
        """Assign a time to a frame, or hold it back; frames held back earlier come first."""
        if stamp is not None and self._fits(stamp + self._offset):
            yield from self._between(stamp + self._offset)
            yield self._timed(raw, stamp + self._offset)
            return
        self._doubtful.append((raw, stamp))
        if len(self._doubtful) >= _AHEAD:
            yield from self._begin_again()

    def _fits(self, pts: int) -> bool:
        """Whether all doubtful frames fit before this time."""
        return self._last is None or len(self._doubtful) < pts - self._last < self.turn

    def _between(self, end: int) -> Iterator[Timed]:
        """Assign evenly spaced times to the doubtful frames, before a frame with a certain time."""
        kept, self._doubtful = self._doubtful, []
        before = sum(self._length(raw) for raw, _ in kept)
        first = end - before if self._last is None else self._last
        count = len(kept) + (self._last is not None)
        step = 0 if self._last is None else self._lasts
        for number, (raw, _) in enumerate(kept, 1 if self._last is not None else 0):
            yield self._timed(raw, first + min(step, (end - first) * number // max(1, count)))
            step += self._length(raw)

    def _begin_again(self) -> Iterator[Timed]:
        """Treat the doubtful frames as the first ones after a restart of the clock."""
        kept, self._doubtful = self._doubtful, []
        raw, stamp = kept[0]
        pts = self._next()
        if stamp is not None:
            self.restarts += self._last is not None
            self._offset = pts - stamp
        yield self._timed(raw, pts)
        for raw, stamp in kept[1:]:
            yield from self._place(raw, stamp)

    def _end(self) -> Iterator[Timed]:
        """Assign consecutive times to frames that are still doubtful at the end."""
        kept, self._doubtful = self._doubtful, []
        for raw, _ in kept:
            yield self._timed(raw, self._next())

    def _next(self) -> int:
        if self._last is None:
            return self.start or 0
        return self._last + self._lasts

    def _length(self, raw: Any) -> int:
        """Return how long a frame lasts, in the time base."""
        told = raw.duration or 0
        plausible = _SHORTEST * self.nominal <= told <= _LONGEST * self.nominal
        return int(told) if plausible else self.nominal

    def _timed(self, raw: Any, pts: int) -> Timed:
        self._last, self._lasts = pts, self._length(raw)
        self.retimed += raw.pts != pts
        return Timed(raw, raw.pts, pts)
