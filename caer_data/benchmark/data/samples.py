"""What a benchmark reads: clips or pictures with a label, a split and the target's boxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError

SPLITS: Final = ("train", "validation", "test")

Boxes = npt.NDArray[np.float32]
"""The target's boxes, shape (m, 5): frame of the file (0 for a picture), x1, y1, x2, y2 in pixels
of the file's frames, sorted by frame. Shape (0, 5) where no face is known."""

NO_BOXES: Final[Boxes] = np.zeros((0, 5), np.float32)


@dataclass(frozen=True)
class Sample:
    """One clip or picture.

    Attributes:
        sample_id: clip_id of our clip, else the path below the tree; unique in its source.
        path: the media file.
        split: train, validation or test.
        label: class id, position in `Source.classes`.
        boxes: the target's boxes.
        clip_id: the clip it is or was taken from, empty if the source does not say.
        group: samples of one group never go to different folds (video, else clip, else itself).
        sha256: hash the file must have, empty if the source gives none.
        show: the show, episode: the episode, video: the source video, person: the target; each is
            empty if the source does not say.
        votes: the raters' answers as a manifest writes them, `rater=emotion:confidence`, joined by
            spaces; empty if the source has none.
    """

    sample_id: str
    path: Path
    split: str
    label: int
    boxes: Boxes = field(default_factory=lambda: NO_BOXES, compare=False)
    clip_id: str = ""
    group: str = ""
    sha256: str = ""
    show: str = ""
    episode: str = ""
    video: str = ""
    person: str = ""
    votes: str = ""


@dataclass(frozen=True)
class Source:
    """A dataset to train and test on.

    Attributes:
        name: the name printed in results.
        kind: clips (video) or images.
        samples: in a fixed order.
        classes: class names; a label is a position in them.
        made_up: generated data or made-up ratings: no figure from it says anything about people.
        notes: sentences a reader of the results needs, such as where the validation split is from.
    """

    name: str
    kind: Literal["clips", "images"]
    samples: tuple[Sample, ...]
    classes: tuple[str, ...] = EMOTIONS
    made_up: bool = False
    notes: tuple[str, ...] = ()

    def require_splits(self) -> None:
        """Raise a CaerError if a split is empty."""
        for split in SPLITS:
            if not any(s.split == split for s in self.samples):
                raise CaerError(
                    f"{self.name}: the {split} split is empty; export with a split that reaches "
                    "all three of train, validation and test"
                )

    def untrained_classes(self) -> list[str]:
        """Classes without a training sample: they cannot be learned and count as missed."""
        trained = {s.label for s in self.samples if s.split == "train"}
        return [c for label, c in enumerate(self.classes) if label not in trained]
