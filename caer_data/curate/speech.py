"""Speech in a video: spans in which somebody speaks or in which this is unknown, and clips' shares.

As in Silero's own code, speech begins with a window of high probability and ends with one of low
probability. Short gaps are included and short bursts ignored. Speech is unknown where there is no
sound or long digital silence, since an empty sound track does not show whether anybody speaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.media.hearing import UNKNOWN, Block, Heard
from caer_data.media.voice import RATE, WINDOW

Span = tuple[float, float]
"""Start and end, seconds from the video's first frame."""

_WINDOW_S: Final = WINDOW / RATE
# lower than Silero's own (100 and 70), which miss speech under music and noise (docs/install.md)
_BEGINS: Final = 60  # out of 200; minimum probability at the start of speech
_ENDS: Final = 40  # out of 200; probability below which speech ends
_MIN_WINDOWS: Final = 8  # windows, 0.25 s
_PAUSE: Final = 3  # windows, 0.1 s
_EMPTY_S: Final = 5.0  # digital silence of this length is not a pause in speech
_EDGE_S: Final = 0.1  # time without sound at the start and end that is ignored
_ENOUGH: Final = 0.5  # minimum share of a clip with sound


def spoken(heard: Heard, first_s: float) -> list[Span]:
    """Return the spans in which somebody speaks.

    Args:
        heard: the sound.
        first_s: time of the first frame on the container's clock.
    """
    return [
        (block.start / 1e6 - first_s + a * _WINDOW_S, block.start / 1e6 - first_s + b * _WINDOW_S)
        for block in heard.blocks
        for a, b in _voices(block.windows)
    ]


def audible(heard: Heard, first_s: float) -> list[Span]:
    """Return the spans with sound, in which a voice would be heard."""
    return [
        (block.start / 1e6 - first_s + a * _WINDOW_S, block.start / 1e6 - first_s + b * _WINDOW_S)
        for block in heard.blocks
        for a, b in _sounding(block)
    ]


def rows(spoken: Sequence[Span], audible: Sequence[Span], length_s: float) -> list[dict[str, Any]]:
    """Return the rows of `speech`, without their video, in order of their times."""
    found = [(a, b, "speech") for a, b in _within(spoken, length_s)]
    edges = [(0.0, 0.0), *_within(audible, length_s), (length_s, length_s)]
    found += [(a[1], b[0], "unknown") for a, b in pairwise(edges) if b[0] - a[1] > _EDGE_S]
    return [
        {"start_s": round(start, 3), "end_s": round(end, 3), "state": state}
        for start, end, state in sorted(found)
    ]


def share(spoken: Sequence[Span], audible: Sequence[Span], span: Span) -> float | None:
    """Return the share of a span with speech; None if less than half of it has sound."""
    start, end = span
    sounding = _overlap(audible, span)
    if end <= start or sounding < _ENOUGH * (end - start):
        return None
    return round(min(1.0, _overlap(spoken, span) / sounding), 3)


def share_of_all(spoken: Sequence[Span], audible: Sequence[Span]) -> float | None:
    """Return the share of speech in all time with sound; None if there is no sound."""
    sounding = sum(b - a for a, b in audible)
    return round(sum(b - a for a, b in spoken) / sounding, 3) if sounding else None


def shares(clips: pd.DataFrame, spoken: Sequence[Span], audible: Sequence[Span]) -> pd.Series:
    """Return the share of speech in each clip of one video, with the index of `clips`."""
    spans = zip(clips["start_s"], clips["end_s"], strict=True)
    found = [share(spoken, audible, (float(start), float(end))) for start, end in spans]
    return pd.Series(found, index=clips.index, dtype=float)


def _voices(windows: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Return the spans of windows in which somebody speaks."""
    likely = np.where(windows == UNKNOWN, 0, windows)
    found: list[tuple[int, int]] = []
    for start, end in _runs(likely >= _ENDS):
        loud = np.flatnonzero(likely[start:end] >= _BEGINS)
        if len(loud):
            found.append((start + int(loud[0]), end))
    joined: list[tuple[int, int]] = []
    for start, end in found:
        if joined and start - joined[-1][1] <= _PAUSE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [(start, end) for start, end in joined if end - start >= _MIN_WINDOWS]


def _sounding(block: Block) -> list[tuple[int, int]]:
    """Return the spans of windows without digital silence that is long or fills the block."""
    count = len(block.windows)
    kept = np.ones(count, bool)
    for start, end in _runs(block.windows == UNKNOWN):
        if end - start == count or (end - start) * _WINDOW_S >= _EMPTY_S:
            kept[start:end] = False
    return _runs(kept)


def _runs(true: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the start and end of each run of true values."""
    padded = np.concatenate([[False], true, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(padded))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _overlap(spans: Sequence[Span], with_: Span) -> float:
    return sum(max(0.0, min(b, with_[1]) - max(a, with_[0])) for a, b in spans)


def _within(spans: Sequence[Span], length_s: float) -> list[Span]:
    cut = [(max(0.0, a), min(length_s, b)) for a, b in sorted(spans)]
    return [(a, b) for a, b in cut if b > a]
