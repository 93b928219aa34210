"""What a row of a release's tables can be: by itself, and beside its video or its clip.

The checks take columns as arrays, so that they serve tables that somebody gave us, part by part,
and clips of a dataset that are about to be exported. Each yields the name of a column with the rows
whose cell is impossible. A cell that is empty is NaN, and is never wrong here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine.emotions import PROBABILITY_COLUMNS

Mask = npt.NDArray[np.bool_]
"""Which rows are meant, shape (rows,)."""

Numbers = Callable[[str], npt.NDArray[Any]]
"""Returns a column of numbers, by its name."""

MAX_FRAMES: Final = 10_000_000
"""Maximum number of frames of a clip, which is more than four days."""
MAX_SIDE: Final = 16_384
"""Maximum width and height of a picture."""
MAX_TEXT: Final = 4_096
"""Maximum length of a name or path, in characters."""
MAX_SECONDS: Final = 30 * 24 * 3600.0
"""Maximum length of a video: a month."""
MAX_RATE: Final = 1000
"""Maximum number of frames per second, if a video's usual rate is lower."""
MAX_BYTES: Final = 1 << 50
"""Maximum size of a file."""
MAX_COUNT: Final = 1_000_000
"""Maximum number of answers for a clip."""
MAX_STAMP: Final = 1 << 61
"""Maximum timestamp, so that differences of two fit into 64 bits."""

ONE: Final = 1.001
"""Maximum share, which may be rounded."""

_SLACK_S: Final = 0.05
_SIDES: Final = ("x1", "y1", "x2", "y2")
_RATE = re.compile(r"[1-9]\d{0,9}(/[1-9]\d{0,9})?", re.ASCII)
_MAX_PART: Final = (1 << 31) - 1
"""Maximum number in a fraction, which is that of FFmpeg."""


@dataclass(frozen=True)
class Videos:
    """Source videos as arrays, one cell per video; an unknown length is the longest possible."""

    names: pd.Index
    first_pts: npt.NDArray[np.int64]
    time_base: npt.NDArray[np.float64]
    seconds: npt.NDArray[np.float64]
    rate: npt.NDArray[np.float64]

    @classmethod
    def of(cls, sources: pd.DataFrame) -> Videos:
        """Return the videos of a table `SOURCES` whose rows are possible."""
        seconds = pd.to_numeric(sources["duration_s"]).to_numpy(float, na_value=np.nan)
        return cls(
            pd.Index(sources["video_id"].astype(object)),
            sources["first_pts"].to_numpy(np.int64),
            np.array([float(Fraction(text)) for text in sources["time_base"]], float),
            np.where(np.isnan(seconds), MAX_SECONDS, seconds),
            np.array([float(Fraction(text)) for text in sources["fps"]], float),
        )


@dataclass(frozen=True)
class Clips:
    """Clips as arrays, one cell per clip: their frames, and the size of their pictures."""

    names: pd.Index
    frames: npt.NDArray[np.int64]
    width: npt.NDArray[np.int64]
    height: npt.NDArray[np.int64]


def is_rate(text: object) -> bool:
    """Return whether a cell is a frame rate or a unit of time, such as `25` or `1/12800`."""
    if not isinstance(text, str) or not _RATE.fullmatch(text):
        return False
    return all(int(part) <= _MAX_PART for part in text.split("/"))


def outside(cells: npt.NDArray[Any], least: float, most: float) -> Mask:
    """Return which cells are outside of a range, ends included; NaN is not."""
    return (cells < least) | (cells > most)


def wrong_clips(number: Numbers) -> Iterator[tuple[str, Mask]]:
    """Yield impossible cells of clips or files, which have the columns of a manifest."""
    yield "frames", outside(number("frames"), 1, MAX_FRAMES)
    for name in ("width", "height"):
        yield name, outside(number(name), 1, MAX_SIDE)
    for name in ("start_pts", "end_pts"):
        yield name, outside(number(name), -MAX_STAMP, MAX_STAMP)
    start, end = number("start_frame"), number("end_frame")
    yield "start_frame", outside(start, 0, MAX_RATE * MAX_SECONDS)
    yield "end_frame", outside(end, 1, MAX_RATE * MAX_SECONDS) | (end <= start)
    yield "end_frame", end - start > MAX_FRAMES
    yield "frames", number("frames") > end - start
    yield "end_pts", number("end_pts") <= number("start_pts")
    yield "end_frame", end - start > number("end_pts") - number("start_pts")
    for name in ("box_x1", "box_y1", "box_x2", "box_y2"):
        yield name, outside(number(name), -_FAR, _FAR)
    yield "face_height", outside(number("face_height"), 0, _FAR)
    for name in ("speech", "cut_score", "confidence", *PROBABILITY_COLUMNS):
        yield name, outside(number(name), 0, ONE)
    for name in ("raters", "agreement"):
        yield name, outside(number(name), 0, MAX_COUNT)


_FAR: Final = 10.0
"""Boxes of faces at the border extend beyond the picture, but not by more than this, in shares."""


def wrong_spans(
    number: Numbers, video: npt.NDArray[np.intp], videos: Videos
) -> Iterator[tuple[str, Mask]]:
    """Yield cells that do not fit the video of a clip.

    Args:
        number: columns of clips or files; `wrong_clips` found nothing.
        video: place of each one's video among the videos, -1 if it is unknown.
        videos: the videos.
    """
    if not len(videos.names):
        return
    known = video >= 0
    first, base = videos.first_pts[video], videos.time_base[video]
    length = videos.seconds[video]
    most = np.floor(length * np.maximum(videos.rate[video], MAX_RATE)) + 1
    start, end = (number(f"{name}_pts") - first for name in ("start", "end"))
    yield "start_pts", known & (start < 0)
    yield "end_pts", known & (end * base > length + _SLACK_S + 2 * base)
    # each frame takes at least one tick
    yield "start_frame", known & (number("start_frame") > start)
    yield "end_frame", known & (number("end_frame") > most)
    for name, ticks in (("start_s", start), ("end_s", end)):
        differ = np.abs(number(name) - ticks * base)
        yield name, known & ~(differ <= _SLACK_S + 1e-6 * np.abs(ticks * base))


def wrong_boxes(number: Numbers) -> Iterator[tuple[str, Mask]]:
    """Yield impossible cells of boxes in frames of clips."""
    yield "frame", outside(number("frame"), 0, MAX_FRAMES - 1)
    for name in _SIDES:
        yield name, ~np.isfinite(number(name)) | outside(number(name), 0, MAX_SIDE)
    yield "x2", number("x2") <= number("x1")
    yield "y2", number("y2") <= number("y1")


def wrong_places(
    number: Numbers, clip: npt.NDArray[np.intp], clips: Clips
) -> Iterator[tuple[str, Mask]]:
    """Yield cells of boxes that do not fit the frames or the pictures of their clip.

    Args:
        number: columns of boxes.
        clip: place of each one's clip among the clips, -1 if it is unknown.
        clips: the clips.
    """
    if not len(clips.names):
        return
    known = clip >= 0
    yield "frame", known & (number("frame") >= clips.frames[clip])
    for name, most in (("x2", clips.width), ("y2", clips.height)):
        yield name, known & (number(name) > most[clip] + 1)


def wrong_pictures(number: Numbers) -> Iterator[tuple[str, Mask]]:
    """Yield impossible cells of files that are frames of clips: their place and the target's box.

    Either all sides of a box are known or none. Files that are clips have neither.
    """
    yield "frame", outside(number("frame"), 0, MAX_FRAMES - 1)
    yield "frame", number("frame") >= number("end_frame") - number("start_frame")
    sides = {name: number(name) for name in _SIDES}
    empty = {name: np.isnan(side.astype(float)) for name, side in sides.items()}
    whole = np.isnan(number("frame").astype(float))
    for name in _SIDES:
        yield name, whole & ~empty[name]
        yield name, empty[name] != empty["x1"]
    for low, high, most in (("x1", "x2", "width"), ("y1", "y2", "height")):
        yield low, sides[low] < 0
        yield high, (sides[high] <= sides[low]) | (sides[high] > number(most))


def wrong_videos(number: Numbers) -> Iterator[tuple[str, Mask]]:
    """Yield impossible numbers of source videos."""
    yield "bytes", outside(number("bytes"), 0, MAX_BYTES)
    yield "first_pts", outside(number("first_pts"), -MAX_STAMP, MAX_STAMP)
    yield "retimed", outside(number("retimed"), 0, MAX_RATE * MAX_SECONDS)
    yield "duration_s", outside(number("duration_s"), 0, MAX_SECONDS)
    for name in ("width", "height"):
        yield name, outside(number(name), 1, MAX_SIDE)


def wrong_pairs(number: Numbers) -> Iterator[tuple[str, Mask]]:
    """Yield impossible cells of pairs of clips with the same footage."""
    for name in ("start_s", "of_start_s", "seconds"):
        yield name, ~np.isfinite(number(name)) | outside(number(name), 0, MAX_SECONDS)
    yield "score", ~np.isfinite(number("score")) | outside(number("score"), -ONE, ONE)
