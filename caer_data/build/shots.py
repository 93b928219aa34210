"""Find the shots of a video while it is decoded."""

from __future__ import annotations

from typing import Any

from caer_data.media.decode import DecodedFrame
from caer_data.media.probe import VideoInfo
from caer_data.recipe import Shots


class ShotDetector:
    """Fed every frame in order, gives the shots at the end."""

    def __init__(self, settings: Shots, info: VideoInfo) -> None:
        from scenedetect import AdaptiveDetector

        self._info = info
        self._detector = AdaptiveDetector(min_scene_len=settings.min_frames)
        self._size = (settings.width, max(16, round(settings.width * info.height / info.width)))
        self._pts: list[int] = []
        self._end = 0
        self._cuts: list[int] = []

    def push(self, frame: DecodedFrame) -> None:
        """Take in the next frame."""
        from scenedetect import FrameTimecode

        self._pts.append(frame.pts)
        self._end = frame.pts + frame.duration
        cuts = self._detector.process_frame(FrameTimecode(frame.index, 25.0), frame.small(*self._size))
        self._cuts += [cut.frame_num for cut in cuts]

    def finish(self) -> list[dict[str, Any]]:
        """Rows of `shots` without their identifiers."""
        from scenedetect import FrameTimecode

        last = FrameTimecode(max(0, len(self._pts) - 1), 25.0)
        self._cuts += [cut.frame_num for cut in self._detector.post_process(last)]
        edges = sorted({0, *self._cuts, len(self._pts)})
        pts = [*self._pts, self._end]
        base = self._info.time_base
        return [
            {
                "start_frame": a, "end_frame": b, "start_pts": pts[a], "end_pts": pts[b],
                "start_s": float((pts[a] - pts[0]) * base), "end_s": float((pts[b] - pts[0]) * base),
            }
            for a, b in zip(edges[:-1], edges[1:], strict=True)
        ]
