"""Wipes, in which a moving line, circle or clock hand uncovers the new picture.

Each part of the picture changes from old to new at a time that depends on its position. Every pixel
of every frame votes for the picture that it resembles more, and for each of the usual forms, the
position of the edge that agrees with the most votes is found. In a wipe, almost all pixels agree,
and the edge moves steadily over the picture. In a dissolve, the votes in the middle are undecided,
and in motion they agree with no edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_AGREE: Final = 0.65
"""Minimum agreement of any frame: 1 if all pixels are on their side of the edge, 0 if none is."""

_AGREE_MEAN: Final = 0.85
"""Minimum mean agreement of all frames."""

_BACK: Final = 0.06
"""Maximum share of the picture that may change back from one frame to the next."""

_JUMP: Final = 0.3
"""Maximum share of the picture that may change from one frame to the next."""

_UNEVEN: Final = 2.0
"""Maximum ratio of that share to what a steady edge would uncover."""

_MIN_FRAMES: Final = 9
"""Minimum number of frames in which the edge is inside the picture; a hand, a sheet or a fast pan
passes in fewer."""

_LASTS: Final = 0.5
"""Minimum share of the frames in which the edge is inside the picture."""

_EVERY: Final = 2  # step between the rows and columns used, which suffices to find a form
_EDGE: Final = 0.04
_TRIED: Final = 3  # number of forms tried: those that agree best with the middle frame


@dataclass(frozen=True)
class Wipe:
    """A wipe.

    Attributes:
        quality: quality of the fit, 0 to 1.
        olds: number of frames that mostly show the old picture.
        first, last: indexes of the first and last frame with the edge inside the picture.
    """

    quality: float
    olds: int
    first: int
    last: int


def wipe_in(old: Floats, between: Floats, new: Floats) -> Wipe | None:
    """Return the wipe between two pictures; None if the pictures between them are not a wipe.

    Args:
        old: grey picture before the wipe, (height, width).
        between: grey pictures in between, (frames, height, width).
        new: grey picture after the wipe.
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
    """Find the edge that agrees best with the votes (rows, pixels), ordered as the pixels change.

    Returns:
        The agreement of each row, and the share of its pixels that are still old.
    """
    turned = np.cumsum(votes, axis=1)
    whole = turned[:, -1:]
    # pixels before the edge have changed, so that their votes count against the old picture
    right = np.concatenate([whole, whole - 2 * turned], axis=1)
    place = right.argmax(axis=1)
    best = np.take_along_axis(right, place[:, None], axis=1)[:, 0]
    total = np.abs(votes).sum(axis=1) + np.float32(1e-6)
    return best / total, (1 - place / votes.shape[1]).astype(np.float32)


def _steady(shares: Floats) -> bool:
    """Whether an edge crosses the picture once, without jumps, and during most frames."""
    falls = -np.diff(shares, prepend=1.0, append=0.0)
    lasting = np.count_nonzero(_inside(shares))
    if lasting < max(_MIN_FRAMES, _LASTS * len(shares)):
        return False
    return bool(falls.max() <= min(_JUMP, _UNEVEN / (lasting + 1)) and falls.min() >= -_BACK)


def _inside(shares: Floats) -> npt.NDArray[np.bool_]:
    return (shares > _EDGE) & (shares < 1 - _EDGE)


@cache
def _orders(shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Return the orders in which pixels change in the usual wipes, both ways: (orders, pixels)."""
    height, width = shape
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    forms = [
        x, y, x + y, x - y, np.abs(x), np.abs(y), np.hypot(x * 16 / 9, y),
        np.maximum(np.abs(x), np.abs(y)), np.abs(x) + np.abs(y),
        np.arctan2(x, y), np.arctan2(x, -y), np.arctan2(y, x), np.arctan2(y, -x),
    ]  # fmt: skip
    flat = np.stack([form.ravel() for form in forms])
    return np.argsort(np.concatenate([flat, -flat]), axis=1, kind="stable")
