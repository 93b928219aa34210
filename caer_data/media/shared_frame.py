"""Finds the position of one video's frame within another's, by hashes of the first.

Only hashes of the first video are known: those of its pictures between black bars, and of windows
of them. The frames of the other video are available, including bars. A single box describes where
the whole first frame is in the other's frame throughout the file. If the other video was cropped,
the box extends beyond its frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.media import windows
from caer_data.media.fingerprints import HEIGHT, WIDTH
from caer_data.media.frame import Picture

Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom, as shares of a frame."""

RELEASED: Final = (*windows.WINDOWS[:5], (0.6, 0.6))
"""Windows whose hashes are known for the first video; earlier releases lack the last one."""

WHOLE: Final[Box] = (0.0, 0.0, 1.0, 1.0)

_STEPS: Final = (0.04, 0.02, 0.01, 0.005)
_TRIED: Final = 2  # number of starting points of the search for the best box
_OVER: Final = 0.012  # share of a side by which a window may extend beyond the frame
_MAX_BITS: Final = 22  # differences are capped here, since such pictures may not be the same
_SMALLER: Final = 1.0  # bits by which a window must fit better per side that it is smaller


@dataclass(frozen=True)
class SharedFrame:
    """How the frames of two videos overlap.

    Attributes:
        box: position of the first video's frame in the other's (after undoing any mirroring).
        window: index in `RELEASED` of the largest window that both show.
        mirrored: whether left and right are exchanged in the other video.
    """

    box: Box
    window: int
    mirrored: bool

    def moved(self, box: Box) -> Box:
        """Return where a box of the first's frame is in the other's, clipped to that frame."""
        x1, y1, x2, y2 = (min(max(v, 0.0), 1.0) for v in within(self.box, box))
        return (1 - x2, y1, 1 - x1, y2) if self.mirrored else (x1, y1, x2, y2)

    def hashes(self, pictures: Picture, inside: Box) -> Hashes:
        """Return hashes of the other video's frames that are comparable with the first's.

        Args:
            pictures: frames of the other video; shape (n, height, width), uint8.
            inside: box between the bars of the first video.
        """
        shown = within(self.box, _part_of(inside, RELEASED[self.window]))
        return _hashes(pictures, shown, self.mirrored)


@dataclass(frozen=True)
class Pairs:
    """Pairs of pictures of two videos that are probably the same.

    Attributes:
        hashes: hashes of the first video's pictures in the windows of `RELEASED`; (n, windows).
        inside: boxes between the first video's bars, shares; (n, 4).
        pictures: frames of the other video; (n, height, width).
        there: boxes between the other video's bars, shares, mirrored if it is; (n, 4).
    """

    hashes: Hashes
    inside: Floats
    pictures: Picture
    there: Floats


def find(pairs: Pairs, mirrored: bool) -> SharedFrame:
    """Find how the frames overlap, from pairs most of which are the same picture."""
    search = _Search(pairs, mirrored)
    starts = sorted((search.cost(box, window), window, box) for box, window in _starts(pairs))
    found = [(*search.descend(box, window), window) for _, window, box in starts[:_TRIED]]
    _, box, _ = min(found)
    window = min(range(pairs.hashes.shape[1]), key=lambda number: search.cost(box, number))
    return SharedFrame(box, window, mirrored)


def cost(frame: SharedFrame, pairs: Pairs) -> float:
    """Return the mean difference of pairs of pictures if the frames overlap in this way, bits."""
    return _Search(pairs, frame.mirrored).cost(frame.box, frame.window)


def within(outer: Box, box: Box) -> Box:
    """Return a box that is given as shares of another box, as shares of the frame."""
    width, height = outer[2] - outer[0], outer[3] - outer[1]
    return (
        outer[0] + box[0] * width,
        outer[1] + box[1] * height,
        outer[0] + box[2] * width,
        outer[1] + box[3] * height,
    )


def _part_of(inside: Box, window: tuple[float, float]) -> Box:
    width, height = window
    centred = (1 - width) / 2, (1 - height) / 2, (1 + width) / 2, (1 + height) / 2
    return within(inside, centred)


def _starts(pairs: Pairs) -> list[tuple[Box, int]]:
    """Return boxes for which a window of one video is the whole of the other, with the window."""
    here, there = _usual(pairs.inside), _usual(pairs.there)
    whole = windows.WINDOWS[0]
    released = RELEASED[: pairs.hashes.shape[1]]
    chosen = [(number, window, whole) for number, window in enumerate(released)]
    chosen += [(0, whole, window) for window in windows.WINDOWS[1:]]
    bars = dict.fromkeys([(here, there), (WHOLE, WHOLE), (here, WHOLE), (WHOLE, there)])
    found = [
        (_mapping(_part_of(one, a), _part_of(other, b)), number)
        for one, other in bars
        for number, a, b in chosen
    ]
    return list(dict.fromkeys(found))


def _mapping(part: Box, shown: Box) -> Box:
    """Return the box of the whole frame if its `part` is displayed in the box `shown`."""
    sides = []
    for axis in (0, 1):
        scale = (shown[axis + 2] - shown[axis]) / (part[axis + 2] - part[axis])
        start = shown[axis] - part[axis] * scale
        sides.append((start, start + scale))
    return sides[0][0], sides[1][0], sides[0][1], sides[1][1]


def _usual(boxes: Floats) -> Box:
    found, counts = np.unique(boxes, axis=0, return_counts=True)
    left, top, right, bottom = found[counts.argmax()].tolist()
    return left, top, right, bottom


class _Search:
    def __init__(self, pairs: Pairs, mirrored: bool) -> None:
        self._pairs, self._mirrored = pairs, mirrored
        boxes, which = np.unique(pairs.inside, axis=0, return_inverse=True)
        groups = [(tuple(box), np.flatnonzero(which == n)) for n, box in enumerate(boxes.tolist())]
        self._groups = sorted(groups, key=lambda group: -len(group[1]))[:4]

    def cost(self, box: Box, number: int) -> float:
        """Return the mean difference in a window, bits; infinite if the other shows less."""
        found, mirrored = [], self._mirrored
        for inside, rows in self._groups:
            shown = within(box, _part_of(inside, RELEASED[number]))
            if min(shown[:2]) < -_OVER or max(shown[2:]) > 1 + _OVER:
                return float("inf")
            made = _hashes(self._pairs.pictures[rows], shown, mirrored)
            found.append(np.bitwise_count(made ^ self._pairs.hashes[rows, number]))
        bits = np.minimum(np.concatenate(found).astype(float), _MAX_BITS)
        return float(bits.mean()) + _SMALLER * (2 - sum(RELEASED[number]))

    def descend(self, box: Box, window: int) -> tuple[float, Box]:
        """Return the lowest cost near a box, compared in a window, and the box that has it."""
        least = self.cost(box, window)
        for step in _STEPS:
            better = True
            while better:
                tried = min((self.cost(other, window), other) for other in _neighbours(box, step))
                better = tried[0] < least - 1e-6
                if better:
                    least, box = tried
        return least, box


def _neighbours(box: Box, step: float) -> list[Box]:
    """Return boxes with one side moved, and boxes moved or scaled along one or both axes."""
    moves = [
        (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1),
        (1, 0, 1, 0), (0, 1, 0, 1), (1, 0, -1, 0), (0, 1, 0, -1), (1, 1, -1, -1),
    ]  # fmt: skip
    return [
        (
            box[0] + sign * step * move[0],
            box[1] + sign * step * move[1],
            box[2] + sign * step * move[2],
            box[3] + sign * step * move[3],
        )
        for move in moves
        for sign in (1, -1)
    ]


def _hashes(pictures: Picture, shown: Box, mirrored: bool) -> Hashes:
    """Return the hashes of a part of frames; the part may extend slightly beyond them."""
    if mirrored:
        shown = 1 - shown[2], shown[1], 1 - shown[0], shown[3]
    made = windows.hashes(_part(pictures, shown), windows.WINDOWS[:1])[:, 0]
    return windows.mirrored(made) if mirrored else made


def _part(pictures: Picture, box: Box) -> Picture:
    """Return a part of each picture at the size of fingerprints, averaging areas."""
    height, width = pictures.shape[1:]
    fine = (2 * WIDTH, 2 * HEIGHT)
    sx, sy = (box[2] - box[0]) * width / fine[0], (box[3] - box[1]) * height / fine[1]
    x, y = box[0] * width + sx / 2 - 0.5, box[1] * height + sy / 2 - 0.5
    warp = np.array([[sx, 0, x], [0, sy, y]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    made = np.empty((len(pictures), HEIGHT, WIDTH), np.uint8)
    for picture, small in zip(pictures, made, strict=True):
        shown = cv2.warpAffine(picture, warp, fine, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        cv2.resize(shown, (WIDTH, HEIGHT), dst=small, interpolation=cv2.INTER_AREA)
    return made
