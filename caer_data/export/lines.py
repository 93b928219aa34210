"""The subtitles of a release's clips.

Subtitles are protected by copyright like the footage, so a release without footage has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa

from caer_data.engine import tables
from caer_data.engine.columns import BOOL, FLOAT, INT, STRING, Column, Table
from caer_data.engine.dataset import Dataset
from caer_data.export import checked, possible

CLIP_LINES: Final = Table(
    "lines",
    "a line of subtitles that is shown during a clip",
    ("clip_id", "track", "number"),
    (
        Column("clip_key", STRING, "key of the clip, the same in every release"),
        Column("clip_id", STRING, "its readable name in this release"),
        Column("track", STRING, "the file beside the video, or 'stream N' inside it"),
        Column("number", INT, "place in its track, from 0"),
        Column("start_s", FLOAT, "start, from the clip's start; may be negative", "s"),
        Column("end_s", FLOAT, "end, from the clip's start; may be after the clip's end", "s"),
        Column("text", STRING, "without mark-up"),
        Column("language", STRING, "language stated by the file or its name", nullable=True),
        Column("speaker", STRING, "the speaker, if the subtitles name one", nullable=True),
        Column("forced", BOOL, "in a forced track, which translates foreign dialogue"),
    ),
)


def of_clips(dataset: Dataset, clips: pd.DataFrame) -> pd.DataFrame:
    """Return the lines of some clips, as `CLIP_LINES`; a line across a cut is in both clips."""
    if not dataset.has(tables.LINES):
        return tables.empty(CLIP_LINES)
    columns = ["clip_key", "clip_id", "video_id", "start_s", "end_s"]
    lines = dataset.lines.drop(columns="clip_key")
    both = clips[columns].merge(lines, on="video_id", suffixes=("_clip", ""))
    shared = both[["end_s", "end_s_clip"]].min(axis=1) > both[["start_s", "start_s_clip"]].max(
        axis=1
    )
    found = both[shared].sort_values(["clip_id", "track", "number"], ignore_index=True)
    for name in ("start_s", "end_s"):
        found[name] = (found[name] - found["start_s_clip"]).round(3)
    return found[CLIP_LINES.names] if len(found) else tables.empty(CLIP_LINES)


def read(release: Path) -> pd.DataFrame:
    """Return the lines of a release, which is not trusted; empty if there are none.

    Raises:
        CaerError: the table is damaged, or a row is impossible.
    """
    path = release / "lines.parquet"
    return checked.read(CLIP_LINES, path, _wrong) if path.is_file() else tables.empty(CLIP_LINES)


def _wrong(part: pa.Table) -> Iterator[tuple[str, checked.Mask]]:
    longest = possible.MAX_SECONDS
    yield "number", possible.outside(checked.numbers(part["number"]), 0, possible.MAX_FRAMES)
    for name in ("start_s", "end_s"):
        yield name, possible.outside(checked.numbers(part[name]), -longest, longest)
