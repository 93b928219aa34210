"""Where one video's picture lies in another's, found by hashes of the first.

Of the first video only hashes are known, of its pictures between their black bars and of windows of
them; the frames of the other are at hand, bars and all. One box says where the whole first frame
lies in the other's frame, all through the file; where the other was cropped, it reaches beyond.
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

RELEASED: Final = 5
"""Windows of `windows.WINDOWS` whose hashes are known of the first video."""

WHOLE: Final[Box] = (0.0, 0.0, 1.0, 1.0)

_STEPS: Final = (0.04, 0.02, 0.01, 0.005)
_TRIED: Final = 2  # starts from which the best box is looked for
_OVER: Final = 0.012  # share of a side by which a window may reach beyond the frame
_MAX_BITS: Final = 22  # bits; pictures that differ more may not be the same
_SMALLER: Final = 1.0  # bits that a window must gain for each side that it loses


@dataclass(frozen=True)
class SharedFrame:
    """How the frames of two videos overlap.

    Attributes:
        box: where the first video's frame is in the other's, mirrored back where it is mirrored.
        window: place in `windows.WINDOWS` of the largest window that both show.
        mirrored: left and right are exchanged in the other.
    """

    box: Box
    window: int
    mirrored: bool

    def moved(self, box: Box) -> Box:
        """Where a box of the first video's frame is in the other's frame, within it."""
        x1, y1, x2, y2 = (min(max(v, 0.0), 1.0) for v in within(self.box, box))
        return (1 - x2, y1, 1 - x1, y2) if self.mirrored else (x1, y1, x2, y2)

    def hashes(self, pictures: Picture, inside: Box) -> Hashes:
        """Hashes of frames of the other video, comparable with the first's in the window.

        Args:
            pictures: shape (n, height, width), uint8.
            inside: what lies between bars in the first video.
        """
        shown = within(self.box, _window(inside, self.window))
        return _hashes(pictures, shown, self.mirrored)


@dataclass(frozen=True)
class Pairs:
    """Pictures of two videos that are the same, of those pairs that were found.

    Attributes:
        hashes: of the first video's pictures in the released windows; (n, `RELEASED`).
        inside: what lies between bars there, shares; (n, 4).
        pictures: frames of the other video; (n, height, width).
        there: what lies between bars in the other, shares, mirrored where it is; (n, 4).
    """

    hashes: Hashes
    inside: Floats
    pictures: Picture
    there: Floats


def find(pairs: Pairs, mirrored: bool) -> SharedFrame:
    """Find where the frame lies, by pictures that are mostly the same."""
    search = _Search(pairs, mirrored)
    starts = sorted((search.cost(box, window), window, box) for box, window in _starts(pairs))
    found = [(*search.descend(box, window), window) for _, window, box in starts[:_TRIED]]
    _, box, _ = min(found)
    window = min(range(RELEASED), key=lambda number: search.cost(box, number))
    return SharedFrame(box, window, mirrored)


def within(outer: Box, box: Box) -> Box:
    """A box that is given as shares of another one."""
    width, height = outer[2] - outer[0], outer[3] - outer[1]
    return (
        outer[0] + box[0] * width,
        outer[1] + box[1] * height,
        outer[0] + box[2] * width,
        outer[1] + box[3] * height,
    )


def _window(inside: Box, number: int) -> Box:
    width, height = windows.WINDOWS[number]
    centred = (1 - width) / 2, (1 - height) / 2, (1 + width) / 2, (1 + height) / 2
    return within(inside, centred)


def _starts(pairs: Pairs) -> list[tuple[Box, int]]:
    """Boxes that make a window of the one the whole of the other, with the first's window."""
    here, there = _usual(pairs.inside), _usual(pairs.there)
    chosen = [(number, 0) for number in range(RELEASED)]
    chosen += [(0, number) for number in range(1, len(windows.WINDOWS))]
    bars = dict.fromkeys([(here, there), (WHOLE, WHOLE), (here, WHOLE), (WHOLE, there)])
    found = [
        (_mapping(_window(one, a), _window(other, b)), a) for one, other in bars for a, b in chosen
    ]
    return list(dict.fromkeys(found))


def _mapping(part: Box, shown: Box) -> Box:
    """The box of the whole frame, of which a part is shown in another box."""
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
        """Mean difference in a window, bits; infinite where the other shows less than it."""
        found, mirrored = [], self._mirrored
        for inside, rows in self._groups:
            shown = within(box, _window(inside, number))
            if min(shown[:2]) < -_OVER or max(shown[2:]) > 1 + _OVER:
                return float("inf")
            made = _hashes(self._pairs.pictures[rows], shown, mirrored)
            found.append(np.bitwise_count(made ^ self._pairs.hashes[rows, number]))
        bits = np.minimum(np.concatenate(found).astype(float), _MAX_BITS)
        return float(bits.mean()) + _SMALLER * (2 - sum(windows.WINDOWS[number]))

    def descend(self, box: Box, window: int) -> tuple[float, Box]:
        """The best box near one, by a window, and its cost."""
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
    """Boxes with one side moved, or the whole box moved or scaled along one axis or both."""
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
    """Hashes of a part of frames, which may reach a little beyond them."""
    if mirrored:
        shown = 1 - shown[2], shown[1], 1 - shown[0], shown[3]
    made = windows.hashes(_part(pictures, shown), 1)[:, 0]
    return windows.mirrored(made) if mirrored else made


def _part(pictures: Picture, box: Box) -> Picture:
    """A part of each picture at the size of fingerprints, areas averaged."""
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
