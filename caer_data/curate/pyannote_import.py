"""Read the result files of pyannote.video: shots and face tracks.

Formats, as pyannote.video 1.6.3 writes them (https://github.com/pyannote/pyannote-video):

- `pyannote-structure.py shot`: JSON of pyannote.core, a Timeline of segments in seconds (or an
  Annotation, whose segments are taken);
- `pyannote-face.py track`: lines `seconds track left top right bottom status`, boxes as shares of
  the picture's width and height, status such as `detection`, `forward` or `backward+forward`.

pyannote.video counts seconds from the first frame at a constant rate; a time means the nearest
frame of the video.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error
from caer_data.faces.tracking import Track

_TRACK_WORDS = 7
_EDGES_PER_BOX = 4


def read_shots(path: Path) -> list[float]:
    """Seconds at which the shots of a shots file begin, in order.

    Raises:
        CaerError: a file of another kind.
    """
    try:
        data = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise CaerError(f"{path}: is not JSON, so not a shots file of pyannote.video") from error
    try:
        kind, content = data["pyannote"], data["content"]
        if kind not in ("Timeline", "Annotation"):
            raise CaerError(f"{path}: holds a pyannote {kind}, not a Timeline of shots")
        segments = [item.get("segment", item) for item in content]
        starts = sorted({float(segment["start"]) for segment in segments})
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CaerError(f"{path}: is not a shots file of pyannote.video") from error
    if not starts or not all(math.isfinite(start) for start in starts):
        raise CaerError(f"{path}: holds no shots")
    return starts


def shot_rows(
    starts: Sequence[float], pts: Sequence[int], end_pts: int, time_base: Fraction
) -> list[dict[str, Any]]:
    """Rows of the table `shots`, without identifiers, for shots that begin at these seconds.

    Args:
        starts: seconds from the first frame.
        pts: timestamp of every frame of the video.
        end_pts: timestamp of the end of the last frame.
        time_base: seconds of one timestamp unit.
    """
    times = (np.asarray(pts) - pts[0]) * float(time_base)
    edges = sorted({0, *(nearest_frame(times, start) for start in starts), len(pts)})
    ends = [*pts, end_pts]
    return [
        {
            "start_frame": start,
            "end_frame": end,
            "start_pts": ends[start],
            "end_pts": ends[end],
            "start_s": float((ends[start] - ends[0]) * time_base),
            "end_s": float((ends[end] - ends[0]) * time_base),
        }
        for start, end in pairwise(edges)
    ]


def read_tracks(
    path: Path, times: npt.NDArray[np.float64], width: int, height: int
) -> dict[int, Track]:
    """Face tracks of a tracks file, by their number there.

    Args:
        path: the file.
        times: seconds of every frame of the video, from its first.
        width: displayed width of the video, pixels.
        height: displayed height.

    Returns:
        Boxes in pixels; score 1 where pyannote.video detected the face, 0 if it followed it.

    Raises:
        CaerError: a line of the file cannot be read, or lies outside the video.
    """
    tracks: dict[int, dict[int, tuple[npt.NDArray[np.float32], float]]] = {}
    scale = np.array([width, height, width, height], np.float32)
    end = float(times[-1]) + 1
    for where, words in _lines(path, _TRACK_WORDS):
        try:
            seconds, number = float(words[0]), int(words[1])
            box = np.array([float(w) for w in words[2 : 2 + _EDGES_PER_BOX]], np.float32)
        except ValueError as error:
            raise CaerError(f"{where}: is not 'seconds track left top right bottom'") from error
        if not (0 <= seconds <= end and np.isfinite(box).all()):
            raise CaerError(f"{where}: lies outside of the video, which ends at {times[-1]:.3f} s")
        box = np.clip(box, 0, 1)  # faces at the border reach beyond the picture
        if not (box[0] < box[2] and box[1] < box[3]):
            raise CaerError(f"{where}: the box has no part inside the picture")
        frame = nearest_frame(times, seconds)
        score = float("detection" in words[6].split("+"))
        tracks.setdefault(number, {})[frame] = (box * scale, score)
    return {number: _track(boxes) for number, boxes in sorted(tracks.items())}


def nearest_frame(times: npt.NDArray[np.float64], seconds: float) -> int:
    """Frame whose time is nearest; of two equally near, the earlier."""
    later = int(np.searchsorted(times, seconds))
    if later == 0:
        return 0
    if later == len(times) or seconds - times[later - 1] <= times[later] - seconds:
        return later - 1
    return later


def _track(boxes: dict[int, tuple[npt.NDArray[np.float32], float]]) -> Track:
    frames = sorted(boxes)
    return Track(
        frames=frames,
        boxes=[boxes[frame][0] for frame in frames],
        scores=[boxes[frame][1] for frame in frames],
        points=[None] * len(frames),
    )


def _lines(path: Path, words: int) -> Iterator[tuple[str, list[str]]]:
    """Non-empty lines as words, with where each stands; the last word may hold spaces."""
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if line.strip():
            parts = line.split(maxsplit=words - 1)
            if len(parts) != words:
                raise CaerError(f"{path}:{number}: has {len(parts)} words where {words} belong")
            yield f"{path}:{number}", parts


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    except UnicodeDecodeError as error:
        raise CaerError(f"{path}: is not a text file") from error
