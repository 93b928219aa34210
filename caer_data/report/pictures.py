"""Pictures of the report: thumbnails of shots with boxes, and faces of persons.

The face stage stores them in its artifacts, so nothing is decoded for the report.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from markupsafe import Markup
from PIL import Image

from caer_data.curate import clean
from caer_data.engine import tables
from caer_data.engine.artifacts import Artifact, DamagedArtifactError
from caer_data.engine.dataset import Dataset
from caer_data.engine.files import inside
from caer_data.report import pages


@dataclass(frozen=True)
class Box:
    """A face on a thumbnail, in percent of its width and height."""

    x: float
    y: float
    width: float
    height: float
    person: str
    target: bool


@dataclass(frozen=True)
class Thumbnail:
    """A shot's picture with the boxes of its faces; `image` is empty if there is none."""

    image: Markup
    boxes: tuple[Box, ...] = ()


class Pictures:
    """Finds the pictures of a dataset's shots and tracks."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._videos = dataset.videos.set_index("video_id")
        self._frames: dict[str, dict[str, int]] = {}

    @cached_property
    def _artifacts(self) -> dict[str, str]:
        """Names of the face stage's artifacts by video; empty if work/ was deleted."""
        noted = clean.noted(self._dataset.work_folder)
        return {video_id: facts["faces"] for video_id, facts in noted.items()}

    @cached_property
    def _tracks(self) -> pd.DataFrame:
        return self._dataset.tracks

    def shot(self, video_id: str, shot_id: str) -> bytes | None:
        """Return the JPEG of a shot's thumbnail; None if it is missing."""
        return self._read(video_id, f"thumbnails/{shot_id.removeprefix(f'{video_id}.')}.jpg")

    def face(self, video_id: str, track_id: str) -> bytes | None:
        """Return the JPEG of a track's clearest face; None if it is missing."""
        return self._read(video_id, f"portraits/{track_id.removeprefix(f'{video_id}.')}.jpg")

    def _read(self, video_id: str, name: str) -> bytes | None:
        """Return a member of the artifact that the tables come from; None if it is missing."""
        artifact = Artifact(
            inside(self._dataset.work_folder, self._artifacts.get(video_id, "faces/absent"))
        )
        try:
            return artifact.read(name)
        except (DamagedArtifactError, KeyError):
            return None

    def thumbnails(self, clips: pd.DataFrame) -> list[Thumbnail]:
        """Return thumbnails of clips (rows of `clips`), in their order."""
        boxes = self._boxes(clips)
        return [self._thumbnail(clip, boxes) for clip in clips.to_dict("records")]

    def thumbnail_of(self, video_id: str, shot_id: str) -> Markup:
        """Return a shot's picture; empty if it is missing."""
        return _embed(self.shot(video_id, shot_id), shot_id)

    def portrait(self, video_id: str, track_id: str) -> Markup:
        """Return a track's clearest face; empty if it is missing."""
        return _embed(self.face(video_id, track_id), track_id)

    def _thumbnail(self, clip: dict[Any, Any], boxes: pd.DataFrame) -> Thumbnail:
        video = self._videos.loc[clip["video_id"]]
        shot = clip["shot_id"].removeprefix(f"{clip['video_id']}.")
        image = _embed(self.shot(clip["video_id"], clip["shot_id"]), clip["clip_id"])
        if not image:
            return Thumbnail(image)
        frame = self._frame(clip["video_id"], shot)
        own = boxes[(boxes["shot_id"] == clip["shot_id"]) & (boxes["frame"] == frame)]
        scale_x, scale_y = 100 / video["width"], 100 / video["height"]
        return Thumbnail(
            image,
            tuple(
                Box(
                    x=round(face.x1 * scale_x, 2),
                    y=round(face.y1 * scale_y, 2),
                    width=round((face.x2 - face.x1) * scale_x, 2),
                    height=round((face.y2 - face.y1) * scale_y, 2),
                    person=short_name(face.person_id),
                    target=face.person_id == clip["person_id"],
                )
                for face in own.itertuples()
            ),
        )

    def _frame(self, video_id: str, shot: str) -> int:
        """Return the frame of the video that the shot's thumbnail shows."""
        if video_id not in self._frames:
            facts = self._read(video_id, "thumbnails.json")
            self._frames[video_id] = json.loads(facts) if facts else {}
        return self._frames[video_id][shot]

    def _boxes(self, clips: pd.DataFrame) -> pd.DataFrame:
        """Return the faces of the clips' shots, without loading the rest of `faces`."""
        shots: Collection[str] = set(clips["shot_id"])
        tracks = self._tracks[self._tracks["shot_id"].isin(shots)]
        faces = tables.read_some(
            tables.FACES,
            self._dataset.path_of(tables.FACES),
            ["track_id", "frame", "x1", "y1", "x2", "y2"],
            track_id=tracks["track_id"],
        )
        return faces.merge(tracks[["track_id", "shot_id", "person_id"]], on="track_id")


def short_name(person_id: Any) -> str:
    """Return the short form of a person's identifier: `p2` for `first-light.p0002`."""
    if pd.isna(person_id):
        return "?"
    name = str(person_id).rpartition(".")[2]
    return f"p{name[1:].lstrip('0')}" if name[1:].isdigit() else name


def _embed(data: bytes | None, alt: str) -> Markup:
    """Return an embedded JPEG from an artifact; empty if it is missing."""
    if data is None:
        return Markup()
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        width, height = image.size
    return pages.jpeg(data, width, height, alt)
