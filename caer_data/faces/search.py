"""Choice of the frames and regions of a shot in which faces are detected, and their detection.

Searching a whole frame is the most expensive step of a build. A shot is therefore first searched in
a few samples and skipped if they show no face. Otherwise the whole frame is searched at intervals,
and the samples in between only around the faces found before and after.

What to search next in a shot depends on what was found in it, so one shot alone rarely fills a
batch. On a GPU or on several cores, batches are filled with pictures from the next shots.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.engine import recipe as recipes
from caer_data.faces.models.fixed_batches import BATCH
from caer_data.faces.models.geometry import iou
from caer_data.faces.models.interface import Detections, Detector, Embedder, Picture
from caer_data.faces.samples import Samples

_REGION = 320  # px; size to which a region around a face is resized
_ROOM = 3.0  # width of a region as a multiple of the face's, which is then about 107 px wide
_ONE_FACE = 0.4  # two boxes that overlap more are the same face
_FILLS = 0.6  # share of the picture's height from which a face may be too large to be found at once
_AHEAD = 16  # shots that are begun at most before the first of them is finished


@dataclass(frozen=True)
class Models:
    """The face models in use, and their thresholds.

    Attributes:
        detector: finds faces.
        embedder: distinguishes persons.
        min_score: minimum score that a face must reach at least once in the shot.
        weak_score: minimum score of all its other detections.
        batch: pictures that are given to the detector at once.
        filled: whether batches contain pictures of several shots; results do not depend on it.
    """

    detector: Detector
    embedder: Embedder
    min_score: float
    weak_score: float
    batch: int = BATCH
    filled: bool = False

    @classmethod
    def of(
        cls, detector: Detector, embedder: Embedder, settings: recipes.Faces, threads: int = 1
    ) -> Models:
        """Return models with the recipe's scores, or the detector's if the recipe has none.

        Args:
            detector: see above.
            embedder: see above.
            settings: the recipe's section on faces.
            threads: processor cores that the detector uses if it runs on the CPU.
        """
        strong, weak = settings.min_score, settings.weak_score
        strong = detector.min_score if strong is None else strong
        weak = min(detector.weak_score, strong) if weak is None else weak
        on_cpu = detector.provider == "cpu"
        batch = threads * -(-BATCH // threads) if on_cpu else BATCH  # the same for each core
        return cls(detector, embedder, strong, weak, batch, threads > 1 or not on_cpu)


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


@dataclass(frozen=True)
class _Part:
    """A sampled frame in which to detect faces, or a square of it.

    Attributes:
        frame: number of the frame.
        square: x1, y1, x2, y2 in pixels of the displayed frame; None for the whole frame.
        size: long side to which the detector resizes it, px; None for the recipe's size.
    """

    frame: int
    square: npt.NDArray[np.float64] | None = None
    size: int | None = None


_Search = Generator[list[_Part], list[Detections], dict[int, Detections]]
"""Yields what to search next, is sent what was found there, and returns detections by frame."""


@dataclass
class _Begun:
    """A shot that is being searched: what of it is wanted next, and what of that was found."""

    search: _Search
    wanted: list[_Part] = field(default_factory=list)
    found: list[Detections] = field(default_factory=list)
    result: dict[int, Detections] | None = None

    def advance(self) -> None:
        """Go on until the search wants something that was not found yet, or has ended."""
        try:
            if not self.wanted:
                self.wanted = next(self.search)
            while len(self.found) == len(self.wanted):
                self.wanted, self.found = self.search.send(self.found), []
        except StopIteration as end:
            self.result = end.value

    @property
    def open(self) -> list[_Part]:
        """The parts that are yet to be searched."""
        return [] if self.result is not None else self.wanted[len(self.found) :]


def look(
    shots: Sequence[Sequence[int]], frames: Frames, models: Models, settings: recipes.Faces
) -> Iterator[dict[int, Detections]]:
    """Find the faces in shots; stop early in a shot whose first few samples show no face.

    Args:
        shots: the sampled frames of each shot, in order.
        frames: the video's frames.
        models: the detector.
        settings: the recipe's section on faces.

    Yields:
        A shot's detections by frame, in pixels of the displayed frame, without faces that are too
        small; in the order of shots.
    """
    waiting = iter(shots)
    begun: list[_Begun] = []

    def begin() -> bool:
        sampled = next(waiting, None)
        if sampled is None:
            return False
        begun.append(_Begun(_search(sampled, frames, models.min_score, settings)))
        begun[-1].advance()
        return True

    while begun or begin():
        if begun[0].result is not None:
            yield begun.pop(0).result or {}
            continue
        size = begun[0].open[0].size
        while (
            models.filled
            and len(begun) < _AHEAD
            and sum(part.size == size for shot in begun for part in shot.open) < models.batch
            and begin()
        ):
            pass
        _detect(begun, size, frames, models, settings)


def _detect(
    begun: list[_Begun],
    size: int | None,
    frames: Frames,
    models: Models,
    settings: recipes.Faces,
) -> None:
    """Detect faces in one batch of parts of this size, the first shots' first."""
    batch = [(shot, part) for shot in begun for part in shot.open if part.size == size]
    batch = batch[: models.batch]
    pictures = [_picture(part, frames) for _, part in batch]
    alike = [picture.shape == pictures[0].shape for picture in pictures]
    if not all(alike):  # the detector takes pictures of one size
        count = alike.index(False)
        batch, pictures = batch[:count], pictures[:count]
    seen = models.detector.detect(pictures, models.weak_score, size=size)
    found = [
        _moved(faces, part, picture, frames)
        for (_, part), picture, faces in zip(batch, pictures, seen, strict=True)
    ]
    for (shot, part), faces in zip(batch, found, strict=True):
        shot.found.append(faces if part.square is not None else _large(faces, frames, settings))
    for shot in {id(shot): shot for shot, _ in batch}.values():
        shot.advance()


def _search(
    sampled: Sequence[int], frames: Frames, min_score: float, settings: recipes.Faces
) -> _Search:
    """Search one shot; see `_Search`.

    Where a first look finds no face for certain, one may fill the frame and be cut off by it. It is
    then found in smaller pictures.
    """
    first = _spread(sampled, settings.first_look)
    found = yield from _search_whole(first)
    if not any((faces.scores >= min_score).any() for faces in found.values()):
        half = settings.detector_size // 2
        close = yield from _search_close(first, half, frames)
        if any((faces.scores >= min_score).any() for faces in close.values()):
            return close | (yield from _search_close(sorted({*sampled} - {*first}), half, frames))
    if not any(len(faces) for faces in found.values()):
        return {}
    whole = sampled
    if settings.whole_frame_every_s > 0:
        seconds = frames.times[sampled[-1]] - frames.times[sampled[0]]
        whole = _spread(sampled, 1 + int(np.ceil(seconds / settings.whole_frame_every_s)))
    found |= yield from _search_whole([f for f in whole if f not in found])
    between = [f for f in sampled if f not in found]
    found |= yield from _search_around(between, dict(found), frames, settings)
    return found


def _spread(sampled: Sequence[int], count: int) -> list[int]:
    """Return at most `count` samples, from the middles of parts of equal length."""
    if count >= len(sampled):
        return list(sampled)
    indices = np.linspace(0, len(sampled) - 1, 2 * count + 1)[1::2]
    return sorted({sampled[round(index)] for index in indices})


def _search_whole(wanted: Sequence[int], size: int | None = None) -> _Search:
    """Return the faces found by searching whole frames, by frame."""
    seen = (yield [_Part(frame, size=size) for frame in wanted]) if wanted else []
    return dict(zip(wanted, seen, strict=True))


def _search_close(wanted: Sequence[int], size: int, frames: Frames) -> _Search:
    """Return the faces that fill the picture, found in pictures of this size, by frame."""
    found = yield from _search_whole(wanted, size)
    least = _FILLS * frames.picture_height
    return {frame: _high(faces, least) for frame, faces in found.items()}


def _search_around(
    wanted: Sequence[int],
    known: dict[int, Detections],
    frames: Frames,
    settings: recipes.Faces,
) -> _Search:
    """Return the faces found near those of the whole-frame searches before and after, by frame."""
    marks = np.array(sorted(known))
    parts: list[_Part] = []
    for frame in wanted:
        index = int(np.searchsorted(marks, frame))
        near = [int(marks[n]) for n in (index - 1, index) if 0 <= n < len(marks)]
        squares = _squares([known[n].boxes for n in near])
        parts += [_Part(frame, square, _REGION) for square in squares]
    seen = (yield parts) if parts else []
    found: dict[int, list[Detections]] = {frame: [] for frame in wanted}
    for part, faces in zip(parts, seen, strict=True):
        found[part.frame].append(faces)
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


def _picture(part: _Part, frames: Frames) -> Picture:
    """Return the picture of a part."""
    whole = frames.samples.picture(part.frame)
    if part.square is None:
        return whole
    return _crop(whole, part.square * (whole.shape[1] / frames.width))


def _moved(faces: Detections, part: _Part, picture: Picture, frames: Frames) -> Detections:
    """Convert detections from the coordinates of a part's picture to those of the frame."""
    if part.square is None:
        factor, x, y = frames.width / picture.shape[1], 0.0, 0.0
    else:
        factor = (part.square[2] - part.square[0]) / _REGION
        x, y = part.square[:2]
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
    return _high(faces, settings.min_face * frames.picture_height)


def _high(faces: Detections, least: float) -> Detections:
    """Return the faces that are at least this high, px."""
    return _only(faces, np.flatnonzero(faces.boxes[:, 3] - faces.boxes[:, 1] >= least))


def _only(faces: Detections, chosen: npt.NDArray[np.int64]) -> Detections:
    points = None if faces.points is None else faces.points[chosen]
    return Detections(faces.boxes[chosen], faces.scores[chosen], points)
