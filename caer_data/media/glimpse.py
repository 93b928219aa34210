"""Tiny pictures of all frames, which tell whether a clip begins and ends with the right ones.

The decode pass takes one of each frame, and FFmpeg one of the first and last frame of each clip
that it cuts. They are too coarse to show anything, and a few bytes long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.media.fields import Fields
from caer_data.media.frame import DecodedFrame, Picture
from caer_data.media.probe import VideoInfo

WIDTH, HEIGHT = 8, 4
"""Size, px."""
_SIZE: Final = WIDTH * HEIGHT
_WRITTEN: Final = _SIZE * 3 // 2  # bytes of a picture with its colours
_SAMPLED: Final = (192, 108)
_AROUND: Final = 3  # frames before and after that the right one is told from
_BLACK, _SHADES = 16, 219  # of the television range

_SAME: Final = 2.0
"""Mean difference of brightness, out of 255, up to which pictures count as equal."""
_FAR: Final = 16.0
"""Difference from which they cannot be of the same frame, whatever its colours went through."""
_CLEARLY: Final = 2.0
"""How many times as near another frame must be to be taken for the one that is there."""


def of_frame(frame: DecodedFrame) -> Picture:
    """Return the brightness of a displayed frame; shape (HEIGHT, WIDTH), uint8."""
    sampled = frame.brightness(*_SAMPLED)
    return np.asarray(cv2.resize(sampled, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))


def comparable(info: VideoInfo, interlaced: bool) -> bool:
    """Whether clips show the same field as glimpses of interlaced frames, the upper one.

    FFmpeg keeps the field that comes first. The headers tb and bt have opposite meanings in
    different files, so they say nothing.

    Args:
        info: properties of the video.
        interlaced: whether some of its frames are flagged as two fields.
    """
    if info.fields is Fields.FLAGGED:
        return not interlaced or info.field_order == "tt"
    return info.fields not in (Fields.BOTTOM, Fields.FILM_BOTTOM)


def filtered(pictures: Any, frames: int) -> Any:
    """Return FFmpeg's filters that make glimpses (yuv420p) of a clip's first and last picture."""
    ends = pictures.filter("select", f"eq(n,0)+eq(n,{frames - 1})")
    area = "area+accurate_rnd"
    ends = ends.filter("scale", WIDTH * 8, HEIGHT * 8, flags=area)
    return ends.filter("scale", WIDTH, HEIGHT, flags=area).filter("format", "yuv420p")


@dataclass(frozen=True)
class Ends:
    """What a clip's first and last frame should look like.

    Attributes:
        first: pictures of the frames around the first one, one after the other.
        last: the same around the last one.
        first_at: index of the first frame among `first`.
        last_at: index of the last frame among `last`.
    """

    first: bytes
    last: bytes
    first_at: int
    last_at: int

    @classmethod
    def of(cls, pictures: npt.NDArray[np.uint8], start: int, end: int) -> Ends:
        """Return the ends of a span.

        Args:
            pictures: those of all frames of the video; shape (frames, HEIGHT, WIDTH).
            start: first frame.
            end: one past the last frame.
        """
        first, last = max(0, start - _AROUND), max(0, end - 1 - _AROUND)
        return cls(
            first=pictures[first : start + 1 + _AROUND].tobytes(),
            last=pictures[last : end + _AROUND].tobytes(),
            first_at=start - first,
            last_at=end - 1 - last,
        )

    def amiss(self, written: bytes, frames: int) -> str:
        """Return what is wrong with a clip of whose ends FFmpeg wrote glimpses.

        The text is empty if nothing is. A frame is wrong if it is far from what it should be, or
        clearly nearer to one of its neighbours.

        Args:
            written: what the filters returned.
            frames: number of frames of the clip.
        """
        if len(written) != min(2, frames) * _WRITTEN:
            return "its first and last frame cannot be compared"
        for which, around, at in (("first", self.first, self.first_at),
                                  ("last", self.last, self.last_at)):  # fmt: skip
            begin = 0 if which == "first" else len(written) - _WRITTEN
            distances = _distances(written[begin : begin + _SIZE], around)
            own, nearest = distances[at], distances.min()
            if own > _FAR or (own > _SAME and own > _CLEARLY * nearest):
                return f"its {which} frame is another one"
        return ""


def _distances(luma: bytes, pictures: bytes) -> npt.NDArray[np.float64]:
    """Return how far the luma of one frame is from each picture."""
    shown = (np.frombuffer(luma, np.uint8).astype(np.float64) - _BLACK) * 255 / _SHADES
    known = np.frombuffer(pictures, np.uint8).reshape(-1, _SIZE).astype(np.float64)
    return np.asarray(np.abs(known - np.clip(shown, 0, 255)).mean(axis=1))
