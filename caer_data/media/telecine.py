"""Detection of film that was telecined to interlaced video, by repeated fields.

When film is converted to 59.94 fields per second (2:3 pulldown), one frame in five repeats the
previous top field, and another, two frames later, repeats the bottom field. No camera does that.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

_CYCLE: Final = 5
_WINDOW: Final = 50
"""Frames that are judged together; edits after the telecine interrupt its pattern."""
_MOVES: Final = 1.0  # minimum mean change of a field, out of 256, for the pattern to be visible
_SAME: Final = 0.4  # a field that changes by less than this share of the other's is repeated
_MIN_MOVING: Final = 20  # moving frames of a window
_ON_BEAT: Final = 0.7  # minimum share of frames on the beat that repeat a field
_OFF_BEAT: Final = 0.2  # maximum share of frames off the beat that repeat a field
_MIN_WINDOWS: Final = 0.5  # share of the windows that have the pattern


class Pulldown:
    """Examines the fields of interlaced frames that are pushed one by one."""

    def __init__(self) -> None:
        self._before: tuple[int, npt.NDArray[np.int16]] | None = None
        self._changes: list[tuple[int, float, float]] = []

    def push(self, index: int, raw: Any) -> None:
        """Add a decoded frame; `index` is its number in the video."""
        fields = _fields(raw)
        if fields is None:
            return
        if self._before is not None and self._before[0] == index - 1:
            change = np.abs(fields - self._before[1])
            self._changes.append((index, float(change[::2].mean()), float(change[1::2].mean())))
        self._before = index, fields

    def found(self) -> bool:
        """Whether most windows with motion have the pattern of telecined film."""
        changes = np.array(self._changes, float).reshape(-1, 3)
        windows = [changes[changes[:, 0] // _WINDOW == n] for n in _numbers(changes)]
        beats = [beat for window in windows if (beat := _has_beat(window)) is not None]
        return bool(beats) and sum(beats) >= _MIN_WINDOWS * len(beats)


def _numbers(changes: npt.NDArray[np.float64]) -> list[float]:
    return [float(n) for n in np.unique(changes[:, 0] // _WINDOW)]


def _has_beat(window: npt.NDArray[np.float64]) -> bool | None:
    """Whether fields are repeated once in five frames; None if too little moves."""
    index, top, bottom = window.T
    moving = np.maximum(top, bottom) >= _MOVES
    if moving.sum() < _MIN_MOVING:
        return None
    phase = index[moving].astype(int) % _CYCLE
    top, bottom = top[moving], bottom[moving]
    beats = [_phase_of(phase, top < _SAME * bottom), _phase_of(phase, bottom < _SAME * top)]
    return None not in beats and beats[0] != beats[1]


def _phase_of(phase: npt.NDArray[np.int_], repeated: npt.NDArray[np.bool_]) -> int | None:
    """Return the only position in the cycle at which a field is repeated; None if not unique."""
    shares = [repeated[phase == n].mean() if (phase == n).any() else 0.0 for n in range(_CYCLE)]
    best = int(np.argmax(shares))
    others = (sum(shares) - shares[best]) / (_CYCLE - 1)
    return best if shares[best] >= _ON_BEAT and others <= _OFF_BEAT else None


def _fields(raw: Any) -> npt.NDArray[np.int16] | None:
    """Return the brightness of every fourth pixel; None if the format has no luma plane."""
    first = raw.format.components[0]
    if not raw.format.name.startswith(("yuv", "nv", "gray")) or raw.format.is_bit_stream:
        return None
    if not raw.format.is_planar and not raw.format.name.startswith("gray"):
        return None
    plane, deep = raw.planes[0], first.bits > 8
    kind = np.dtype("<u2" if deep else np.uint8)
    rows = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)
    shown = rows[: plane.height // 2 * 2, : plane.width : 4]
    return (shown >> (first.bits - 8) if deep else shown).astype(np.int16)
