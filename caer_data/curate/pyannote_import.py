"""Reading the result files of pyannote.video: shots and face tracks.

Formats, as written by pyannote.video 1.6.3 (https://github.com/pyannote/pyannote-video):

- `pyannote-structure.py shot`: JSON of pyannote.core, a Timeline of segments in seconds (or an
  Annotation, whose segments are used);
- `pyannote-face.py track`: lines `seconds track left top right bottom status`, boxes as shares of
  the picture's width and height, status such as `detection`, `forward` or `backward+forward`.

pyannote.video counts seconds from the first frame at a constant rate; each time is mapped to the
nearest frame of the video.
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
    """Return the start times (s) of the shots in a shots file, in order.

    Raises:
        CaerError: it is not a shots file.
    """
    try:
        data = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise CaerError(f"{path}: is not JSON, so not a shots file of pyannote.video") from error
    try:
        kind, content = data["pyannote"], data["content"]
        if kind not in ("Timeline", "Annotation"):
            raise CaerError(f"{path}: contains a pyannote {kind}, not a Timeline of shots")
        segments = [item.get("segment", item) for item in content]
        starts = sorted({float(segment["start"]) for segment in segments})
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CaerError(f"{path}: is not a shots file of pyannote.video") from error
    if not starts or not all(math.isfinite(start) for start in starts):
        raise CaerError(f"{path}: contains no shots")
    return starts


def shot_rows(
    starts: Sequence[float], pts: Sequence[int], end_pts: int, time_base: Fraction
) -> list[dict[str, Any]]:
    """Return the rows of the table `shots`, without identifiers, for shots with these start times.

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
    """Return the face tracks of a tracks file, by their number in the file.

    Args:
        path: the file.
        times: time of every frame of the video, seconds from the first.
        width: displayed width of the video, pixels.
        height: displayed height.

    Returns:
        Tracks with boxes in pixels; the score is 1 if pyannote.video detected the face in the
        frame, 0 if it tracked it.

    Raises:
        CaerError: a line of the file cannot be read, or is outside the video.
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
            raise CaerError(f"{where}: is outside the video, which ends at {times[-1]:.3f} s")
        box = np.clip(box, 0, 1)  # faces at the border extend beyond the picture
        if not (box[0] < box[2] and box[1] < box[3]):
            raise CaerError(f"{where}: the box lies entirely outside the picture")
        frame = nearest_frame(times, seconds)
        score = float("detection" in words[6].split("+"))
        tracks.setdefault(number, {})[frame] = (box * scale, score)
    return {number: _track(boxes) for number, boxes in sorted(tracks.items())}


def nearest_frame(times: npt.NDArray[np.float64], seconds: float) -> int:
    """Return the frame with the nearest time; of two equally near frames, the earlier."""
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
    """Yield the position and words of non-empty lines; the last word may contain spaces."""
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if line.strip():
            parts = line.split(maxsplit=words - 1)
            if len(parts) != words:
                raise CaerError(f"{path}:{number}: has {len(parts)} words instead of {words}")
            yield f"{path}:{number}", parts


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    except UnicodeDecodeError as error:
        raise CaerError(f"{path}: is not a text file") from error
