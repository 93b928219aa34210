"""One shot of a made-up video with two people, left and right, and what anchors say of it."""

from __future__ import annotations

import pandas as pd

from caer_data.engine import tables
from caer_data.engine.identity import Anchor, Box

FPS, FRAMES = 25, 100
VIDEO = {"sha256": "ab" * 32, "width": 640, "height": 360, "first_pts": 500, "time_base": "1/25"}
LEFT, RIGHT = Box(0.1, 0.2, 0.4, 0.8), Box(0.6, 0.2, 0.9, 0.8)


def two_faces(*, swapped: bool = False, late: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tracks and faces; the same people under other numbers, or seen from a later frame on."""
    places = {"t1": LEFT, "t2": RIGHT} if not swapped else {"t1": RIGHT, "t2": LEFT}
    rows, boxes = [], []
    for name, box in places.items():
        rows.append(
            {"track_id": f"v.s0001.{name}", "shot_id": "v.s0001", "video_id": "v",
             "person_id": f"show.p000{name[1:]}", "start_frame": late, "end_frame": FRAMES,
             "start_s": late / FPS, "end_s": FRAMES / FPS, "coverage": 1.0, "detections": 9,
             "score": 1.0, "face_height": 0.6, "sharpness": 0.5, "brightness": 0.5}
        )  # fmt: skip
        boxes += [
            {"track_id": f"v.s0001.{name}", "frame": frame, "time_s": frame / FPS,
             "x1": box.x1 * 640, "y1": box.y1 * 360, "x2": box.x2 * 640, "y2": box.y2 * 360,
             "score": 1.0, "interpolated": False}
            for frame in range(late, FRAMES)
        ]  # fmt: skip
    return tables.frame(tables.TRACKS, rows), tables.frame(tables.FACES, boxes)


def clip(box: Box | None, start: int = 0, end: int = FRAMES) -> Anchor:
    """Anchor of a clip or a track of the video."""
    return Anchor(str(VIDEO["sha256"]), 500 + start, 500 + end, end - start, box)
