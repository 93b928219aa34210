"""Choice of the frames and regions of a shot in which faces are detected, and their detection.

Searching a whole frame is the most expensive step of a build. A shot is therefore first searched in
a few samples and skipped if they show no face. Otherwise the whole frame is searched at intervals,
and the samples in between only around the faces found before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.engine import recipe as recipes
from caer_data.faces.models.geometry import iou
from caer_data.faces.models.interface import Detections, Detector, Embedder, Picture
from caer_data.faces.samples import Samples

_BATCH = 8
_REGION = 320  # px; size to which a region around a face is resized
_ROOM = 3.0  # width of a region as a multiple of the face's, which is then about 107 px wide
_ONE_FACE = 0.4  # two boxes that overlap more are the same face


@dataclass(frozen=True)
class Models:
    """The face models in use, and their thresholds.

    Attributes:
        detector: finds faces.
        embedder: distinguishes persons.
        min_score: minimum score that a face must reach at least once in the shot.
        weak_score: minimum score of all its other detections.
    """

    detector: Detector
    embedder: Embedder
    min_score: float
    weak_score: float

    @classmethod
    def of(cls, detector: Detector, embedder: Embedder, settings: recipes.Faces) -> Models:
        """Return models with the recipe's scores, or the detector's if the recipe has none."""
        strong, weak = settings.min_score, settings.weak_score
        strong = detector.min_score if strong is None else strong
        weak = min(detector.weak_score, strong) if weak is None else weak
        return cls(detector, embedder, strong, weak)


@dataclass(frozen=True)
class Frames:
    """The frames of a video, for the face stage.

    Attributes:
        samples: the sampled pictures.
        times: time of every frame, seconds from the first.
        width, height: displayed size, px; boxes are given at this size.
        bars: shares of the height that are black bars, at the top and at the bottom.
    """

    samples: Samples
    times: npt.NDArray[np.float64]
    width: int
    height: int
    bars: tuple[float, float] = (0.0, 0.0)

    @property
    def picture_height(self) -> float:
        """Height of the picture between bars, px; the heights of faces are relative to it."""
        return self.height * (1 - sum(self.bars))


def look(
    sampled: Sequence[int], frames: Frames, models: Models, settings: recipes.Faces
) -> dict[int, Detections]:
    """Find the faces in a shot's samples; stop early if the first few samples show no face.

    Args:
        sampled: the shot's sampled frames, in order.
        frames: the video's frames.
        models: the detector.
        settings: the recipe's section on faces.

    Returns:
        Detections by frame, in pixels of the displayed frame, without faces that are too small.
    """
    first = _spread(sampled, settings.first_look)
    found = _search(first, frames, models, settings)
    if not any(len(faces) for faces in found.values()):
        return {}
    whole = sampled
    if settings.whole_frame_every_s > 0:
        seconds = frames.times[sampled[-1]] - frames.times[sampled[0]]
        whole = _spread(sampled, 1 + int(np.ceil(seconds / settings.whole_frame_every_s)))
    found |= _search([f for f in whole if f not in found], frames, models, settings)
    between = [f for f in sampled if f not in found]
    found |= _search_around(between, dict(found), frames, models, settings)
    return found


def _spread(sampled: Sequence[int], count: int) -> list[int]:
    """Return at most `count` samples, from the middles of parts of equal length."""
    if count >= len(sampled):
        return list(sampled)
    indices = np.linspace(0, len(sampled) - 1, 2 * count + 1)[1::2]
    return sorted({sampled[round(index)] for index in indices})


def _search(
    wanted: Sequence[int], frames: Frames, models: Models, settings: recipes.Faces
) -> dict[int, Detections]:
    """Return the faces found by searching whole frames, by frame."""
    result = {}
    for at in range(0, len(wanted), _BATCH):
        batch = wanted[at : at + _BATCH]
        pictures = [frames.samples.picture(frame) for frame in batch]
        seen = models.detector.detect(pictures, models.weak_score)
        for frame, picture, faces in zip(batch, pictures, seen, strict=True):
            factor = frames.width / picture.shape[1]
            result[frame] = _large(_moved(faces, factor, 0, 0), frames, settings)
    return result


def _search_around(
    wanted: Sequence[int],
    known: dict[int, Detections],
    frames: Frames,
    models: Models,
    settings: recipes.Faces,
) -> dict[int, Detections]:
    """Return the faces found near those of the whole-frame searches before and after, by frame."""
    marks = np.array(sorted(known))
    jobs: list[tuple[int, npt.NDArray[np.float64]]] = []
    for frame in wanted:
        index = int(np.searchsorted(marks, frame))
        near = [int(marks[n]) for n in (index - 1, index) if 0 <= n < len(marks)]
        jobs += [(frame, square) for square in _squares([known[n].boxes for n in near])]
    found: dict[int, list[Detections]] = {frame: [] for frame in wanted}
    for at in range(0, len(jobs), _BATCH):
        batch = jobs[at : at + _BATCH]
        scale = frames.samples.picture(batch[0][0]).shape[1] / frames.width
        crops = [_crop(frames.samples.picture(frame), square * scale) for frame, square in batch]
        seen = models.detector.detect(crops, models.weak_score, size=_REGION)
        for (frame, square), faces in zip(batch, seen, strict=True):
            factor = (square[2] - square[0]) / _REGION
            found[frame].append(_moved(faces, factor, square[0], square[1]))
    return {frame: _large(_joined(parts), frames, settings) for frame, parts in found.items()}


def _squares(boxes: list[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float64]]:
    """Return squares around faces; one for both if a face was found before and after."""
    every = [b.astype(np.float64) for b in boxes if len(b)]
    if not every:
        return []
    regions = [*every[0]]
    for box in every[1] if len(every) > 1 else ():
        overlap = iou(np.array(regions), box[None])[:, 0]
        best = int(overlap.argmax())
        if overlap[best] > 0:
            low, high = np.minimum(regions[best], box)[:2], np.maximum(regions[best], box)[2:]
            regions[best] = np.concatenate([low, high])
        else:
            regions.append(box)
    squares = []
    for region in regions:
        middle = (region[:2] + region[2:]) / 2
        half = max(region[2] - region[0], region[3] - region[1]) * _ROOM / 2
        squares.append(np.concatenate([middle - half, middle + half]))
    return squares


def _crop(picture: Picture, square: npt.NDArray[np.float64]) -> Picture:
    """Return a square of the picture, resized to a region and black outside the picture."""
    zoom = _REGION / (square[2] - square[0])
    matrix = np.array([[zoom, 0, -square[0] * zoom], [0, zoom, -square[1] * zoom]])
    # map the centres of pixels, so that resizing does not shift the picture
    matrix[:, 2] += (zoom - 1) / 2
    if zoom < 0.5:
        low = np.clip(np.floor(square[:2]), 0, None).astype(int)
        high = np.ceil(square[2:]).astype(int)
        part = picture[low[1] : high[1], low[0] : high[0]]
        matrix[:, 2] += zoom * low
        blurred = cv2.blur(part, (int(1 / zoom),) * 2)
        return np.asarray(cv2.warpAffine(blurred, matrix, (_REGION, _REGION)), np.uint8)
    return np.asarray(cv2.warpAffine(picture, matrix, (_REGION, _REGION)), np.uint8)


def _moved(faces: Detections, factor: float, x: float, y: float) -> Detections:
    """Convert detections from the coordinates of a scaled part to those of the frame."""
    boxes = faces.boxes * np.float32(factor) + np.array([x, y, x, y], np.float32)
    points = faces.points
    if points is not None:
        points = points * np.float32(factor) + np.array([x, y], np.float32)
    return Detections(boxes, faces.scores, points)


def _joined(parts: list[Detections]) -> Detections:
    """Merge the faces of several regions, each face once, best first."""
    filled = [part for part in parts if len(part)]
    if not filled:
        return (
            parts[0] if parts else Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
        )
    with_points = all(part.points is not None for part in filled)
    every = Detections(
        np.concatenate([part.boxes for part in filled]),
        np.concatenate([part.scores for part in filled]),
        np.concatenate([part.points for part in filled if part.points is not None])
        if with_points
        else None,
    )
    overlap = iou(every.boxes.astype(np.float64), every.boxes.astype(np.float64))
    kept: list[int] = []
    for index in np.argsort(-every.scores, kind="stable"):
        if all(overlap[index, other] < _ONE_FACE for other in kept):
            kept.append(int(index))
    return _only(every, np.array(kept))


def _large(faces: Detections, frames: Frames, settings: recipes.Faces) -> Detections:
    high = faces.boxes[:, 3] - faces.boxes[:, 1]
    return _only(faces, np.flatnonzero(high >= settings.min_face * frames.picture_height))


def _only(faces: Detections, chosen: npt.NDArray[np.int64]) -> Detections:
    points = None if faces.points is None else faces.points[chosen]
    return Detections(faces.boxes[chosen], faces.scores[chosen], points)
