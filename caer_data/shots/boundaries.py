"""Cuts, and the interface of all shot detectors."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Kind = Literal["cut", "dissolve", "wipe"]


class Cut(NamedTuple):
    """The boundary between two shots.

    Attributes:
        frame: first frame of the new shot.
        kind: kind of the transition. Fades and cuts blended over several frames count as
            dissolves.
        score: how clear the cut is, 0 to 1: dissimilarity of the pictures on both sides (`adaptive`
            and `content`, refined; for dissolves and wipes multiplied by the quality of the fit),
            mean difference (`dfd`), or probability (`transnet`); None if the detector has no score.
    """

    frame: int
    kind: Kind
    score: float | None


class BoundaryFinder(Protocol):
    """Finds the first frames of new shots in a stream of small pictures."""

    size: tuple[int, int]
    """Width and height of the pictures, px."""

    def prepared(self, picture: npt.NDArray[np.uint8]) -> Any:
        """Return what `push` needs of a picture (BGR).

        Depends on nothing else, so that threads can prepare pictures in any order.
        """
        ...

    def push(self, index: int, prepared: Any) -> list[Cut]:
        """Process the next picture, prepared; return the cuts that are now certain, in order."""
        ...

    def finish(self) -> list[Cut]:
        """Return the remaining cuts after the last picture."""
        ...
