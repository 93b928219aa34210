"""Faces in pictures, as on a wall: they stay exactly as they are while another face changes.

A photograph or a mask that the camera shows from a fixed place is detected as reliably as a person.
But even a person who sits still breathes and blinks, so that their face changes a little.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.faces.appearance import Appearance, crop_of
from caer_data.faces.search import Frames
from caer_data.faces.tracking import Track

# Parts of a wall changed by .005 to .07 in real footage (compression and grain), the least lively
# small faces by .08 in two seconds.
_LEAST_CHANGE: Final = 0.04
_MIN_SECONDS: Final = 1.0
_MIN_DETECTIONS: Final = 3
_SIDE: Final = 32  # px; size at which faces are compared, so that grain hardly counts
_LEAST_CONTRAST: Final = 4.0  # grey levels


def without_pictures(seen: list[Appearance], frames: Frames) -> list[Appearance]:
    """Return the faces of a shot without those in pictures.

    A face is in a picture if its place in the frame does not change for a second or longer, while
    another face's does. In a shot in which no face changes (a still, a frozen frame), all remain.
    Pictures that move, or past which the camera moves, remain, too.

    Args:
        seen: the faces found in one shot.
        frames: the video's frames.
    """
    if len(seen) < 2:
        return seen
    still = [_is_still(one.track, frames) for one in seen]
    return (
        seen
        if all(still)
        else [one for one, is_still in zip(seen, still, strict=True) if not is_still]
    )


def _is_still(track: Track, frames: Frames) -> bool:
    """Whether the place of a face does not change for long enough to tell."""
    seconds = frames.times[track.frames[-1]] - frames.times[track.frames[0]]
    if len(track.frames) < _MIN_DETECTIONS or seconds < _MIN_SECONDS - 1e-9:
        return False
    return _unmoved(track) and all(change < _LEAST_CHANGE for change in _changes(track, frames))


def _unmoved(track: Track) -> bool:
    boxes = np.array(track.boxes, np.float64)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return bool(np.ptp(middles, axis=0).max() < np.median(boxes[:, 3] - boxes[:, 1]) / 2)


def _changes(track: Track, frames: Frames) -> Iterable[float]:
    """Yield how much a face's place differs from the first sample, relative to its contrast."""
    box = np.median(np.array(track.boxes), axis=0).astype(np.float32)
    first = _place(frames, track.frames[0], box)
    for frame in track.frames[1:]:
        yield float(np.abs(_place(frames, frame, box) - first).mean())


def _place(frames: Frames, frame: int, box: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a part of a sample in grey, small, with mean 0 and contrast 1 (side, side)."""
    grey = cv2.cvtColor(crop_of(frames, frame, box), cv2.COLOR_BGR2GRAY).astype(np.float32)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray((small - small.mean()) / (small.std() + _LEAST_CONTRAST), np.float32)
