"""The target's boxes in a clip, as clips, pages and releases define them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

_FACE = ["frame", "time_s", "x1", "y1", "x2", "y2", "score", "interpolated"]


def boxes_of_targets(
    clips: pd.DataFrame, tracks: pd.DataFrame, faces: pd.DataFrame
) -> pd.DataFrame:
    """Return the boxes of every clip's target, from all tracks of the person (as for `coverage`).

    Args:
        clips: columns `clip_id, shot_id, person_id, start_frame, end_frame`; clips without a person
            have no boxes.
        tracks: the table `tracks`.
        faces: the table `faces`.

    Returns:
        `clip_id` and the columns of `faces` except `track_id`, sorted by clip and frame. There is
        one box per frame; if two tracks of a person overlap, it is that of the longer one.
    """
    pairs = pairs_of(clips, tracks)
    names = pd.Index(pairs["track_id"].unique())
    track = names.get_indexer(faces["track_id"])
    own = np.flatnonzero(track >= 0)
    own = own[np.argsort(track[own], kind="stable")]
    pair, place = boxes_in(
        pairs, names.get_indexer(pairs["track_id"]), track[own], faces["frame"].to_numpy(int)[own]
    )
    seen = faces[_FACE].iloc[own[place]].reset_index(drop=True)
    seen.insert(0, "clip_id", pairs["clip_id"].iloc[pair].array)
    return seen


def pairs_of(clips: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Return every clip with each track of its target, sorted by clip, the longest track first.

    Returns:
        `clip_id, start_frame, end_frame` of the clip, `track_id`.
    """
    with_target = clips.loc[
        clips["person_id"].notna(), ["clip_id", "shot_id", "person_id", "start_frame", "end_frame"]
    ]
    lengths = tracks["end_frame"] - tracks["start_frame"]
    of_people = tracks[["shot_id", "person_id", "track_id"]].assign(length=lengths)
    pairs = with_target.merge(of_people, on=["shot_id", "person_id"])
    pairs = pairs.sort_values(
        ["clip_id", "length", "track_id"], ascending=[True, False, True], ignore_index=True
    )
    return pairs[["clip_id", "start_frame", "end_frame", "track_id"]]


def boxes_in(
    pairs: pd.DataFrame,
    track_of_pair: npt.NDArray[np.int64],
    track: npt.NDArray[np.integer],
    frame: npt.NDArray[np.integer],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find the targets' boxes: one per clip and frame, from its first track that has one.

    Args:
        pairs: rows of `pairs_of`.
        track_of_pair: number of the track of each pair.
        track: number of the track of each box, rising.
        frame: frame of each box.

    Returns:
        The pair and the position of each box, by clip and frame.
    """
    asked = track_of_pair.astype(track.dtype)  # there are many boxes: no copy of a different type
    first, end = np.searchsorted(track, asked, "left"), np.searchsorted(track, asked, "right")
    count = end - first
    pair = np.repeat(np.arange(len(pairs)), count)
    place = np.arange(len(pair)) + np.repeat(first - (np.cumsum(count) - count), count)
    at = frame[place]
    starts, ends = (pairs[name].to_numpy(np.int64) for name in ("start_frame", "end_frame"))
    inside = (at >= starts[pair]) & (at < ends[pair])
    pair, place, at = pair[inside], place[inside], at[inside]
    clip = pd.factorize(pairs["clip_id"])[0][pair]
    after = (clip[1:] > clip[:-1]) | (clip[1:] == clip[:-1]) & (at[1:] > at[:-1])
    if not after.all():
        order = np.lexsort((pair, at, clip))
        clip, at = clip[order], at[order]
        new = np.ones(len(order), bool)
        new[1:] = (clip[1:] != clip[:-1]) | (at[1:] != at[:-1])
        pair, place = pair[order[new]], place[order[new]]
    return pair, place
