"""The interfaces of face detectors and face embedders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""A picture, BGR, shape (height, width, 3), values 0 to 255."""

Chips = npt.NDArray[np.uint8]
"""Cropped and aligned faces, BGR, shape (n, side, side, 3)."""

Floats = npt.NDArray[np.float32]


Provider = Literal["auto", "cpu", "cuda", "tensorrt"]
"""Values of `faces.provider` in a recipe: what ONNX models run on."""


class Settings(Protocol):
    """Settings of face models, such as a recipe's section `faces`."""

    @property
    def detector(self) -> str:
        """A key of `engine.face_models.DETECTORS`."""

    @property
    def embedder(self) -> str:
        """A key of `engine.face_models.EMBEDDERS`."""

    @property
    def weights(self) -> str | None:
        """Folder or file of weights that are not part of the installation."""

    @property
    def weights_sha256(self) -> tuple[str, ...]:
        """Hashes of files that the user trusts besides the published ones."""

    @property
    def provider(self) -> Provider:
        """What ONNX models run on."""

    @property
    def detector_size(self) -> int:
        """Long side to which pictures are resized for the detector, px."""


@dataclass(frozen=True)
class Detections:
    """Faces found in one picture, best first: equally long arrays.

    Attributes:
        boxes: (n, 4) float32, x1, y1, x2, y2 in pixels of the picture, right and bottom exclusive;
            a box may extend beyond the picture.
        scores: (n,) float32, higher is more certain, on the detector's own scale.
        points: (n, 5, 2) float32 in pixels: left eye, right eye, nose, left and right mouth corner,
            where left means left in the picture; None if the detector does not return them.
    """

    boxes: Floats
    scores: Floats
    points: Floats | None = None

    def __len__(self) -> int:
        return len(self.scores)


class Detector(Protocol):
    """Finds faces in pictures.

    Attributes:
        name: its name in recipes.
        min_score: minimum score of a face, unless the recipe gives another.
        weak_score: minimum score of a detection of a face that reaches `min_score` at another time
            in the shot.
        sure_score: minimum mean score of a track that needs no confirmation.
        close_score: minimum mean score of the best faces of any other track, searched again in an
            enlarged picture.
        provider: what it actually runs on: "cpu" or an accelerator.
        warnings: sentences for the user, such as a fallback from an accelerator to the CPU.
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
        """Return the faces in each picture.

        Args:
            pictures: pictures of any size, but all of the same size.
            min_score: minimum score; other faces are dropped.
            size: long side in pixels to which pictures are resized; by default the recipe's
                `detector_size`. A smaller value is faster, for parts of a frame.
        """
        ...


class Embedder(Protocol):
    """Converts faces to vectors that are close together for the same person.

    Attributes:
        name: its name in recipes.
        dimensions: length of a vector.
        threshold: distance below which two faces count as one person; the value that separates
            persons best.
        track_threshold: the same for the means of two tracks, whose distances are smaller, even
            between different persons.
        provider: what it actually runs on: "cpu" or an accelerator.
        warnings: sentences for the user, such as a fallback from an accelerator to the CPU.
    """

    name: str
    dimensions: int
    threshold: float
    track_threshold: float
    provider: str
    warnings: list[str]

    def align(self, picture: Picture, faces: Detections) -> Chips:
        """Return the faces of a picture, cropped, aligned and of the network's input size."""
        ...

    def embed(self, chips: Chips) -> Floats:
        """Return vectors of aligned faces, (n, dimensions), to compare by Euclidean distance."""
        ...
