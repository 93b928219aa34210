"""What a face detector and a face embedder are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""A picture, BGR, shape (height, width, 3), values 0 to 255."""

Chips = npt.NDArray[np.uint8]
"""Faces cut out and turned upright, BGR, shape (n, side, side, 3)."""

Floats = npt.NDArray[np.float32]


Provider = Literal["auto", "cpu", "cuda", "tensorrt"]
"""A recipe's words for what ONNX models run on."""


class Settings(Protocol):
    """What a choice of models says; a recipe's section `faces` does."""

    @property
    def detector(self) -> str:
        """A word of `engine.face_models.DETECTORS`."""

    @property
    def embedder(self) -> str:
        """A word of `engine.face_models.EMBEDDERS`."""

    @property
    def weights(self) -> str | None:
        """Folder or file of weights that do not come with the installation."""

    @property
    def weights_sha256(self) -> tuple[str, ...]:
        """Hashes of files that the user trusts beside the published ones."""

    @property
    def provider(self) -> Provider:
        """What ONNX models run on."""

    @property
    def detector_size(self) -> int:
        """Long side at which the detector searches a picture, px."""


@dataclass(frozen=True)
class Detections:
    """Faces found in one picture, best first: equally long arrays.

    Attributes:
        boxes: (n, 4) float32, x1, y1, x2, y2 in pixels of the picture, right and bottom exclusive;
            a box may reach beyond the picture.
        scores: (n,) float32, higher is surer, on the detector's own scale.
        points: (n, 5, 2) float32 in pixels: the eye and then the mouth corner that lie further
            left in an upright picture come before their twins (eye, eye, nose, corner, corner);
            None if the detector does not give them.
    """

    boxes: Floats
    scores: Floats
    points: Floats | None = None

    def __len__(self) -> int:
        return len(self.scores)


class Detector(Protocol):
    """Finds faces in pictures.

    Attributes:
        name: the recipe's word for it.
        min_score: score from which a detection counts as a face, unless the recipe says otherwise.
        weak_score: score from which it may be a face that is surer at another time of the shot.
        sure_score: mean score from which a track needs no second opinion.
        close_score: mean score of the best faces of another track, examined closely, from which it
            counts, too.
        provider: what it runs on: "cpu", or the accelerator that really runs it.
        warnings: sentences for the user, such as a fall back from an accelerator to the CPU.
    """

    name: str
    min_score: float
    weak_score: float
    sure_score: float
    close_score: float
    provider: str
    warnings: list[str]

    def detect(
        self, pictures: Sequence[Picture], min_score: float, size: int | None = None
    ) -> list[Detections]:
        """Find faces in pictures of one common size, one result per picture.

        Args:
            pictures: of any size, but all of the same.
            min_score: faces with a lower score are left out.
            size: long side in pixels at which to look, the recipe's `detector_size` if None; give
                less to look at a part of a frame, which then costs less.
        """
        ...


class Embedder(Protocol):
    """Turns faces into vectors that are close together for one person.

    Attributes:
        name: the recipe's word for it.
        dimensions: length of a vector.
        threshold: distance under which two faces are taken for one person, where the model
            separates best.
        track_threshold: the same for the means of two tracks, which lie closer together, those of
            different people too.
        provider: what it runs on: "cpu", or the accelerator that really runs it.
        warnings: sentences for the user, such as a fall back from an accelerator to the CPU.
    """

    name: str
    dimensions: int
    threshold: float
    track_threshold: float
    provider: str
    warnings: list[str]

    def align(self, picture: Picture, faces: Detections) -> Chips:
        """Cut the faces of one picture out, upright and of the size that the network takes."""
        ...

    def embed(self, chips: Chips) -> Floats:
        """Embed aligned faces: (n, dimensions), compared by Euclidean distance."""
        ...
