"""Stage 2: detection of shots in the frames of one decode.

A shot is an uninterrupted take: the frames between two cuts. The shots of a video are consecutive
and cover every frame. Detectors receive a frame counter as time, so that a variable frame rate does
not move cuts; the times of shots are the frames' own timestamps.

The detectors are those of PySceneDetect (https://www.scenedetect.com), pyannote.video's displaced
frame difference, and TransNetV2.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scenedetect import FrameTimecode
from scenedetect.detectors import (
    HashDetector,
    HistogramDetector,
    ThresholdDetector,
)

from caer_data.engine import recipe
from caer_data.engine.errors import CaerError
from caer_data.media.ahead import ahead, depth_of
from caer_data.media.attempts import attempts
from caer_data.media.decode import frames, threads_for
from caer_data.media.frame import DecodedFrame
from caer_data.media.probe import VideoInfo
from caer_data.shots.boundaries import BoundaryFinder, Cut
from caer_data.shots.content import Adaptive, Content, to_hsv
from caer_data.shots.dfd import DisplacedFrameDifference
from caer_data.shots.gradual import WithGradual
from caer_data.shots.refine import Refined
from caer_data.shots.transnet import TransNet

_COUNTER: Final = Fraction(25)
"""Nominal rate of the frame counter that PySceneDetect receives; only frames are counted."""


class ShotDetector:
    """Finds the shots of one video from frames that are pushed one by one.

    Memory does not grow with the length of the video, except for eight bytes per frame of the
    current shot.

    Raises:
        CaerError: the recipe's detector is not installed.
    """

    def __init__(self, settings: recipe.Shots, info: VideoInfo) -> None:
        self._finder = _finder(settings, info)
        self._min_frames = settings.min_frames
        self._time_base = info.time_base
        self._rows: list[dict[str, Any]] = []
        self._first_pts = 0
        self._start = 0
        self._cut: Cut | None = None
        self._pts = array("q")
        self._end_pts = 0

    def prepared(self, frame: DecodedFrame) -> Any:
        """Return what `push` needs of a frame; threads can prepare frames in any order."""
        return self._finder.prepared(frame.small(*self._finder.size))

    def push(self, frame: DecodedFrame, prepared: Any = None) -> None:
        """Process the next frame; `prepared` is given if that was called before."""
        if frame.index == 0:
            self._first_pts = frame.pts
        self._pts.append(frame.pts)
        self._end_pts = frame.pts + frame.duration
        ready = self.prepared(frame) if prepared is None else prepared
        self._close(self._finder.push(frame.index, ready))

    def finish(self) -> list[dict[str, Any]]:
        """Return the rows of the table `shots`, in order and without identifiers."""
        self._close(self._finder.finish())
        count = len(self._pts)
        if self._rows and count < self._min_frames:
            self._rows[-1] |= self._until(self._start + count, self._end_pts)
        elif count:
            self._add(count, self._end_pts)
        return self._rows

    def _close(self, cuts: list[Cut]) -> None:
        for cut in cuts:
            length = cut.frame - self._start
            if length >= self._min_frames:
                self._add(length, self._pts[length])
                self._cut = cut

    def _add(self, length: int, end_pts: int) -> None:
        start_pts, end = self._pts[0], self._start + length
        self._rows.append(
            {
                "start_frame": self._start,
                "start_pts": start_pts,
                "start_s": float((start_pts - self._first_pts) * self._time_base),
                **self._until(end, end_pts),
                "cut": self._cut and self._cut.kind,
                "cut_score": self._cut and self._cut.score,
            }
        )
        del self._pts[:length]
        self._start = end

    def _until(self, end: int, end_pts: int) -> dict[str, Any]:
        end_s = float((end_pts - self._first_pts) * self._time_base)
        return {"end_frame": end, "end_pts": end_pts, "end_s": end_s}


def detect(
    path: Path, info: VideoInfo, settings: recipe.Shots, threads: int
) -> list[dict[str, Any]]:
    """Decode a video and return its rows of the table `shots`, without identifiers.

    Fields are shown as the pictures ask, and damaged files are decoded as in a build: see
    `attempts`.

    Args:
        path: the video.
        info: its properties.
        settings: the recipe's section.
        threads: number of threads that scale frames, besides those of the decoder. The shots do not
            depend on it.

    Raises:
        CaerError: the file can no longer be opened, no frame can be decoded, or the recipe's
            detector is not installed.
    """
    rows: list[dict[str, Any]] = []
    for attempt in attempts(threads_for(threads)):
        shown = replace(info, fields=attempt.fields)
        detector = ShotDetector(settings, shown)
        reader = frames(path, shown, attempt.threads, for_analysis=True)
        calls = (partial(_prepared, f, detector) for f in reader)
        for frame, prepared in ahead(calls, threads, depth_of(info, threads)):
            if not attempt.goes_on_after(frame):
                break
            detector.push(frame, prepared)
        else:
            rows = detector.finish()
            attempt.finish(damaged=reader.damage.is_damaged)
    if not rows:
        raise CaerError(f"{path}: no frame can be decoded")
    return rows


def _prepared(frame: DecodedFrame, detector: ShotDetector) -> tuple[DecodedFrame, Any]:
    return frame, detector.prepared(frame)


class SceneDetect:
    """A detector of PySceneDetect, run with a frame counter instead of the container's times."""

    def __init__(self, detector: Any, size: tuple[int, int]) -> None:
        self.size = size
        self._detector = detector
        self._last = FrameTimecode(0, _COUNTER)

    def prepared(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the picture, as HSV for the detectors of `content`."""
        return to_hsv(picture) if isinstance(self._detector, Adaptive | Content) else picture

    def push(self, index: int, prepared: npt.NDArray[np.uint8]) -> list[Cut]:
        """Pass the picture to the detector."""
        self._last = FrameTimecode(index, _COUNTER)
        return _unscored(self._detector.process_frame(self._last, prepared))

    def finish(self) -> list[Cut]:
        """Return the detector's last cuts."""
        return _unscored(self._detector.post_process(self._last))


def _unscored(cuts: Iterable[FrameTimecode]) -> list[Cut]:
    """Convert the cuts of PySceneDetect, which have no kind or score."""
    return [Cut(cut.frame_num, "cut", None) for cut in cuts]


def _finder(settings: recipe.Shots, info: VideoInfo) -> BoundaryFinder:
    size = analysis_size(info, settings.width)
    if settings.detector == "dfd":
        return DisplacedFrameDifference(info, settings.threshold)
    if settings.detector == "transnet":
        return TransNet(settings.threshold)
    make, threshold, default = _SCENE_DETECTORS[settings.detector]
    limit = default if settings.threshold is None else settings.threshold
    # Fades have no structure to compare, so they are used as PySceneDetect finds them.
    if settings.refine and settings.detector != "threshold":
        detector = make(**{threshold: limit, "min_scene_len": 0})
        faint = detector.faint if isinstance(detector, Adaptive) else None
        refined = Refined(SceneDetect(detector, size), settings.min_frames, faint)
        return WithGradual(refined, settings.min_frames) if settings.gradual else refined
    return SceneDetect(make(**{threshold: limit, "min_scene_len": settings.min_frames}), size)


def analysis_size(info: VideoInfo, longest: int) -> tuple[int, int]:
    """Return the size of the pictures to compare: the stored size, scaled as PySceneDetect does."""
    width = info.stored_width - info.crop.left - info.crop.right
    height = info.stored_height - info.crop.top - info.crop.bottom
    scale = min(1.0, longest / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return size[::-1] if info.turn.rotation in (90, 270) else size


# by name in recipes: the class (PySceneDetect's or ours), the name of its threshold, its default
_SCENE_DETECTORS: Final[dict[str, tuple[Callable[..., Any], str, float]]] = {
    "adaptive": (Adaptive, "adaptive_threshold", 3.0),
    "content": (Content, "threshold", 27.0),
    "hash": (HashDetector, "threshold", 0.395),
    "histogram": (HistogramDetector, "threshold", 0.05),
    "threshold": (ThresholdDetector, "threshold", 12),
}
