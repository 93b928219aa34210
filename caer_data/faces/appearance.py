"""Appearance of a track: size, sharpness and brightness of its faces, and an embedding.

The embedding is the mean over its best faces, each cropped in several ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.faces.models.interface import Chips, Detections, Floats, Picture
from caer_data.faces.search import Frames, Models
from caer_data.faces.tracking import Track

_TURNED = 0.2  # offset of the nose of a profile, as a share of the distance from eyes to mouth
_MIN_WEIGHT = 0.05  # weight of a profile; a face turned to the camera weighs 1
# Zoom, turn in degrees, and whether it is mirrored, of each crop of a face whose points are known.
# Every other face is cropped in the second way.
_CROPS = (
    ((1.0, 0.0, False), (1.14, 0.0, True), (1.07, -8.0, False), (1.07, 8.0, True)),
    ((1.0, 0.0, True), (1.14, 0.0, False), (1.07, -8.0, True), (1.07, 8.0, False)),
)
_CROPS_OF_BOX = ((1.0, 0.0, False), (1.0, 0.0, True))
_LOOKS = 4  # number of faces of an uncertain track that are searched again, enlarged
_CLOSE = 336  # px; side of the enlarged picture, in which a face is 112 px high
_AROUND = 3.0  # side of the enlarged area as a multiple of the face's
_HINT = 0.1  # minimum score of a detection in it
_SAME_SIZE = 0.4, 1.8  # minimum and maximum ratio of the height found to that of the face
_SIDE = 96  # px; size at which sharpness is measured, that of the face stream's input


@dataclass(frozen=True)
class Appearance:
    """A track and its appearance.

    Attributes:
        track: the track.
        best: index of its best face.
        height: median height of its boxes, px of the displayed frame.
        sharpness, brightness: medians, 0 to 1.
        vector: mean embedding over its best faces.
        confirmed: whether the detector is certain, or finds its best faces again when enlarged.
    """

    track: Track
    best: int
    height: float
    sharpness: float
    brightness: float
    vector: Floats
    confirmed: bool


def measure(track: Track, frames: Frames, models: Models, count: int) -> Appearance:
    """Return the appearance of a track; the `count` best faces are embedded."""
    looks = [
        quality(crop_of(frames, frame, box))
        for frame, box in zip(track.frames, track.boxes, strict=True)
    ]
    sharpness = np.array([sharp for sharp, _ in looks])
    heights = np.array([box[3] - box[1] for box in track.boxes])
    worth = (np.array(track.scores) + 2) * heights * (0.2 + sharpness)
    order = np.argsort(-worth * weights_of(track, range(len(looks))), kind="stable")
    vector = embed_track(track, sorted(int(n) for n in order[:count]), frames, models)
    return Appearance(
        track=track,
        best=int(order[0]),
        height=float(np.median(heights)),
        sharpness=float(np.median(sharpness)),
        brightness=float(np.median([bright for _, bright in looks])),
        vector=vector,
        confirmed=is_confirmed(track, frames, models),
    )


def is_confirmed(track: Track, frames: Frames, models: Models) -> bool:
    """Whether a track about which the detector is uncertain shows a face.

    When the area around it is enlarged, even a small face is found again. Ornaments, hair and
    blurred objects usually are not.
    """
    detector = models.detector
    if float(np.mean(track.scores)) >= detector.sure_score:
        return True
    best = np.argsort(-np.array(track.scores), kind="stable")[:_LOOKS]
    return float(np.mean([_close_look(track, int(n), frames, models) for n in best])) >= (
        detector.close_score
    )


def _close_look(track: Track, index: int, frames: Frames, models: Models) -> float:
    """Return the score of a face in an enlarged picture of its surroundings; 0 if none is found."""
    picture = frames.samples.picture(track.frames[index])
    box = track.boxes[index] * np.float32(picture.shape[1] / frames.width)
    side = float(max(box[2] - box[0], box[3] - box[1], 1.0)) * _AROUND
    scale, middle = _CLOSE / side, (box[:2] + box[2:]) / 2
    shift = _CLOSE / 2 - middle * scale
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float64)
    near = cv2.warpAffine(
        picture, matrix, (_CLOSE, _CLOSE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    found = models.detector.detect([np.asarray(near, np.uint8)], _HINT, _CLOSE)[0]
    off = np.abs((found.boxes[:, :2] + found.boxes[:, 2:]) / 2 - _CLOSE / 2).max(axis=1)
    high = (found.boxes[:, 3] - found.boxes[:, 1]) / _CLOSE * _AROUND
    same = (off < _CLOSE / _AROUND / 2) & (high > _SAME_SIZE[0]) & (high < _SAME_SIZE[1])
    return float(max(found.scores[same], default=0.0))


def crop_of(frames: Frames, frame: int, box: npt.NDArray[np.float32]) -> Picture:
    """Return the part of a sample that shows a face; a view, which keeps the picture in memory."""
    picture = frames.samples.picture(frame)
    scale = picture.shape[1] / frames.width
    x1, y1 = np.maximum(np.floor(box[:2] * scale).astype(int), 0)
    x2, y2 = np.ceil(box[2:] * scale).astype(int)
    crop = picture[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
    return crop if crop.size else picture[-1:, -1:]


def quality(crop: Picture) -> tuple[float, float]:
    """Return the sharpness and brightness of a face, both 0 to 1."""
    grey = cv2.cvtColor(cv2.resize(crop, (_SIDE, _SIDE)), cv2.COLOR_BGR2GRAY).astype(np.float32)
    # Laplacian energy relative to contrast, so that dark or flat light does not count as blur. The
    # constant gives a face in focus a value of about 0.5.
    energy = float(cv2.Laplacian(grey, cv2.CV_32F).var()) / (float(grey.var()) + 25.0)
    return energy / (energy + 0.15), float(grey.mean()) / 255


def frontality(points: Floats) -> float:
    """Return how frontal a face is, 0 (profile) to 1, from its five points (5, 2).

    In a frontal face, the nose is in the middle, and the distance between the eyes about equals
    their distance from the mouth.
    """
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    across = points[1] - points[0]
    apart = float(np.linalg.norm(across))
    high = max(float(np.linalg.norm(mouth - eyes)), 1e-6)
    beside = abs(float((points[2] - (eyes + mouth) / 2) @ across)) / max(apart, 1e-6) / high
    return float(np.exp(-((beside / _TURNED) ** 2)) * np.clip(apart / high, 0.2, 1.0))


def chip_of(
    track: Track, index: int, frames: Frames, models: Models, zoom: float = 1.0, turn: float = 0.0
) -> Chips:
    """Return one face of a track, cropped for the embedder: (1, side, side, 3).

    If the five points are known, `zoom` enlarges the face inside the crop, and `turn` turns it by
    degrees.
    """
    picture = frames.samples.picture(track.frames[index])
    scale = np.float32(picture.shape[1] / frames.width)
    points = track.points[index]
    if points is not None and (zoom, turn) != (1.0, 0.0):
        middle, angle = points.mean(axis=0), np.deg2rad(turn)
        turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        points = (middle + (points - middle) @ turned / zoom).astype(np.float32)
    face = Detections(
        boxes=track.boxes[index][None] * scale,
        scores=np.array([track.scores[index]], np.float32),
        points=None if points is None else points[None] * scale,
    )
    return models.embedder.align(picture, face)


def embed_track(track: Track, indices: Sequence[int], frames: Frames, models: Models) -> Floats:
    """Return the mean embedding of some of a track's faces.

    Each face is embedded several times, cropped a little differently, which makes the mean less
    dependent on pose and alignment. A profile weighs about half as much as a frontal face.
    """
    pointed = all(track.points[index] is not None for index in indices)
    chips, weights = [], []
    for place, weight in enumerate(weights_of(track, indices)):
        for zoom, turn, mirrored in _CROPS[place % len(_CROPS)] if pointed else _CROPS_OF_BOX:
            one = chip_of(track, indices[place], frames, models, zoom, turn)
            chips.append(one[:, :, ::-1] if mirrored else one)
            weights.append((1 + weight) / 2)
    vectors = models.embedder.embed(np.concatenate(chips))
    mean: Floats = np.average(vectors, axis=0, weights=weights).astype(np.float32)
    return mean


def weights_of(track: Track, indices: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the weight of each face: how frontal it is; 1 if it has no points."""
    found = [track.points[index] for index in indices]
    return np.array(
        [1.0 if p is None else _MIN_WEIGHT + (1 - _MIN_WEIGHT) * frontality(p) for p in found]
    )
