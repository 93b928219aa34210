"""Faces in pictures, as on a wall: they stay exactly as they are while another face changes.

A photograph, a mask or a poster is detected as reliably as a person. But even a person who sits
still breathes and blinks, so that their face changes a little. Where the camera or the picture
moves, the face is first laid over its earlier self, turned, stretched and skewed as fits best.
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

# A picture differs from its earlier self by grain and compression only, soon as much as later.
# Even a calm person changes more and more around the eyes or the mouth. Laid over, the most changed
# spot of posters changed by .05 to .13, by at most .04 more than at first. That of the calmest
# woman changed by .15 in two seconds, by .09 more than at first; that of others by .25 or more.
_LEAST_CHANGE_LAID: Final = 0.15
_LEAST_GROWTH_LAID: Final = 0.06
_MIN_SECONDS_LAID: Final = 1.5
_SPOT: Final = 5  # px of `_SIDE`; side of a spot
_LAID_SIDE: Final = 64  # px; height of a face that is laid over another
_ROOM: Final = 1.5  # side of the area in which it is sought, as a multiple of the face's
_EDGE: Final = 4  # px; the edge of the face that is not compared, as it may have come into view
_STEPS: Final = 40, 1e-4  # maximum number of steps of the fit, and the gain at which it ends
_UNSMOOTHED: Final = 1  # px; filter of the fit: a larger one shifts faces whose edges it sees


def without_pictures(seen: list[Appearance], frames: Frames) -> list[Appearance]:
    """Return the faces of a shot without those in pictures.

    A face is in a picture if its place in the frame does not change for a second or longer, or if
    the face, wherever it or the camera moves, does not change for 1.5 seconds or longer, while
    another face does. In a shot in which no face is seen to change (a still, a frozen frame, a
    picture past which the camera moves), all remain; a face that is seen too briefly says nothing.

    Args:
        seen: the faces found in one shot.
        frames: the video's frames.
    """
    if len(seen) < 2:
        return seen
    rest = [one for one in seen if not _is_still(one.track, frames)]
    if len(rest) < len(seen) and any(_is_changing(one.track, frames) for one in rest):
        return rest
    return seen


def _is_still(track: Track, frames: Frames) -> bool:
    """Whether a face does not change for long enough to tell."""
    seconds = float(frames.times[track.frames[-1]] - frames.times[track.frames[0]]) + 1e-9
    if len(track.frames) < _MIN_DETECTIONS or seconds < _MIN_SECONDS:
        return False
    if _unmoved(track) and all(change < _LEAST_CHANGE for change in _changes(track, frames)):
        return True
    return seconds >= _MIN_SECONDS_LAID and _is_grain(_changes_laid(track, frames))


def _is_grain(changes: Iterable[float]) -> bool:
    """Whether a face that is laid over its first sample changes little, and not more with time."""
    least, most = float("inf"), 0.0
    for change in changes:
        least, most = min(least, change), max(most, change)
        if most >= _LEAST_CHANGE_LAID or most - least >= _LEAST_GROWTH_LAID:
            return False
    return True


def _is_changing(track: Track, frames: Frames) -> bool:
    """Whether a face that is not still is seen to change, however briefly."""
    return any(change >= _LEAST_CHANGE_LAID for change in _changes_laid(track, frames))


def _unmoved(track: Track) -> bool:
    boxes = np.array(track.boxes, np.float64)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return bool(np.ptp(middles, axis=0).max() < np.median(boxes[:, 3] - boxes[:, 1]) / 2)


def _changes(track: Track, frames: Frames) -> Iterable[float]:
    """Yield how much a face's place differs from the first sample, relative to its contrast."""
    box = np.median(np.array(track.boxes), axis=0).astype(np.float32)
    first = _alike(_grey(crop_of(frames, track.frames[0], box)))
    for frame in track.frames[1:]:
        yield float(np.abs(_alike(_grey(crop_of(frames, frame, box))) - first).mean())


def _changes_laid(track: Track, frames: Frames) -> Iterable[float]:
    """Yield how much the most changed spot of a face differs from that of its first sample.

    The face is laid over its first sample; inf if it does not fit.
    """
    first = _area(frames, track.frames[0], track.boxes[0], 1.0)
    inner = slice(_EDGE, -_EDGE)
    margin = _LAID_SIDE * (_ROOM - 1) / 2
    for frame, box in zip(track.frames[1:], track.boxes[1:], strict=True):
        area = _area(frames, frame, box, _ROOM)
        fit = np.array([[1, 0, margin], [0, 1, margin]], np.float32)
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, *_STEPS)
        try:
            _, fit = cv2.findTransformECC(
                first, area, fit, cv2.MOTION_AFFINE, criteria, None, _UNSMOOTHED
            )
        except cv2.error:  # it does not converge
            yield float("inf")
            continue
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        laid = cv2.warpAffine(
            area, fit, first.shape[::-1], flags=how, borderMode=cv2.BORDER_REPLICATE
        )
        differs = np.abs(_alike(laid[inner, inner]) - _alike(first[inner, inner]))
        yield float(cv2.blur(differs, (_SPOT, _SPOT)).max())


def _area(
    frames: Frames, frame: int, box: npt.NDArray[np.float32], room: float
) -> npt.NDArray[np.uint8]:
    """Return a square around a face in grey, in which the face is `_LAID_SIDE` px high."""
    picture = frames.samples.picture(frame)
    scale = picture.shape[1] / frames.width
    zoom = _LAID_SIDE / max(float(box[3] - box[1]) * scale, 1.0)
    side = round(_LAID_SIDE * room)
    shift = side / 2 - (box[:2] + box[2:]).astype(np.float64) / 2 * scale * zoom
    matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
    half = side / 2 / zoom
    middle = (box[:2] + box[2:]) / 2 * scale
    low = np.clip(np.floor(middle - half), 0, np.array(picture.shape[1::-1]) - 1).astype(int)
    high = np.maximum(np.ceil(middle + half).astype(int), low + 1)
    near = _grey(picture[low[1] : high[1], low[0] : high[0]])
    matrix[:, 2] += zoom * low
    if zoom < 0.6:
        near = cv2.blur(near, (round(1 / zoom),) * 2)
    return np.asarray(
        cv2.warpAffine(near, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _grey(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def _alike(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return a part of a sample small, with mean 0 and contrast 1 (side, side)."""
    small = cv2.resize(grey.astype(np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray((small - small.mean()) / (small.std() + _LEAST_CONTRAST), np.float32)
