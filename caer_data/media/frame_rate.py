"""The frames of a clip and their rate.

A clip contains every frame of its span once, in order. If the frames are evenly spaced, as in
almost all films, the clip has a constant rate. Otherwise (a phone that records slower in the dark,
a frozen picture), frames keep their timestamps. The rate is derived from the span's own frames, so
that a gap elsewhere in the file, or a pause after the last frame, does not change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

_UNEVEN: Final = 0.25
"""Maximum deviation from even spacing, as a share of a frame's duration: coarse clocks (1 ms in
Matroska) and the 2:3 pattern of soft telecine (0.2) are below it, and a missing frame is above."""

_STANDARD: Final = tuple(
    Fraction(n, d)
    for n, d in (
        (24000, 1001),
        (24, 1),
        (25, 1),
        (30000, 1001),
        (30, 1),
        (50, 1),
        (60000, 1001),
        (60, 1),
        (12, 1),
        (15, 1),
        (10, 1),
        (20, 1),
    )
)
_DOUBT: Final = 0.1  # frames by which a standard rate must fit better than the usual rate
_FINEST: Final = 90_000
_USUAL: Final = 0.9  # minimum share of steps of the usual length in a video with a constant rate


@dataclass(frozen=True)
class Span:
    """The frames of a clip.

    Attributes:
        start_frame: number of the first frame.
        end_frame: one past the number of the last.
        start_pts: retimed timestamp of the first frame, in the video's time base.
        end_pts: timestamp of the next frame; at the end of the video, the end of the last frame.
        rate: frames per second; the mean if frames are unevenly spaced.
        even: whether frames are evenly spaced, so that the clip has a constant rate.
    """

    start_frame: int
    end_frame: int
    start_pts: int
    end_pts: int
    rate: Fraction
    even: bool = True

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.end_frame - self.start_frame

    @property
    def seconds(self) -> Fraction:
        """Length of the clip, seconds."""
        return self.frames / self.rate


def span_of(
    pts: npt.NDArray[np.int64],
    start: int,
    end: int,
    end_pts: int,
    time_base: Fraction,
    usual: Fraction,
) -> Span:
    """Return the span of some frames of a video.

    Args:
        pts: retimed timestamp of every frame of the video, shape (frames,).
        start: first frame.
        end: one past the last frame.
        end_pts: timestamp of the next frame, or the end of the last one.
        time_base: seconds of one unit of the timestamps.
        usual: usual rate of the video, which is used if it fits.
    """
    times = pts[start:end]
    first, last = int(times[0]), int(times[-1])
    steps = len(times) - 1
    lasted = (last - first) * time_base
    if not steps:
        return Span(start, end, first, end_pts, usual)
    if is_even(times):
        rate = _rounded(Fraction(steps) / lasted, steps, usual)
        return Span(start, end, first, end_pts, rate)
    # a pause after the last frame is not part of the clip
    rest = min(end_pts - last, int(np.diff(times).max())) * time_base
    return Span(start, end, first, end_pts, Fraction(steps + 1) / (lasted + rest), even=False)


def is_even(times: npt.NDArray[np.int64]) -> bool:
    """Whether timestamps are evenly spaced, within a fraction of a frame."""
    steps = len(times) - 1
    if steps < 2:
        return True
    step = (times[-1] - times[0]) / steps
    beat = times[0] + step * np.arange(len(times))
    return bool((np.abs(times - beat) <= max(1.0, _UNEVEN * step)).all())


def usual_rate(pts: npt.NDArray[np.int64], time_base: Fraction, header: Fraction) -> Fraction:
    """Return the usual rate of a whole video: that of its header if the frames match it.

    A few steps of unusual length (gaps, missing frames) are ignored. If there is no usual length,
    the mean rate is returned.
    """
    steps = np.diff(pts)
    if not len(steps):
        return header
    usual = np.abs(steps - np.median(steps)) <= 0.4 * np.median(steps)
    if usual.mean() < _USUAL:
        usual[:] = True
    count = int(usual.sum())
    measured = Fraction(count) / (int(steps[usual].sum()) * time_base)
    return _rounded(measured, min(count, 250), header)


def _rounded(measured: Fraction, steps: int, usual: Fraction) -> Fraction:
    """Return the usual or a standard rate close to the measured one, if all frames still fit it."""

    def off(rate: Fraction) -> float:
        """Return the accumulated deviation over this many steps, in frames."""
        return float(abs(rate / measured - 1) * steps)

    nearest = min(_STANDARD, key=off)
    rate = usual if off(usual) <= off(nearest) + _DOUBT else nearest
    if off(rate) <= _UNEVEN:
        return rate
    return max(Fraction(1, 1001), measured.limit_denominator(1001))


class Clock:
    """Timestamps of the frames of an uneven clip, from its start, in units of 1/90000 s."""

    unit: Final = Fraction(1, _FINEST)

    def __init__(self, span: Span, time_base: Fraction) -> None:
        self._start, self._scale = span.start_pts, time_base / self.unit
        self._last = -1

    def time(self, pts: int) -> int:
        """Return the time of the next frame, always later than that of the previous one."""
        self._last = max(self._last + 1, round((pts - self._start) * self._scale))
        return self._last
