"""The tables of a release: one row per file, per source video, per box of the target."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from caer_data.engine import tables
from caer_data.engine.columns import BOOL, FLOAT, FLOAT32, INT, STRING, Column, Table
from caer_data.engine.emotions import EMOTIONS, PROBABILITY_COLUMNS
from caer_data.engine.errors import CaerError
from caer_data.engine.release_layouts import LAYOUTS
from caer_data.export import checked, possible
from caer_data.export.layouts import is_media_path
from caer_data.labels import vote_text
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


_NAMES: Final = ("clip_id", "show", "episode", "video_id", "shot_id", "path", "member",
                 "person_id", "identity")  # fmt: skip
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HASHES = re.compile(r"[0-9a-f]{1,16}( [0-9a-f]{1,16})*", re.ASCII)
_FILE: Final = "manifest.parquet"
_BOXES: Final = "boxes.parquet"


def read(release: Path) -> pd.DataFrame:
    """Return the manifest of a release, which is not trusted; every row is checked.

    Raises:
        CaerError: it or the table of sources is missing or damaged, has other columns, or a row is
            impossible, by itself or beside its video.
    """
    return checked.read(MANIFEST, release / _FILE, _files_of(read_sources(release)))


def parts(release: Path) -> Iterator[pa.Table]:
    """Yield what `read` returns part by part, as `checked.parts` does."""
    return checked.parts(MANIFEST, release / _FILE, _files_of(read_sources(release)))


def columns(release: Path, names: Iterable[str]) -> Iterator[pa.Table]:
    """Yield some columns of a manifest part by part, texts as dictionaries; rows are not checked.

    Raises:
        CaerError: it is missing or damaged, or lacks columns.
    """
    wanted = list(names)
    declared = tuple(column for column in MANIFEST.columns if column.name in wanted)
    for part in checked.parts(Table(MANIFEST.name, MANIFEST.row, (), declared), release / _FILE):
        yield part.select(wanted)


def count(release: Path) -> int:
    """Return the number of files in a manifest.

    Raises:
        CaerError: it is missing or damaged.
    """
    return tables.count(MANIFEST, release / _FILE)


def read_boxes(release: Path) -> pd.DataFrame:
    """Return the boxes of a release; each has a positive area inside a picture of its clip.

    Raises:
        CaerError: the table or the manifest is missing or damaged, or a box is impossible.
    """
    return checked.read(BOXES, release / _BOXES, _boxes_of(_clips(release)))


def parts_of_boxes(release: Path) -> Iterator[pa.Table]:
    """Yield what `read_boxes` returns part by part, as `checked.parts` does."""
    return checked.parts(BOXES, release / _BOXES, _boxes_of(_clips(release)))


def read_sources(release: Path) -> pd.DataFrame:
    """Return the source videos of a release; rates, sizes and what is done with fields are checked.

    Raises:
        CaerError: the table is missing or damaged, or a row is impossible.
    """
    return checked.read(SOURCES, release / "sources.parquet", _wrong_sources)


def read_repeated(release: Path) -> pd.DataFrame | None:
    """Return the pairs of clips of a release with the same footage; None if not searched.

    Raises:
        CaerError: the table is damaged, or a row is impossible.
    """
    path = release / "repeats.parquet"
    return checked.read(REPEATED, path, _wrong_pairs) if path.is_file() else None


def check(release: Path) -> None:
    """Check every row of the tables that each release has; memory holds parts of the long ones.

    Raises:
        CaerError: a table is missing or damaged, or a row is impossible.
    """
    for _ in itertools.chain(parts(release), parts_of_boxes(release)):
        pass
    read_repeated(release)


def _clips(release: Path) -> possible.Clips:
    """Return the clips of a manifest, with the most frames and pixels that a file of each states.

    Raises:
        CaerError: the manifest is missing or damaged.
    """
    held = []
    for part in columns(release, _OF_CLIPS):
        codes, words = checked.words_of(part["clip_id"].combine_chunks())
        start, end = (checked.numbers(part[name]) for name in ("start_frame", "end_frame"))
        facts = {"frames": np.maximum(end - start, checked.numbers(part["frames"]))}
        facts |= {name: checked.numbers(part[name]) for name in ("width", "height")}
        rows = pd.DataFrame(facts).groupby(codes, observed=True).max()
        held.append(pa.table({"clip_id": words, **rows}))
    most = [("frames", "max"), ("width", "max"), ("height", "max")]
    clips = pa.concat_tables(held).group_by("clip_id").aggregate(most)
    numbers = (checked.numbers(clips[f"{name}_max"]) for name, _ in most)
    return possible.Clips(pd.Index(clips["clip_id"].to_pandas(), dtype=object), *numbers)


_OF_CLIPS: Final = ("clip_id", "start_frame", "end_frame", "frames", "width", "height")


def _files_of(sources: pd.DataFrame) -> checked.Checks:
    """Return the checks of a manifest whose clips are of these videos."""
    videos = possible.Videos.of(sources)

    def wrong(part: pa.Table) -> Iterator[tuple[str, checked.Mask]]:
        yield from _wrong_files(part)
        place = _places(part["video_id"], videos.names)
        yield from possible.wrong_spans(_numbers_of(part), place, videos)

    return wrong


def _wrong_files(part: pa.Table) -> Iterator[tuple[str, checked.Mask]]:
    number = _numbers_of(part)

    def by_word(name: str, fits: Callable[[str], Any], empty: bool = True) -> checked.Mask:
        return ~checked.by_word(part[name], fits, empty)

    ids = np.zeros(len(part), np.int64)
    for index, emotion in enumerate(EMOTIONS):
        ids[checked.by_word(part["emotion"], emotion.__eq__)] = index
    yield "label", number("label") != ids
    yield "layout", by_word("layout", LAYOUTS.__contains__)
    yield "path", by_word("path", is_media_path)
    yield "member", by_word("member", _is_member)
    yield "fps", by_word("fps", possible.is_rate)
    yield from possible.wrong_clips(number)
    yield from possible.wrong_pictures(number)
    yield "bytes", possible.outside(number("bytes"), 0, possible.MAX_BYTES)
    yield (
        "error_frames",
        possible.outside(number("error_frames"), -possible.MAX_FRAMES, possible.MAX_FRAMES),
    )
    for name in _NAMES:
        yield name, by_word(name, _is_name)
    for name in ("source_sha256", "sha256", "framehash"):
        yield name, by_word(name, _SHA256.fullmatch)
    yield "perceptual_hash", by_word("perceptual_hash", _HASHES.fullmatch)
    yield "votes", by_word("votes", _are_votes)


def _boxes_of(clips: possible.Clips) -> checked.Checks:
    """Return the checks of boxes in these clips."""

    def wrong(part: pa.Table) -> Iterator[tuple[str, checked.Mask]]:
        number = _numbers_of(part)
        yield from possible.wrong_boxes(number)
        yield from possible.wrong_places(number, _places(part["clip_id"], clips.names), clips)

    return wrong


def _wrong_sources(part: pa.Table) -> Iterator[tuple[str, checked.Mask]]:
    for name in ("fps", "time_base"):
        yield name, ~checked.by_word(part[name], possible.is_rate)
    yield "fields", ~checked.by_word(part["fields"], list(Fields).__contains__)
    for name in ("sha256", "rip_of"):
        yield name, ~checked.by_word(part[name], _SHA256.fullmatch)
    for name in ("video_id", "show", "episode", "scan_type"):
        yield name, ~checked.by_word(part[name], _is_name)
    yield from possible.wrong_videos(_numbers_of(part))


def _wrong_pairs(part: pa.Table) -> Iterator[tuple[str, checked.Mask]]:
    for name in ("clip_id", "of_clip_id"):
        yield name, ~checked.by_word(part[name], _is_name)
    yield from possible.wrong_pairs(_numbers_of(part))


def _numbers_of(part: pa.Table) -> possible.Numbers:
    return lambda name: checked.numbers(part[name])


def _places(cells: pa.ChunkedArray, names: pd.Index) -> npt.NDArray[np.intp]:
    """Return the place of each cell's word among the names; -1 if it is none of them."""
    codes, words = checked.words_of(cells.combine_chunks())
    return np.append(names.get_indexer(words.to_pylist()), -1)[codes]


def _is_name(text: str) -> bool:
    return len(text) <= possible.MAX_TEXT and "\0" not in text


def _is_member(text: str) -> bool:
    return not re.search(r"[/\\\x00]", text) and text not in (".", "..")


def _are_votes(text: str) -> bool:
    try:
        return not any(vote.confidence < 0 or vote.confidence > 1 for vote in vote_text.parse(text))
    except CaerError:
        return False
