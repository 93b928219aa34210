"""The target's box in each frame of a clip, in pixels of the clip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.curate.target_boxes import boxes_in, pairs_of
from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.export.manifest import BOXES

_SIDES = ["x1", "y1", "x2", "y2"]
_PAIRS = 10_000
"""Number of pairs of a clip and a track whose boxes are scaled at a time."""


def of_dataset(dataset: Dataset, clips: pd.DataFrame, sources: pd.DataFrame) -> pd.DataFrame:
    """Return the boxes of every clip's target, as `BOXES`, by clip and frame.

    The faces of a large dataset do not fit into memory. They are therefore read part by part, and
    only the targets' values are kept. `clip_id` is a categorical column for the same reason.

    Args:
        dataset: its tracks and faces are read.
        clips: labelled clips with `start_frame, frames, width, height`.
        sources: `video_id, height` of their videos.
    """
    pairs = pairs_of(clips, dataset.tracks)
    names = pd.Index(pairs["track_id"].unique())
    track_of_pair = names.get_indexer(pairs["track_id"])
    faces = _faces(dataset, names)
    clip_ids = np.sort(clips["clip_id"].to_numpy(object))
    rows = clips.set_index("clip_id").loc[clip_ids]
    heights = sources.set_index("video_id")["height"].loc[rows["video_id"]].to_numpy(float)
    size = rows[["width", "height"]].to_numpy(float)[:, [0, 1, 0, 1]]
    scale = size[:, 1] / heights
    start, frames = (rows[name].to_numpy(np.int64) for name in ("start_frame", "frames"))
    clip_of_pair = pd.Index(clip_ids).get_indexer(pairs["clip_id"])
    parts = []
    for own in _blocks(clip_of_pair):
        pair, place = boxes_in(pairs.iloc[own], track_of_pair[own], faces.track, faces.frame)
        clip = clip_of_pair[own][pair]
        pixels = faces.sides[place].astype(float) * scale[clip][:, None]
        box = np.clip(pixels, 0, size[clip]).astype(np.float32)
        at = faces.frame[place].astype(np.int64) - start[clip]
        seen = (at >= 0) & (at < frames[clip])
        seen &= (box[:, 2] - box[:, 0] >= 1) & (box[:, 3] - box[:, 1] >= 1)
        parts.append(
            (clip[seen].astype(np.int32), at[seen], box[seen], faces.interpolated[place][seen])
        )
    if not sum(len(part[0]) for part in parts):
        return tables.empty(BOXES)
    del faces
    columns = [list(column) for column in zip(*parts, strict=True)]
    del parts  # so that each column's parts are freed once they are joined
    clip, at, box, between = (np.concatenate(columns.pop(0)) for _ in range(4))
    named = pd.Categorical.from_codes(clip, categories=pd.Index(clip_ids))
    sides = {name: box[:, number] for number, name in enumerate(_SIDES)}
    found = {"clip_id": named, "frame": at, **sides, "interpolated": between}
    return pd.DataFrame(found, copy=False)


class _Faces(NamedTuple):
    """Faces by track: track number, frame, sides (shape (n, 4)), and whether interpolated."""

    track: npt.NDArray[np.int32]
    frame: npt.NDArray[np.int32]
    sides: npt.NDArray[np.float32]
    interpolated: npt.NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: list[_Faces]) -> _Faces:
        return cls(*map(np.concatenate, zip(*parts, strict=True))) if parts else cls(
            np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros((0, 4), np.float32),
            np.zeros(0, np.bool_),
        )  # fmt: skip


def _faces(dataset: Dataset, names: pd.Index) -> _Faces:
    """Return the faces of some tracks, by track."""
    path = dataset.path_of(tables.FACES)
    columns = ["track_id", "frame", *_SIDES, "interpolated"]
    found: list[_Faces] = []
    for part in tables.read_parts(tables.FACES, path, columns, words="track_id"):
        words = part["track_id"].combine_chunks()
        number = names.get_indexer(words.dictionary.to_pandas())
        track = number[words.indices.to_numpy()].astype(np.int32)
        own = np.flatnonzero(track >= 0)
        sides = np.stack([part[name].to_numpy()[own] for name in _SIDES], axis=1)
        frame = part["frame"].to_numpy()[own].astype(np.int32)
        found.append(_Faces(track[own], frame, sides, part["interpolated"].to_numpy()[own]))
    faces = _Faces.joined(found)
    if (faces.track[1:] < faces.track[:-1]).any():
        order = np.argsort(faces.track, kind="stable")
        track, frame, sides, interpolated = faces
        faces = _Faces(track[order], frame[order], sides[order], interpolated[order])
    return faces


def _blocks(clip_of_pair: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Yield slices of about `_PAIRS` pairs; those of one clip stay together."""
    ends = np.append(np.flatnonzero(np.diff(clip_of_pair)) + 1, len(clip_of_pair))
    start = 0
    while start < len(clip_of_pair):
        end = int(ends[min(int(np.searchsorted(ends, start + _PAIRS)), len(ends) - 1)])
        yield slice(start, end)
        start = end
