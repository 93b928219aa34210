"""Follow faces through a shot: tracking by detection.

Detections of successive samples are assigned to tracks by overlap (Hungarian assignment, as in
pyannote.video's tracking by detection); gaps are bridged; boxes are smoothed over the samples and
interpolated to every frame. Nothing crosses a cut, because shots are processed one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from caer_data.faces.models.geometry import iou
from caer_data.faces.models.interface import Detections

Boxes = npt.NDArray[np.float64]

# Between two samples, some 0.4 s apart, a head may move by half its size: boxes are compared
# enlarged by this factor, so that it still overlaps itself.
_REACH = 1.5

# A face that reappears after a break is at most this many heights away, and of a similar size.
_MOVED = 1.0
_GROWN = 1.6


@dataclass
class Track:
    """One face: sampled frames with a detection, and what was detected there."""

    frames: list[int] = field(default_factory=list)
    boxes: list[npt.NDArray[np.float32]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    points: list[npt.NDArray[np.float32] | None] = field(default_factory=list)


@dataclass(frozen=True)
class Path:
    """A track's box in every frame from `start` on: (n, 4), and which are interpolated."""

    start: int
    boxes: npt.NDArray[np.float32]
    interpolated: npt.NDArray[np.bool_]


def associate(
    detections: dict[int, Detections],
    times: npt.NDArray[np.float64],
    min_iou: float,
    max_gap_s: float,
    min_detections: int,
    min_score: float,
) -> list[Track]:
    """Join the detections of one shot into tracks, ordered by first frame, then from left.

    Args:
        detections: sampled frame to what was found there.
        times: time of every frame of the video, s.
        min_iou: least overlap (of enlarged boxes) of one face in successive samples.
        max_gap_s: longest time a face may go unseen within its track.
        min_detections: tracks of fewer detections are taken for false alarms; in a short shot
            that is no more than every third sample.
        min_score: so are tracks whose surest detection scores less; others may keep weaker ones
            (ByteTrack, Zhang et al. 2022, arXiv:2110.06864, section 3).
    """
    from scipy.optimize import linear_sum_assignment

    tracks: list[Track] = []
    for frame in sorted(detections):
        found = detections[frame]
        active = [t for t in tracks if times[frame] - times[t.frames[-1]] <= max_gap_s + 1e-9]
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
            _extend(tracks[-1], frame, found, b)
    least = min(min_detections, -(-len(detections) // 3))
    lasting = [t for t in tracks if len(t.frames) >= least and max(t.scores) >= min_score]
    return sorted(lasting, key=lambda t: (t.frames[0], float(t.boxes[0][0])))


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
) -> list[Track]:
    """Join tracks of one face that broke off, by a jerk or a turn, and resume at the same place.

    Args:
        tracks: tracks of one shot, as `associate` gives them.
        times: time of every frame of the video, s.
        max_gap_s: longest time between the end of one and the start of the next.
        alike: whether the faces at the end of one and at the start of another are one person's.

    Returns:
        The tracks in their order, the nearest in time joined first.
    """
    order = sorted(
        (float(times[b.frames[0]] - times[a.frames[-1]]), i, j)
        for i, a in enumerate(tracks)
        for j, b in enumerate(tracks)
        if a.frames[-1] < b.frames[0]
    )
    following: dict[int, int] = {}
    for gap, i, j in order:
        if gap > max_gap_s + 1e-9 or i in following or j in following.values():
            continue
        if _same_place(tracks[i].boxes[-1], tracks[j].boxes[0]) and alike(tracks[i], tracks[j]):
            following[i] = j
    joined = []
    for start in range(len(tracks)):
        if start not in following.values():
            chain = [start]
            while chain[-1] in following:
                chain.append(following[chain[-1]])
            joined.append(_chained([tracks[n] for n in chain]))
    return joined


def _same_place(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> bool:
    """Whether a face may have moved, or turned, from one box to the other."""
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
    """The parts of tracks that lie in these frames, without those that have none there."""
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
    track: Track, first: int, last: int, times: npt.NDArray[np.float64], reach_s: float
) -> Path:
    """Box of a track in every frame it lasts.

    The ends reach half-way to the next sample, or to the edge of the shot where no whole
    sample lies between: the face was not seen to leave.

    Args:
        track: the track.
        first: first frame of the shot.
        last: last frame of the shot (inclusive).
        times: time of every frame of the video, s.
        reach_s: time between two samples.
    """
    frames = np.array(track.frames)
    boxes = _smooth(np.array(track.boxes, np.float64))
    start = _reach(frames[0], first, times, reach_s)
    end = _reach(frames[-1], last, times, reach_s)
    wanted = np.arange(start, end + 1)
    seconds = times[wanted]
    columns = [np.interp(seconds, times[frames], boxes[:, k]) for k in range(4)]
    return Path(
        start=int(start),
        boxes=np.stack(columns, axis=1).astype(np.float32),
        interpolated=~np.isin(wanted, frames),
    )


def _reach(frame: int, edge: int, times: npt.NDArray[np.float64], reach_s: float) -> int:
    if abs(times[edge] - times[frame]) <= reach_s + 1e-9:
        return edge
    if edge < frame:
        return int(np.searchsorted(times, times[frame] - reach_s / 2))
    return int(np.searchsorted(times, times[frame] + reach_s / 2, "right")) - 1


def _smooth(boxes: Boxes) -> Boxes:
    """Weigh every box with its neighbours 1:2:1; the ends keep their place."""
    if len(boxes) < 3:
        return boxes
    smoothed = boxes.copy()
    smoothed[1:-1] = (boxes[:-2] + 2 * boxes[1:-1] + boxes[2:]) / 4
    return smoothed


def _enlarged(boxes: Boxes) -> Boxes:
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * _REACH
    return np.concatenate([middle - half, middle + half], axis=1)
