"""Where sound belongs if the clock of a file begins anew, as where two recordings were joined."""

from __future__ import annotations

from caer_data.media.retime import TURN_S


class SoundClock:
    """Tells gaps in the sound of a file from a clock that begins anew.

    Args:
        rate: units per second of the times.
    """

    def __init__(self, rate: int) -> None:
        self._back = rate // 2
        self._turn = TURN_S * rate
        self._shift = self._before = 0

    def ahead(self, now: int, here: int) -> int:
        """Return how far a time is ahead of the end of the sound so far; negative if behind it.

        Where the clock falls by more than half a second, it begins anew: this is 0, and later times
        count from there. A step ahead of half a day is also a fall; see `TURN_S`. If times go on as
        before the fall, it was an error.
        """
        gap, earlier = now + self._shift - here, now + self._before - here
        if abs(gap) > self._back >= abs(earlier):
            self._shift, self._before = self._before, self._shift
            return earlier
        if -self._back <= gap <= self._turn:
            return gap
        self._before = self._shift
        self._shift -= gap
        return 0
