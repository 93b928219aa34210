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
from caer_data.engine.errors import CaerError
from caer_data.engine.spill import Spill, set_aside
from caer_data.export.manifest import BOXES

_SIDES = ["x1", "y1", "x2", "y2"]
_PAIRS = 2_000
"""Number of pairs of a clip and a track whose boxes are scaled at a time."""


def of_dataset(dataset: Dataset, clips: pd.DataFrame, sources: pd.DataFrame) -> pd.DataFrame:
    """Return the boxes of every clip's target, as `BOXES`, by clip and frame.

    The faces of a large dataset do not fit into memory. They are therefore read part by part, and
    only the targets' values are kept, in a file without a name (see `put_down`). For the same
    reason `clip_id` is a categorical column, and `frame` has 32 bits.

    Args:
        dataset: its tracks and faces are read.
        clips: labelled clips with `start_frame, frames, width, height`.
        sources: `video_id, height` of their videos.

    Raises:
        CaerError: a side of a box is infinite.
    """
    pairs = pairs_of(clips, dataset.tracks)
    names = pd.Index(pairs["track_id"].unique())
    track_of_pair = names.get_indexer(pairs["track_id"])
    spill = Spill(dataset.folder)
    # tracks are numbered in the order of clips, so that their faces are needed in this order
    faces = _faces(dataset, names, spill)
    clip_ids = np.sort(clips["clip_id"].to_numpy(object))
    rows = clips.set_index("clip_id").loc[clip_ids]
    heights = sources.set_index("video_id")["height"].loc[rows["video_id"]].to_numpy(float)
    size = rows[["width", "height"]].to_numpy(float)[:, [0, 1, 0, 1]]
    scale = size[:, 1] / heights
    start, frames = (rows[name].to_numpy(np.int64) for name in ("start_frame", "frames"))
    clip_of_pair = pd.Index(clip_ids).get_indexer(pairs["clip_id"])
    most = int(frames.sum())  # one box per clip and frame
    at_clip, at_frame = spill.array(most, np.int32), spill.array(most, np.int32)
    sides = [spill.array(most, np.float32) for _ in _SIDES]
    between = spill.array(most, np.bool_)
    count = 0
    for own in _blocks(clip_of_pair):
        pair, place = boxes_in(pairs.iloc[own], track_of_pair[own], faces.track, faces.frame)
        clip = clip_of_pair[own][pair]
        if not np.isfinite(faces.sides[place]).all():
            raise CaerError(
                f"{dataset.folder}: the table of faces was changed: a side of a box is not a "
                "number; run 'caer-data build' again"
            )
        pixels = faces.sides[place].astype(float) * scale[clip][:, None]
        box = np.clip(pixels, 0, size[clip]).astype(np.float32)
        at = faces.frame[place].astype(np.int64) - start[clip]
        seen = (at >= 0) & (at < frames[clip])
        seen &= (box[:, 2] - box[:, 0] >= 1) & (box[:, 3] - box[:, 1] >= 1)
        new = slice(count, count + int(seen.sum()))
        at_clip[new], at_frame[new] = clip[seen], at[seen]
        between[new] = faces.interpolated[place][seen]
        for side, own_sides in zip(sides, box[seen].T, strict=True):
            side[new] = own_sides
        count = new.stop
        set_aside(*faces, at_clip, at_frame, *sides, between)
    if not count:
        return tables.empty(BOXES)
    named = pd.Categorical.from_codes(at_clip[:count], categories=pd.Index(clip_ids))
    found = {"clip_id": named, "frame": at_frame[:count]}
    found |= {name: side[:count] for name, side in zip(_SIDES, sides, strict=True)}
    of_targets = pd.DataFrame({**found, "interpolated": between[:count]}, copy=False)
    put_down(of_targets)  # pandas has looked at the codes of the clips
    return of_targets


def parts(of_targets: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    """Yield so many boxes after the other, at least one part; only one needs memory at a time."""
    for at in range(0, max(1, len(of_targets)), rows):
        yield of_targets.iloc[at : at + rows]
        put_down(of_targets)


def put_down(of_targets: pd.DataFrame) -> None:
    """Return the memory of boxes from `of_dataset`, which come from their file when next used."""
    named, *numbers = (cells.array for _, cells in of_targets.items())
    words = [named.codes] if isinstance(named, pd.Categorical) else []  # not a copy of them
    set_aside(*words, *(np.asarray(cells) for cells in numbers))


class _Faces(NamedTuple):
    """Faces by track: track number, frame, sides (shape (n, 4)), and whether interpolated."""

    track: npt.NDArray[np.int32]
    frame: npt.NDArray[np.int32]
    sides: npt.NDArray[np.float32]
    interpolated: npt.NDArray[np.bool_]


def _faces(dataset: Dataset, names: pd.Index, spill: Spill) -> _Faces:
    """Return the faces of some tracks, by track."""
    path = dataset.path_of(tables.FACES)
    columns = ["track_id", "frame", *_SIDES, "interpolated"]
    most = tables.count(tables.FACES, path)
    track, frame = spill.array(most, np.int32), spill.array(most, np.int32)
    sides = spill.array(most * len(_SIDES), np.float32).reshape(most, len(_SIDES))
    interpolated = spill.array(most, np.bool_)
    count = 0
    for part in tables.read_parts(tables.FACES, path, columns, words="track_id"):
        words = part["track_id"].combine_chunks()
        number = names.get_indexer(words.dictionary.to_pandas())
        named = number[words.indices.to_numpy()]
        own = np.flatnonzero(named >= 0)
        new = slice(count, count + len(own))
        track[new], frame[new] = named[own], part["frame"].to_numpy()[own]
        for side, name in enumerate(_SIDES):
            sides[new, side] = part[name].to_numpy()[own]
        interpolated[new] = part["interpolated"].to_numpy()[own]
        count = new.stop
        set_aside(track, frame, sides, interpolated)
    faces = _Faces(track[:count], frame[:count], sides[:count], interpolated[:count])
    if (faces.track[1:] < faces.track[:-1]).any():
        order = np.argsort(faces.track, kind="stable")
        for column in faces:
            column[:] = column[order]
    return faces


def _blocks(clip_of_pair: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Yield slices of about `_PAIRS` pairs; those of one clip stay together."""
    ends = np.append(np.flatnonzero(np.diff(clip_of_pair)) + 1, len(clip_of_pair))
    start = 0
    while start < len(clip_of_pair):
        end = int(ends[min(int(np.searchsorted(ends, start + _PAIRS)), len(ends) - 1)])
        yield slice(start, end)
        start = end
