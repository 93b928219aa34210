"""The tables of a release: one row per file, per source video, per box of the target."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pandas as pd
import pyarrow as pa

from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS, PROBABILITY_COLUMNS
from caer_data.engine.tables import BOOL, FLOAT, FLOAT32, INT, STRING, Column, Table

SPLITS: Final = ("train", "validation", "test")
"""Names of the splits, in the field's order."""

MANIFEST: Final = Table(
    "manifest",
    "one file of a release: a clip, or a frame of one",
    ("path", "member"),
    (
        Column(
            "clip_key",
            STRING,
            "the clip: what names it in every release of the dataset; empty in old releases",
            nullable=True,
            added=True,
        ),
        Column("clip_id", STRING, "its readable name in this release"),
        Column("split", STRING, "train, validation or test", values=SPLITS),
        Column("emotion", STRING, "the agreed emotion", values=EMOTIONS),
        Column("label", INT, "class id of the emotion, 0 to 6"),
        Column("layout", STRING, "layout the file belongs to"),
        Column("path", STRING, "file, relative to the release"),
        Column("member", STRING, "name inside the archive, where path is one", nullable=True),
        Column("frame", INT, "frame of the clip, where the file is one", "frames", nullable=True),
        Column("frames", INT, "frames in the file", "frames"),
        Column("fps", STRING, "frame rate of the clip, a fraction", "1/s"),
        Column(
            "variable_rate",
            BOOL,
            "its frames keep the video's uneven times",
            nullable=True,
            added=True,
        ),
        Column("width", INT, "width of the picture", "px"),
        Column("height", INT, "height of the picture", "px"),
        Column("show", STRING, "the show"),
        Column("episode", STRING, "the episode"),
        Column("video_id", STRING, "the source video, see sources.parquet"),
        Column("shot_id", STRING, "the shot"),
        Column("person_id", STRING, "the target person (a number, no name)", nullable=True),
        *(replace(column, added=True) for column in tables.BOX),
        Column("start_s", FLOAT, "start, from the source's first frame", "s"),
        Column("end_s", FLOAT, "end, from the source's first frame", "s"),
        Column("start_frame", INT, "first frame of the source", "frames"),
        Column("end_frame", INT, "one past the last frame of the source", "frames"),
        Column("start_pts", INT, "timestamp of the clip's first frame", "time_base"),
        Column("end_pts", INT, "timestamp one past the clip's last frame", "time_base"),
        Column("source_sha256", STRING, "hash of the source video"),
        Column("sha256", STRING, "hash of the file, if it was written", nullable=True),
        Column("bytes", INT, "size of the file, if it was written", "bytes", nullable=True),
        Column("framehash", STRING, "SHA-256 of the decoded pictures", nullable=True),
        Column("perceptual_hash", STRING, "pHash of some pictures, by spaces", nullable=True),
        Column("raters", INT, "accepted answers"),
        Column("votes", STRING, "answers as 'rater=emotion:confidence', joined by spaces"),
        Column("agreement", INT, "answers for the most chosen emotion"),
        Column("confidence", FLOAT, "mean confidence by the recipe's rule", nullable=True),
        Column("made_up", BOOL, "comes from made-up ratings (a demonstration)"),
        *(
            Column(name, FLOAT, "share of votes (or posterior) of this emotion", nullable=True)
            for name in PROBABILITY_COLUMNS
        ),
        Column("face_height", FLOAT, "target's box height over frame height", nullable=True),
        Column("x1", INT, "target's left edge, where the file is a frame", "px", nullable=True),
        Column("y1", INT, "target's top edge", "px", nullable=True),
        Column("x2", INT, "target's right edge, exclusive", "px", nullable=True),
        Column("y2", INT, "target's bottom edge, exclusive", "px", nullable=True),
    ),
)

SOURCES: Final = Table(
    "sources",
    "one source video that clips of the release come from",
    ("video_id",),
    (
        Column("video_id", STRING, "identifier made from show and episode"),
        Column("show", STRING, "the show"),
        Column("episode", STRING, "the episode"),
        Column("sha256", STRING, "hash of the file's content"),
        Column("bytes", INT, "file size", "bytes"),
        Column("time_base", STRING, "unit of the timestamps, a fraction", "s"),
        Column("first_pts", INT, "timestamp of the first frame", "time_base"),
        Column("fps", STRING, "usual frame rate as a fraction", "1/s"),
        Column("variable_rate", BOOL, "frame durations differ"),
        Column("scan_type", STRING, "progressive, interlaced or mixed", nullable=True, added=True),
        Column(
            "shape_changes", BOOL, "size or aspect changes on the way", nullable=True, added=True
        ),
        Column(
            "retimed",
            INT,
            "frames whose timestamp is not the file's",
            "frames",
            nullable=True,
            added=True,
        ),
        Column("width", INT, "displayed width: upright, square pixels", "px"),
        Column("height", INT, "displayed height: upright", "px"),
    ),
)

BOXES: Final = Table(
    "boxes",
    "the target's box in one frame of a clip",
    ("clip_id", "frame"),
    (
        Column("clip_id", STRING, "the clip"),
        Column("frame", INT, "frame of the clip, from 0", "frames"),
        Column("x1", FLOAT32, "left edge", "px of the clip"),
        Column("y1", FLOAT32, "top edge", "px of the clip"),
        Column("x2", FLOAT32, "right edge, exclusive", "px of the clip"),
        Column("y2", FLOAT32, "bottom edge, exclusive", "px of the clip"),
        Column("interpolated", BOOL, "box lies between two detections"),
    ),
)


def rows(planned: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Fill a layout's planned files with what is known about their clips.

    Args:
        planned: `clip_id, split, layout, path` and, where they apply, `member` and `frame`.
        clips: labelled clips, from `labelled.read`.

    Returns:
        A frame with the columns of `MANIFEST`; what only the media tell is still empty.
    """
    shared = [n for n in MANIFEST.names if n in clips.columns and n not in planned.columns]
    merged = planned.merge(clips[["clip_id", *shared]], on="clip_id", how="left", validate="m:1")
    for column in MANIFEST.columns:
        if column.name not in merged.columns:
            merged[column.name] = None
    typed = pa.Table.from_pandas(
        merged[MANIFEST.names], schema=MANIFEST.schema, preserve_index=False
    )
    return tables.to_pandas(typed)
