"""The target's box in each frame of a clip, in pixels of the clip."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.curate.target_boxes import boxes_in, pairs_of
from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.export.manifest import BOXES

_SIDES = ["x1", "y1", "x2", "y2"]
_PAIRS = 2_000
"""Number of pairs of a clip and a track whose boxes are scaled at a time."""


def of_dataset(dataset: Dataset, clips: pd.DataFrame, sources: pd.DataFrame) -> pd.DataFrame:
    """Return the boxes of every clip's target, as `BOXES`, by clip and frame.

    The faces of a large dataset do not fit into memory. They are therefore read part by part, and
    only the targets' values are kept. For the same reason `clip_id` is a categorical column, and
    `frame` has 32 bits.

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
    faces, store = _faces(dataset, names)
    # tracks are numbered in the order of clips, so that their faces are needed in this order
    first_needed = np.minimum.accumulate(track_of_pair[::-1])[::-1].astype(faces.track.dtype)
    clip_ids = np.sort(clips["clip_id"].to_numpy(object))
    rows = clips.set_index("clip_id").loc[clip_ids]
    heights = sources.set_index("video_id")["height"].loc[rows["video_id"]].to_numpy(float)
    size = rows[["width", "height"]].to_numpy(float)[:, [0, 1, 0, 1]]
    scale = size[:, 1] / heights
    start, frames = (rows[name].to_numpy(np.int64) for name in ("start_frame", "frames"))
    clip_of_pair = pd.Index(clip_ids).get_indexer(pairs["clip_id"])
    most = int(frames.sum())  # one box per clip and frame; memory is used as it is filled
    at_clip, at_frame = np.empty(most, np.int32), np.empty(most, np.int32)
    sides, between = np.empty((len(_SIDES), most), np.float32), np.empty(most, np.bool_)
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
        sides[:, new], between[new] = box[seen].T, faces.interpolated[place][seen]
        count = new.stop
        if own.stop < len(first_needed):
            # a number of another type would make a copy of all tracks
            store.release(int(np.searchsorted(faces.track, first_needed[own.stop])))
    if not count:
        return tables.empty(BOXES)
    named = pd.Categorical.from_codes(at_clip[:count], categories=pd.Index(clip_ids))
    found = {"clip_id": named, "frame": at_frame[:count]}
    found |= {name: side[:count] for name, side in zip(_SIDES, sides, strict=True)}
    return pd.DataFrame({**found, "interpolated": between[:count]}, copy=False)


class _Faces(NamedTuple):
    """Faces by track: track number, frame, sides (shape (n, 4)), and whether interpolated.

    Rows that were released are 0.
    """

    track: npt.NDArray[np.int32]
    frame: npt.NDArray[np.int32]
    sides: npt.NDArray[np.float32]
    interpolated: npt.NDArray[np.bool_]


class _Store:
    """Memory of long arrays, which is used as they are filled and can be returned from the start.

    The arrays of results grow while those of faces shrink, so that both are never held whole.
    """

    def __init__(self) -> None:
        self._held: list[tuple[mmap.mmap, int]] = []
        self._released = 0

    def array(self, rows: int, columns: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return an array, shape (rows, columns), or (rows,) for one column."""
        of_row = columns * np.dtype(dtype).itemsize
        shape = (rows, columns) if columns > 1 else (rows,)
        if not hasattr(mmap, "MADV_DONTNEED") or not rows:
            return np.empty(shape, dtype)
        room = mmap.mmap(-1, rows * of_row, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._held.append((room, of_row))
        return np.frombuffer(room, dtype).reshape(shape)

    def release(self, rows: int) -> None:
        """Return the memory of the first rows of all arrays to the system."""
        for room, of_row in self._held:
            first, end = (n * of_row // mmap.PAGESIZE for n in (self._released, rows))
            if end > first:
                size = (end - first) * mmap.PAGESIZE
                room.madvise(mmap.MADV_DONTNEED, first * mmap.PAGESIZE, size)
        self._released = max(self._released, rows)


def _faces(dataset: Dataset, names: pd.Index) -> tuple[_Faces, _Store]:
    """Return the faces of some tracks, by track, and the memory that holds them."""
    path = dataset.path_of(tables.FACES)
    columns = ["track_id", "frame", *_SIDES, "interpolated"]
    most, store = tables.count(tables.FACES, path), _Store()
    track, frame = store.array(most, 1, np.int32), store.array(most, 1, np.int32)
    sides = store.array(most, len(_SIDES), np.float32)
    interpolated = store.array(most, 1, np.bool_)
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
    faces = _Faces(track[:count], frame[:count], sides[:count], interpolated[:count])
    if (faces.track[1:] < faces.track[:-1]).any():
        order = np.argsort(faces.track, kind="stable")
        for column in faces:
            column[:] = column[order]
    return faces, store


def _blocks(clip_of_pair: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Yield slices of about `_PAIRS` pairs; those of one clip stay together."""
    ends = np.append(np.flatnonzero(np.diff(clip_of_pair)) + 1, len(clip_of_pair))
    start = 0
    while start < len(clip_of_pair):
        end = int(ends[min(int(np.searchsorted(ends, start + _PAIRS)), len(ends) - 1)])
        yield slice(start, end)
        start = end
