"""The tables of a release: one row per file, per source video, per box of the target."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from caer_data.engine import bounded, parquet, tables
from caer_data.engine.columns import BOOL, FLOAT, FLOAT32, INT, STRING, Column, Table
from caer_data.engine.emotions import EMOTIONS, PROBABILITY_COLUMNS
from caer_data.engine.errors import CaerError
from caer_data.engine.release_layouts import LAYOUTS
from caer_data.export.layouts import is_media_path
from caer_data.media.fields import Fields

SPLITS: Final = ("train", "validation", "test")
"""Names of the splits, in the usual order."""

REBUILT: Final = ("exact", "encoder", "aligned")
"""Values of column `rebuilt`: how a clip of a rebuilt release was recut."""

MANIFEST: Final = Table(
    "manifest",
    "one file of a release: a clip, or a frame of one",
    ("path", "member"),
    (
        Column(
            "clip_key",
            STRING,
            "key of the clip, the same in every release of the dataset; empty in old releases",
            nullable=True,
            added=True,
        ),
        Column("clip_id", STRING, "its readable name in this release"),
        Column("split", STRING, "train, validation or test", values=SPLITS),
        Column("emotion", STRING, "the agreed emotion", values=EMOTIONS),
        Column("label", INT, "class id of the emotion, 0 to 6"),
        Column("layout", STRING, "layout the file belongs to"),
        Column("path", STRING, "file, relative to the release"),
        Column("member", STRING, "name inside the archive, if path is one", nullable=True),
        Column("frame", INT, "frame of the clip, if the file is one", "frames", nullable=True),
        Column("frames", INT, "frames in the file", "frames"),
        Column("fps", STRING, "frame rate of the clip, a fraction", "1/s"),
        Column(
            "variable_rate",
            BOOL,
            "frame durations differ, as in the source video",
            nullable=True,
            added=True,
        ),
        Column("width", INT, "width of the picture", "px"),
        Column("height", INT, "height of the picture", "px"),
        Column("show", STRING, "the show"),
        Column("episode", STRING, "the episode"),
        Column("video_id", STRING, "the source video, see sources.parquet"),
        Column("shot_id", STRING, "the shot"),
        Column("person_id", STRING, "the target person (a number, not a name)", nullable=True),
        Column(
            "identity",
            STRING,
            "the person across shows: the first person_id with this face; empty: not searched",
            nullable=True,
            added=True,
        ),
        *(replace(column, added=True) for column in tables.BOX),
        Column("start_s", FLOAT, "start, from the source's first frame", "s"),
        Column("end_s", FLOAT, "end, from the source's first frame", "s"),
        Column("start_frame", INT, "first frame in the source", "frames"),
        Column("end_frame", INT, "one past the last frame in the source", "frames"),
        Column("start_pts", INT, "timestamp of the clip's first frame", "time_base"),
        Column("end_pts", INT, "timestamp one past the clip's last frame", "time_base"),
        Column("source_sha256", STRING, "hash of the source video"),
        Column("sha256", STRING, "hash of the file, if it was written", nullable=True),
        Column("bytes", INT, "size of the file, if it was written", "bytes", nullable=True),
        Column("framehash", STRING, "SHA-256 of the decoded pictures", nullable=True),
        Column("perceptual_hash", STRING, "pHashes of some pictures, by spaces", nullable=True),
        Column("raters", INT, "accepted answers"),
        Column("votes", STRING, "answers as 'rater=emotion:confidence', joined by spaces"),
        Column("agreement", INT, "number of answers for the most chosen emotion"),
        Column("confidence", FLOAT, "mean confidence by the recipe's rule", nullable=True),
        Column("made_up", BOOL, "comes from made-up ratings (a demonstration)"),
        *(
            Column(name, FLOAT, "share of votes (or posterior) of this emotion", nullable=True)
            for name in PROBABILITY_COLUMNS
        ),
        Column("face_height", FLOAT, "target's box height over frame height", nullable=True),
        Column(
            "speech",
            FLOAT,
            "share of the clip in which somebody speaks, visible or not; empty: unknown",
            nullable=True,
            added=True,
        ),
        Column(
            "speaker",
            STRING,
            "who speaks: the target, another face, or unknown; empty: not measured, or no speech",
            nullable=True,
            values=tables.SPEAKERS,
            added=True,
        ),
        Column(
            "cut",
            STRING,
            "how its shot begins; empty: the video's first shot, or shots that were imported",
            nullable=True,
            values=tables.CUTS,
            added=True,
        ),
        Column(
            "cut_score",
            FLOAT,
            "how clear that cut is, 0 to 1; empty: by hand, or the detector does not tell",
            nullable=True,
            added=True,
        ),
        Column("x1", INT, "target's left edge, if the file is a frame", "px", nullable=True),
        Column("y1", INT, "target's top edge", "px", nullable=True),
        Column("x2", INT, "target's right edge, exclusive", "px", nullable=True),
        Column("y2", INT, "target's bottom edge, exclusive", "px", nullable=True),
        Column(
            "rebuilt",
            STRING,
            "how it was recut: exact; encoder: the same pictures from another encoder; "
            "aligned: from another rip, at the times found by fingerprints",
            nullable=True,
            values=REBUILT,
            optional=True,
        ),
        Column(
            "error_frames",
            FLOAT,
            "of an aligned clip: offset according to its own pictures; empty: too little moves "
            "to measure it",
            "frames",
            nullable=True,
            optional=True,
        ),
    ),
)

SOURCES: Final = Table(
    "sources",
    "one source video of the release's clips",
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
        Column(
            "scan_type",
            STRING,
            "as in the table videos",
            nullable=True,
            added=True,
        ),
        Column("fields", STRING, "as in the table videos", nullable=True, added=True),
        Column("shape_changes", BOOL, "size or aspect ratio changes", nullable=True, added=True),
        Column(
            "retimed",
            INT,
            "frames whose timestamp differs from the file's",
            "frames",
            nullable=True,
            added=True,
        ),
        Column("width", INT, "displayed width: upright, square pixels", "px"),
        Column("height", INT, "displayed height: upright", "px"),
        Column("duration_s", FLOAT, "duration of the video", "s", nullable=True, added=True),
        Column(
            "rip_of",
            STRING,
            "hash of the file that the original release was made from, if this is another rip",
            nullable=True,
            optional=True,
        ),
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
        Column("interpolated", BOOL, "box is interpolated between two detections"),
    ),
)


REPEATED: Final = Table(
    "repeats",
    "two clips that show the same footage, by the fingerprints of their videos",
    ("clip_id", "of_clip_id"),
    (
        Column("clip_id", STRING, "the clip that repeats"),
        Column("of_clip_id", STRING, "the clip that it repeats"),
        Column("start_s", FLOAT, "start of the shared footage, from the source's first frame", "s"),
        Column("of_start_s", FLOAT, "its start in the source of the other clip", "s"),
        Column("seconds", FLOAT, "length of the shared footage", "s"),
        Column("score", FLOAT, "mean correlation of the pictures, at most 1"),
        Column("mirrored", BOOL, "left and right are exchanged"),
    ),
)


def rows(planned: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Return a layout's planned files with the facts about their clips.

    Args:
        planned: `clip_id, split, layout, path` and, if applicable, `member` and `frame`.
        clips: labelled clips, from `labelled.read`.

    Returns:
        A frame with the columns of `MANIFEST`; columns that depend on the media are still empty.
        Words that many files share are categorical, with sorted categories, because a release can
        have millions of files.
    """
    place = pd.Index(clips["clip_id"]).get_indexer(planned["clip_id"])
    if (place < 0).any():
        raise ValueError("a planned file belongs to none of the clips")
    own = [c for c in MANIFEST.columns if c.name in planned.columns]
    others = [c for c in MANIFEST.columns if c.name not in planned.columns]
    of_files, of_clips = _numbers(planned, own), _numbers(clips, others).take(place)
    cells = {}
    for column in MANIFEST.columns:
        if column.type == STRING:
            cells[column.name] = _words(column.name, planned, clips, place)
        else:
            known = of_files if column.name in of_files else of_clips
            cells[column.name] = known[column.name].array
    return pd.DataFrame(cells, copy=False)


def _words(
    name: str, planned: pd.DataFrame, clips: pd.DataFrame, place: npt.NDArray[np.intp]
) -> Any:
    """Return a column of text, by file."""
    if name in planned.columns:
        cells = planned[name].array
        return pd.array(cells, tables.TEXT) if name in MANIFEST.key else pd.Categorical(cells)
    if name in clips.columns:
        return pd.Categorical(clips[name]).take(place)
    return pd.Categorical.from_codes(
        np.full(len(place), -1, np.int8), pd.Index([], dtype=tables.TEXT)
    )


def _numbers(rows: pd.DataFrame, columns: list[Column]) -> pd.DataFrame:
    """Return those of some columns that are not text, typed; unknown ones are empty."""
    schema = pa.schema([MANIFEST.schema.field(c.name) for c in columns if c.type != STRING])
    cells = rows.reindex(columns=schema.names)
    typed = pa.Table.from_pandas(cells, schema, preserve_index=False)
    return tables.to_pandas(typed.replace_schema_metadata(None))  # forgets the types it had


MAX_FRAMES: Final = 10_000_000
"""Maximum number of frames of a clip in a manifest, which is more than four days."""
MAX_SIDE: Final = 16_384
"""Maximum width and height of a picture in a manifest."""

MAX_TEXT: Final = 4_096
"""Maximum length of a name or path in a manifest, in characters."""

_NAMES: Final = ("clip_id", "show", "episode", "video_id", "shot_id", "path", "member")
_NUMBERS: Final = (
    "start_s", "end_s", "face_height", "confidence", "speech", "cut_score", *PROBABILITY_COLUMNS
)  # fmt: skip
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_RATE = re.compile(r"[1-9]\d{0,8}(/[1-9]\d{0,8})?", re.ASCII)
_HASHES = re.compile(r"[0-9a-f]{1,16}( [0-9a-f]{1,16})*", re.ASCII)


def read(release: Path) -> pd.DataFrame:
    """Return the manifest of a release, which is not trusted; every row is checked.

    Raises:
        CaerError: it is missing or damaged, has other columns, or a row is impossible.
    """
    path = release / "manifest.parquet"
    manifest = read_table(MANIFEST, path)
    for column, wrong in _wrong_cells(manifest):
        _refuse(path, manifest, column, wrong)
    return manifest


def read_boxes(release: Path) -> pd.DataFrame:
    """Return the boxes of a release; each is finite and has a positive area.

    Raises:
        CaerError: the table is missing or damaged, or a box is impossible.
    """
    path = release / "boxes.parquet"
    boxes = read_table(BOXES, path)
    sides = boxes[["x1", "y1", "x2", "y2"]]
    _refuse(path, boxes, "frame", ~boxes["frame"].between(0, MAX_FRAMES - 1))
    for side in sides.columns:
        _refuse(path, boxes, side, ~np.isfinite(boxes[side]))
    _refuse(path, boxes, "x2", boxes["x2"] <= boxes["x1"])
    _refuse(path, boxes, "y2", boxes["y2"] <= boxes["y1"])
    return boxes


def read_sources(release: Path) -> pd.DataFrame:
    """Return the source videos of a release; rates, sizes and what is done with fields are checked.

    Raises:
        CaerError: the table is missing or damaged, or a row is impossible.
    """
    path = release / "sources.parquet"
    sources = read_table(SOURCES, path)
    for column in ("fps", "time_base"):
        _refuse(path, sources, column, ~sources[column].map(_is_rate))
    fields = sources["fields"]
    _refuse(path, sources, "fields", fields.notna() & ~fields.isin(list(Fields)))
    _refuse(path, sources, "bytes", sources["bytes"] < 0)
    _refuse(path, sources, "sha256", sources["sha256"].map(_SHA256.fullmatch).isna())
    for column in ("video_id", "show", "episode"):
        _refuse(path, sources, column, _is_no_name(sources[column]))
    for column in ("width", "height"):
        _refuse(path, sources, column, ~sources[column].between(1, MAX_SIDE))
    return sources


def read_repeated(release: Path) -> pd.DataFrame | None:
    """Return the pairs of clips of a release with the same footage; None if not searched.

    Raises:
        CaerError: the table is damaged, or a row is impossible.
    """
    path = release / "repeats.parquet"
    if not path.is_file():
        return None
    found = read_table(REPEATED, path)
    for column in ("start_s", "of_start_s", "seconds", "score"):
        _refuse(path, found, column, ~np.isfinite(found[column]))
    return found


def read_table(table: tables.Table, path: Path) -> pd.DataFrame:
    """Return a table whose columns may be in another order or have pandas' own types.

    Raises:
        CaerError: it is missing or damaged, or lacks columns.
    """
    try:
        arrow = bounded.read(path, table.names)
    except parquet.MissingFileError as error:
        raise CaerError(f"{path}: missing; fetch or export the release again") from error
    for column in table.columns:
        lacking = column.name not in arrow.schema.names
        if lacking and (column.added or column.optional):
            arrow = arrow.append_column(column.name, pa.nulls(len(arrow), column.type))
    missing = [name for name in table.names if name not in arrow.schema.names]
    if missing:
        raise CaerError(f"{path}: lacks the columns {missing}; export the release again")
    try:
        cast = arrow.select(table.names).cast(table.schema)
        return tables.to_pandas(tables.check(table, tables.to_pandas(cast)))
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise CaerError(f"{path}: {tables.wrong_type(table, arrow, error)}") from error
    except CaerError as error:
        raise CaerError(f"{path}: {error}; fetch the release again") from error


def _wrong_cells(manifest: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    """Return columns of the manifest, each with a mask of rows with impossible values."""
    ids = manifest["emotion"].map(EMOTIONS.index)
    frame = manifest["frame"].astype("Float64")
    member = manifest["member"].fillna("")
    hashes = manifest["perceptual_hash"].dropna().map(_HASHES.fullmatch).isna()
    return [
        ("label", manifest["label"] != ids),
        ("layout", ~manifest["layout"].isin(LAYOUTS)),
        ("path", ~manifest["path"].map(is_media_path)),
        ("member", member.str.contains(r"[/\\\x00]") | member.isin([".", ".."])),
        ("fps", ~manifest["fps"].map(_is_rate)),
        ("frames", ~manifest["frames"].between(1, MAX_FRAMES)),
        ("frame", ((frame < 0) | (frame >= MAX_FRAMES)).fillna(False)),
        ("end_frame", manifest["end_frame"] <= manifest["start_frame"]),
        ("end_pts", manifest["end_pts"] <= manifest["start_pts"]),
        *((c, ~manifest[c].between(1, MAX_SIDE)) for c in ("width", "height")),
        ("bytes", (manifest["bytes"] < 0).fillna(False)),
        *((c, _is_no_name(manifest[c])) for c in _NAMES),
        *((c, manifest[c].astype(float).abs() == np.inf) for c in _NUMBERS),
        *((c, manifest[c].isna()) for c in ("start_s", "end_s")),
        ("source_sha256", manifest["source_sha256"].map(_SHA256.fullmatch).isna()),
        ("perceptual_hash", hashes.reindex(manifest.index, fill_value=False)),
    ]


def _is_no_name(cells: pd.Series) -> pd.Series:
    known = cells.fillna("").astype(str)
    return (known.str.len() > MAX_TEXT) | known.str.contains("\0", regex=False)


def _refuse(path: Path, rows: pd.DataFrame, column: str, wrong: pd.Series) -> None:
    """Raise a CaerError about the first wrong row, if there is one."""
    at = np.flatnonzero(wrong.to_numpy(bool))
    if len(at):
        cell = rows[column].iloc[at[0]]
        raise CaerError(
            f"{path}: row {at[0] + 1}: the column '{column}' cannot be {str(cell)[:80]!r}; "
            "fetch the release again"
        )


def _is_rate(text: str) -> bool:
    return _RATE.fullmatch(text) is not None and Fraction(text) > 0
