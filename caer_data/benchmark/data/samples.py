"""Samples of a benchmark: clips or pictures with a label, a split and the target's boxes."""

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
of the file's frames, sorted by frame. The shape is (0, 5) if no face is known."""

NO_BOXES: Final[Boxes] = np.zeros((0, 5), np.float32)


@dataclass(frozen=True)
class Sample:
    """One clip or picture.

    Attributes:
        sample_id: clip_id of a clip from caer-data, else the path below the tree; unique in its
            source.
        path: the media file.
        split: train, validation or test.
        label: class id, position in `Source.classes`.
        boxes: the target's boxes.
        clip_id: the clip that it is or was taken from; empty if unknown.
        group: samples of one group are in the same fold (video, else clip, else the sample).
        sha256: expected hash of the file; empty if unknown.
        show: the show; this and the following three are empty if unknown.
        episode: the episode.
        video: the source video.
        person: the target person.
        votes: the raters' answers in the manifest's format, `rater=emotion:confidence`, joined by
            spaces; empty if unknown.
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
        samples: its samples, in a fixed order.
        classes: class names; a label is an index into them.
        made_up: whether data or ratings are made up, so that results say nothing about people.
        notes: remarks for readers of the results, such as the origin of the validation split.
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
        """Return classes without a training sample, which cannot be learned and count as errors."""
        trained = {s.label for s in self.samples if s.split == "train"}
        return [c for label, c in enumerate(self.classes) if label not in trained]
