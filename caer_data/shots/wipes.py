"""Wipes: a line, a circle or a hand of a clock uncovers the new picture.

Each part of the picture turns from the old one to the new one at a time that follows from its
place. So every pixel of every frame says which of the two it is more like, and for each of the
usual forms the place of the edge is found that agrees best with all of them. In a wipe nearly all
agree, and the edge passes over the picture steadily. In a dissolve the pixels of the middle say
neither, and in motion they agree with no edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_AGREE: Final = 0.65
"""Least agreement of any frame: 1 all pixels are on their side of the edge, 0 none is."""

_AGREE_MEAN: Final = 0.85
"""Least agreement of all frames."""

_BACK: Final = 0.06
"""Largest part of the picture that may turn back from one frame to the next."""

_JUMP: Final = 0.3
"""Largest part that may turn from one frame to the next,"""

_UNEVEN: Final = 2.0
"""and how many times that part may be what a steady edge would uncover."""

_MIN_FRAMES: Final = 9
"""Least number of frames in which the edge is inside the picture: a hand, a sheet or a fast pan
passes over it in fewer."""

_LASTS: Final = 0.5
"""Least share of the frames in which the edge is inside the picture."""

_EVERY: Final = 2  # rows and columns that are looked at: a form needs no more
_EDGE: Final = 0.04
_TRIED: Final = 3  # forms that agree best with the frame in the middle


@dataclass(frozen=True)
class Wipe:
    """A wipe in some frames.

    Attributes:
        quality: 0 to 1.
        olds: number of frames that mostly show the old picture.
        first, last: frames in which the edge is inside the picture, from 0.
    """

    quality: float
    olds: int
    first: int
    last: int


def wipe_in(old: Floats, between: Floats, new: Floats) -> Wipe | None:
    """The wipe from one picture to another, if the pictures between them are one.

    Args:
        old: grey picture before, (height, width).
        between: the pictures between, (frames, height, width).
        new: the picture after.
    """
    if len(between) < _MIN_FRAMES:
        return None
    old, between, new = (values[..., ::_EVERY, ::_EVERY] for values in (old, between, new))
    orders = _orders(old.shape)
    votes = (np.abs(between - new) - np.abs(between - old)).reshape(len(between), -1)
    middle = votes[len(votes) // 2]
    agreements, _ = _edges(middle[orders])
    likely = np.argsort(-agreements, kind="stable")[:_TRIED]
    if agreements[likely[0]] < _AGREE:
        return None
    tried = [_edges(votes[:, orders[n]]) for n in likely]
    agreement, shares = max(tried, key=lambda found: float(found[0].mean()))
    quality = float(agreement.mean())
    if agreement.min() < _AGREE or quality < _AGREE_MEAN or not _steady(shares):
        return None
    inside = np.flatnonzero(_inside(shares))
    olds = int(np.count_nonzero(shares >= 0.5))
    return Wipe(quality, olds, int(inside[0]), int(inside[-1]))


def _edges(votes: Floats) -> tuple[Floats, Floats]:
    """Where the edge agrees best with votes (rows, pixels) in the order in which pixels turn.

    Returns:
        Agreement of each row, and the share of its pixels that are still old.
    """
    turned = np.cumsum(votes, axis=1)
    whole = turned[:, -1:]
    # pixels up to the edge have turned, so that their votes count against the old picture
    right = np.concatenate([whole, whole - 2 * turned], axis=1)
    place = right.argmax(axis=1)
    best = np.take_along_axis(right, place[:, None], axis=1)[:, 0]
    total = np.abs(votes).sum(axis=1) + np.float32(1e-6)
    return best / total, (1 - place / votes.shape[1]).astype(np.float32)


def _steady(shares: Floats) -> bool:
    """Whether an edge passes over the picture once, without a jump, and through most frames."""
    falls = -np.diff(shares, prepend=1.0, append=0.0)
    lasting = np.count_nonzero(_inside(shares))
    if lasting < max(_MIN_FRAMES, _LASTS * len(shares)):
        return False
    return bool(falls.max() <= min(_JUMP, _UNEVEN / (lasting + 1)) and falls.min() >= -_BACK)


def _inside(shares: Floats) -> npt.NDArray[np.bool_]:
    return (shares > _EDGE) & (shares < 1 - _EDGE)


@cache
def _orders(shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Orders in which pixels turn in the usual wipes, there and back: (orders, pixels)."""
    height, width = shape
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    forms = [
        x, y, x + y, x - y, np.abs(x), np.abs(y), np.hypot(x * 16 / 9, y),
        np.maximum(np.abs(x), np.abs(y)), np.abs(x) + np.abs(y),
        np.arctan2(x, y), np.arctan2(x, -y), np.arctan2(y, x), np.arctan2(y, -x),
    ]  # fmt: skip
    flat = np.stack([form.ravel() for form in forms])
    return np.argsort(np.concatenate([flat, -flat]), axis=1, kind="stable")
