"""A cut, and what finds cuts: the part that all detectors of shots have in common."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Kind = Literal["cut", "dissolve", "wipe"]


class Cut(NamedTuple):
    """Where a shot begins.

    Attributes:
        frame: first frame of the new shot.
        kind: how the picture changes there. Fades and cuts blended over several frames count as
            dissolves.
        score: how clear the cut is, 0 to 1: unlikeness of the pictures beside it (`adaptive` and
            `content`, refined; dissolves and wipes times how well their frames fit), mean
            difference (`dfd`), probability (`transnet`); None if the detector does not tell.
    """

    frame: int
    kind: Kind
    score: float | None


class BoundaryFinder(Protocol):
    """Finds the first frames of new shots in a stream of small pictures."""

    size: tuple[int, int]
    """Width and height of the pictures it wants."""

    def push(self, index: int, picture: npt.NDArray[np.uint8]) -> list[Cut]:
        """Take the next picture (BGR) and return the cuts that became certain, in order."""
        ...

    def finish(self) -> list[Cut]:
        """Return the cuts that waited for more pictures."""
        ...
