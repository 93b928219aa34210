"""Tracking of faces through a shot by detection.

Detections of successive samples are assigned to tracks by overlap (Hungarian assignment, as in
pyannote.video). Gaps are bridged, and boxes are smoothed over the samples and interpolated for
every frame. Tracks never cross a cut, because shots are processed one at a time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from caer_data.faces.models.geometry import iou
from caer_data.faces.models.interface import Detections

Boxes = npt.NDArray[np.float64]

# Between two samples, about 0.4 s apart, a head may move by half its size. Boxes are enlarged by
# this factor before they are compared, so that those of the same head still overlap.
_REACH = 1.5

# A face that reappears has moved by at most this many heights, and its size has changed by at most
# this factor.
_MOVED = 1.0
_GROWN = 1.6


@dataclass
class Track:
    """The track of one face: the samples with a detection, and the detections."""

    frames: list[int] = field(default_factory=list)
    boxes: list[npt.NDArray[np.float32]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    points: list[npt.NDArray[np.float32] | None] = field(default_factory=list)


@dataclass(frozen=True)
class Path:
    """A track's boxes (n, 4) in every frame from `start` on, and which of them are interpolated."""

    start: int
    boxes: npt.NDArray[np.float32]
    interpolated: npt.NDArray[np.bool_]


def associate(
    detections: dict[int, Detections],
    times: npt.NDArray[np.float64],
    min_iou: float,
    max_gap_s: float,
) -> list[Track]:
    """Join the detections of one shot to tracks, ordered by first frame, then from left to right.

    Every detection is in a track, be it alone; see `lasts`.

    Args:
        detections: detections by sampled frame.
        times: time of every frame of the video, s.
        min_iou: minimum overlap (of enlarged boxes) of one face in successive samples.
        max_gap_s: maximum time without a detection within a track, s.
    """
    from scipy.optimize import linear_sum_assignment

    tracks: list[Track] = []
    active: list[Track] = []
    for frame in sorted(detections):
        found = detections[frame]
        active = [t for t in active if times[frame] - times[t.frames[-1]] <= max_gap_s + 1e-9]
        free = set(range(len(found)))
        if active and len(found):
            overlap = iou(
                _enlarged(np.array([t.boxes[-1] for t in active], np.float64)),
                _enlarged(found.boxes.astype(np.float64)),
            )
            rows, columns = linear_sum_assignment(-overlap)
            for a, b in zip(rows.tolist(), columns.tolist(), strict=True):
                if overlap[a, b] >= min_iou:
                    _extend(active[a], frame, found, b)
                    free.discard(b)
        for b in sorted(free):
            tracks.append(Track())
            active.append(tracks[-1])
            _extend(tracks[-1], frame, found, b)
    return sorted(tracks, key=lambda t: (t.frames[0], float(t.boxes[0][0])))


def lasts(track: Track, samples: int, min_detections: int, min_score: float) -> bool:
    """Whether a track counts; others are probably false alarms.

    Args:
        track: the track.
        samples: number of the shot's samples.
        min_detections: minimum number of detections of a track, but in a short shot not more than
            a third of its samples.
        min_score: minimum score of a track's best detection; its other detections may be weaker
            (ByteTrack, Zhang et al. 2022, arXiv:2110.06864, section 3).
    """
    least = min(min_detections, -(-samples // 3))
    return len(track.frames) >= least and max(track.scores) >= min_score


def _extend(track: Track, frame: int, found: Detections, index: int) -> None:
    track.frames.append(frame)
    track.boxes.append(found.boxes[index])
    track.scores.append(float(found.scores[index]))
    track.points.append(None if found.points is None else found.points[index])


def rejoin(
    tracks: list[Track],
    times: npt.NDArray[np.float64],
    max_gap_s: float,
    alike: Callable[[Track, Track], bool],
    counts: Callable[[Track], bool],
) -> list[Track]:
    """Join tracks of one face that was lost, as by a sudden turn, and reappears in the same place.

    Tracks that are closest in time are joined first. A track that does not count by itself, such as
    a single detection of a face that then moves fast, may continue one that does.

    Args:
        tracks: tracks of one shot, in order of their first frames, as returned by `associate`.
        times: time of every frame of the video, s.
        max_gap_s: maximum time between the end of one track and the start of the next, s.
        alike: returns whether the end of one track and the start of another show one person.
        counts: returns whether a track counts by itself; see `lasts`.

    Returns:
        The joined tracks that count, in the same order.
    """
    following: dict[int, int] = {}
    continued: set[int] = set()
    counted = [counts(track) for track in tracks]
    for _, i, j in sorted(_near(tracks, times, max_gap_s, counted)):
        if i in following or j in continued:
            continue
        if _same_place(tracks[i].boxes[-1], tracks[j].boxes[0]) and alike(tracks[i], tracks[j]):
            following[i] = j
            continued.add(j)
    joined = []
    for start in range(len(tracks)):
        if start not in continued:
            chain = [start]
            while chain[-1] in following:
                chain.append(following[chain[-1]])
            joined.append(_chained([tracks[n] for n in chain]))
    return [track for track in joined if counts(track)]


def _near(
    tracks: list[Track], times: npt.NDArray[np.float64], max_gap_s: float, counted: list[bool]
) -> Iterator[tuple[float, int, int]]:
    """Yield the gaps, s, between tracks that may be joined, and the indexes of the two tracks.

    In a long shot, most pairs are far apart: there are too many to look at each.
    """
    starts = [track.frames[0] for track in tracks]
    for i, track in enumerate(tracks):
        end = track.frames[-1]
        for j in range(bisect_right(starts, end), len(tracks)):
            gap = float(times[starts[j]] - times[end])
            if gap > max_gap_s + 1e-9:
                break
            if counted[i] or counted[j]:
                yield gap, i, j


def _same_place(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> bool:
    """Whether two boxes are close enough to show a face before and after moving or turning."""
    heights = float(a[3] - a[1]), float(b[3] - b[1])
    moved = float(np.hypot(*((a[:2] + a[2:]) - (b[:2] + b[2:])) / 2))
    return max(heights) <= _GROWN * min(heights) and moved <= _MOVED * max(heights)


def _chained(parts: list[Track]) -> Track:
    return Track(
        frames=[n for part in parts for n in part.frames],
        boxes=[box for part in parts for box in part.boxes],
        scores=[score for part in parts for score in part.scores],
        points=[points for part in parts for points in part.points],
    )


def among(tracks: list[Track], frames: list[int]) -> list[Track]:
    """Return the parts of tracks inside the given frames, without empty tracks."""
    wanted = set(frames)
    parts = []
    for track in tracks:
        indices = [n for n, frame in enumerate(track.frames) if frame in wanted]
        if indices:
            parts.append(
                Track(
                    frames=[track.frames[n] for n in indices],
                    boxes=[track.boxes[n] for n in indices],
                    scores=[track.scores[n] for n in indices],
                    points=[track.points[n] for n in indices],
                )
            )
    return parts


def path_of(
    track: Track,
    first: int,
    last: int,
    times: npt.NDArray[np.float64],
    samples: Sequence[int],
) -> Path:
    """Return a track's box in every frame.

    The ends extend half-way to the next sample, or to the edge of the shot if there is no sample in
    between, since the face was not seen to leave. Tracks that end and begin at neighbouring samples
    share no frame.

    Args:
        track: the track.
        first: first frame of the shot.
        last: last frame of the shot (inclusive).
        times: time of every frame of the video, s.
        samples: the shot's sampled frames, in order.
    """
    frames = np.array(track.frames)
    boxes = _smooth(np.array(track.boxes, np.float64))
    before = bisect_left(samples, track.frames[0]) - 1
    after = bisect_right(samples, track.frames[-1])
    start = first if before < 0 else _middle(samples, before, times) + 1
    end = last if after == len(samples) else _middle(samples, after - 1, times)
    wanted = np.arange(start, end + 1)
    seconds = times[wanted]
    columns = [np.interp(seconds, times[frames], boxes[:, k]) for k in range(4)]
    return Path(
        start=int(start),
        boxes=np.stack(columns, axis=1).astype(np.float32),
        interpolated=~np.isin(wanted, frames),
    )


def _middle(samples: Sequence[int], index: int, times: npt.NDArray[np.float64]) -> int:
    """Return the last frame before or at half the time between a sample and the next."""
    middle = (times[samples[index]] + times[samples[index + 1]]) / 2
    return int(np.searchsorted(times, middle, "right")) - 1


def _smooth(boxes: Boxes) -> Boxes:
    """Return boxes smoothed with weights 1:2:1; the first and the last stay unchanged."""
    if len(boxes) < 3:
        return boxes
    smoothed = boxes.copy()
    smoothed[1:-1] = (boxes[:-2] + 2 * boxes[1:-1] + boxes[2:]) / 4
    return smoothed


def _enlarged(boxes: Boxes) -> Boxes:
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * _REACH
    return np.concatenate([middle - half, middle + half], axis=1)
