"""The target's boxes in a clip: the one definition that clips, pages and releases share."""

from __future__ import annotations

import pandas as pd

_FACE = ["frame", "time_s", "x1", "y1", "x2", "y2", "score", "interpolated"]


def boxes_of_targets(
    clips: pd.DataFrame, tracks: pd.DataFrame, faces: pd.DataFrame
) -> pd.DataFrame:
    """The boxes of every clip's target in its frames: of all tracks of the person, as `coverage`.

    Args:
        clips: `clip_id, shot_id, person_id, start_frame, end_frame`; those without a person have
            no boxes.
        tracks: table `tracks`.
        faces: table `faces`.

    Returns:
        `clip_id` and the columns of `faces` but `track_id`, by clip and frame; one box per frame:
        where two tracks of a person meet, that of the longer one.
    """
    with_target = clips.loc[
        clips["person_id"].notna(), ["clip_id", "shot_id", "person_id", "start_frame", "end_frame"]
    ]
    lengths = tracks["end_frame"] - tracks["start_frame"]
    of_people = tracks[["shot_id", "person_id", "track_id"]].assign(length=lengths)
    pairs = with_target.merge(of_people, on=["shot_id", "person_id"])
    boxes = faces.loc[faces["track_id"].isin(pairs["track_id"].unique()), ["track_id", *_FACE]]
    seen = pairs.merge(boxes, on="track_id")
    seen = seen[(seen["frame"] >= seen["start_frame"]) & (seen["frame"] < seen["end_frame"])]
    seen = seen.sort_values(
        ["clip_id", "frame", "length", "track_id"], ascending=[True, True, False, True]
    )
    return seen.drop_duplicates(["clip_id", "frame"])[["clip_id", *_FACE]].reset_index(drop=True)
