"""Fingerprints of a release's episodes, which locate its clips in other rips of the shows.

A fingerprint describes eight pictures per second, each reduced to 32x18 grey pixels: the signs of
the 64 lowest frequencies, for the whole picture and for windows without its margins, and the
position of black bars. Sound is described by 32 bits, sixteen times per second. Fingerprints can
show that two pictures or sounds are the same, but neither pictures nor speech can be reconstructed
from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from caer_data.curate.repeats import prints_of
from caer_data.engine import parquet, tables
from caer_data.engine.artifacts import Artifact, Store
from caer_data.engine.columns import INT, STRING, Column, Table
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.export import possible
from caer_data.media import fingerprints, sound_prints, windows
from caer_data.media.alignment import Known
from caer_data.media.shared_frame import RELEASED

NAME: Final = "fingerprints.parquet"
SOUND_NAME: Final = "sound_fingerprints.parquet"

_BARS: Final = ("left", "top", "right", "bottom")
_HASHES: Final = tuple(f"window_{number}" for number in range(len(RELEASED)))
_SINCE_SOUND: Final = _HASHES[-1]  # a column that earlier releases lack

FINGERPRINTS: Final = Table(
    "fingerprints",
    "hashes of one picture of a source video, eight per second",
    ("video_id", "pts"),
    (
        Column("video_id", STRING, "the source video, see sources.parquet"),
        Column("pts", INT, "timestamp of the frame", "time_base"),
        *(
            Column(side, INT, f"{side} of the area between black bars, if the frame is 128x72")
            for side in _BARS
        ),
        *(
            Column(
                name,
                INT,
                f"64 bits: signs of low frequencies of the middle {width:.0%} x {height:.0%}",
                nullable=name == _SINCE_SOUND,
                added=name == _SINCE_SOUND,
            )
            for name, (width, height) in zip(_HASHES, RELEASED, strict=True)
        ),
    ),
)

SOUND: Final = Table(
    "sound_fingerprints",
    f"bits of the sound of a source video, {sound_prints.RATE} per second",
    ("video_id", "number"),
    (
        Column("video_id", STRING, "the source video, see sources.parquet"),
        Column("number", INT, f"position, from the first frame on, in 1/{sound_prints.RATE} s"),
        Column("bits", INT, "32 bits: how the energy of neighbouring bands changes; 0 is silence"),
    ),
)

_MAX_SECONDS: Final = 24 * 3600
"""Maximum length of a video: one day."""


def of_dataset(dataset: Dataset, sources: pd.DataFrame) -> dict[str, Artifact]:
    """Return fingerprints of some source videos, by `video_id`; builds before 0.6 have none."""
    store = Store(dataset.work_folder)
    found = {row.video_id: prints_of(store, row.sha256) for row in tables.rows(sources)}
    return {name: artifact for name, artifact in found.items() if artifact is not None}


def write(root: Path, artifacts: Mapping[str, Artifact]) -> None:
    """Write the fingerprints of some videos, by `video_id`; nothing if there are none."""
    if artifacts:
        tables.write_arrow(FINGERPRINTS, _parts(artifacts), root / NAME)
        tables.write_arrow(SOUND, _heard(artifacts), root / SOUND_NAME)


def _parts(artifacts: Mapping[str, Artifact]) -> Iterator[pa.Table]:
    for video_id, artifact in sorted(artifacts.items()):
        prints = fingerprints.load(artifact.array)
        # flat pictures carry no information, and forgotten ones are black
        rows = ~windows.flat(prints.pictures)
        inside = prints.inside[rows].astype(np.int64)
        hashes = windows.hashes(prints.pictures[rows], RELEASED).view(np.int64)
        columns = {
            "video_id": np.full(int(rows.sum()), video_id, object),
            "pts": prints.pts[rows],
            **{name: inside[:, number] for number, name in enumerate(_BARS)},
            **{name: hashes[:, number] for number, name in enumerate(_HASHES)},
        }
        yield tables.check(FINGERPRINTS, pd.DataFrame(columns))


def _heard(artifacts: Mapping[str, Artifact]) -> Iterator[pa.Table]:
    for video_id, artifact in sorted(artifacts.items()):
        yield _sound_rows(video_id, fingerprints.load(artifact.array).sound)


def _sound_rows(video_id: str, sound: npt.NDArray[np.uint32]) -> pa.Table:
    columns = {
        "video_id": np.full(len(sound), video_id, object),
        "number": np.arange(len(sound)),
        "bits": sound.astype(np.int64),
    }
    return tables.check(SOUND, pd.DataFrame(columns))


def read(release: Path, sources: pd.DataFrame) -> dict[str, Known]:
    """Return fingerprints of some source videos of a release, which is not trusted.

    Args:
        release: its folder.
        sources: rows of `SOURCES`; fingerprints of other videos are ignored.

    Raises:
        CaerError: a table cannot be read, or contains impossible values.
    """
    wanted = set(sources["video_id"])
    pictures = _rows(FINGERPRINTS, release / NAME, wanted, fingerprints.RATE)
    heard = _rows(SOUND, release / SOUND_NAME, set(pictures), sound_prints.RATE)
    sound = {name: _sound(release / SOUND_NAME, name, rows) for name, rows in heard.items()}
    of = {row.video_id: row for row in tables.rows(sources)}
    silent = np.zeros(0, np.uint32)
    return {
        name: _known(release / NAME, rows, of[name], sound.get(name, silent))
        for name, rows in sorted(pictures.items())
    }


def check(release: Path, sources: pd.DataFrame) -> set[str]:
    """Check the fingerprints of a release, which is not trusted; memory holds a part of them.

    Args:
        release: its folder.
        sources: its `SOURCES`.

    Returns:
        Videos with fingerprints that are not among the sources.

    Raises:
        CaerError: a table cannot be read, or contains impossible values.
    """
    of = {row.video_id: row for row in tables.rows(sources)}
    strangers: set[str] = set()
    last: dict[str, int] = {}
    for name, some in _each(FINGERPRINTS, release / NAME, fingerprints.RATE):
        if name not in of:
            strangers.add(name)
            continue
        _known(release / NAME, some, of[name], np.zeros(0, np.uint32))
        if name in last and some["pts"].iloc[0] <= last[name]:
            raise _impossible(release / NAME, name)
        last[name] = some["pts"].iloc[-1]
    counted: dict[str, int] = {}
    for name, some in _each(SOUND, release / SOUND_NAME, sound_prints.RATE):
        strangers |= {name} - of.keys()
        _sound(release / SOUND_NAME, name, some, counted.get(name, 0))
        counted[name] = counted.get(name, 0) + len(some)
    return strangers


def _rows(table: Table, path: Path, wanted: set[str], rate: int) -> dict[str, pd.DataFrame]:
    """Return the rows of some videos, by `video_id`; none if the file does not exist."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for name, some in _each(table, path, rate):
        if name in wanted:
            parts.setdefault(name, []).append(some)
    return {name: pd.concat(some) for name, some in parts.items()}


def _each(table: Table, path: Path, rate: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the rows of each video part by part; none if the file does not exist."""
    if not path.is_file():
        return
    counted: dict[str, int] = {}
    # a long text may be repeated in each row: it is never expanded
    with parquet.opened(path, ["video_id"]) as file:
        for batch in parquet.parts_of(file, 65_536, _columns(table, path, file)):
            for name, some in _by_video(table, pa.Table.from_batches([batch])):
                counted[name] = counted.get(name, 0) + len(some)
                if counted[name] > _MAX_SECONDS * rate:
                    raise CaerError(f"{path}: has more than a day of {name}; fetch it again")
                yield name, some


def _impossible(path: Path, name: str) -> CaerError:
    return CaerError(f"{path}: impossible values for {name}; fetch it again")


def _columns(table: Table, path: Path, file: pq.ParquetFile) -> list[str]:
    """Return the columns to read; those of later versions may be missing."""
    present = set(file.schema_arrow.names)
    if missing := {c.name for c in table.columns if not c.added} - present:
        raise CaerError(f"{path}: lacks the columns {sorted(missing)}; fetch it again")
    return [name for name in table.names if name in present]


def _by_video(table: Table, read: pa.Table) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the rows of each video, without columns that are not filled.

    Pandas would round the numbers of such columns.
    """
    names = read["video_id"].combine_chunks()
    if not isinstance(names, pa.DictionaryArray):
        names = names.cast(pa.string()).dictionary_encode()
    numbers = read.drop_columns("video_id")
    schema = pa.schema([table.schema.field(name) for name in numbers.column_names])
    cast = numbers.cast(schema)
    absent = [c.name for c in table.columns if c.added and c.name in cast.column_names
              and cast[c.name].null_count]  # fmt: skip
    rows: pd.DataFrame = cast.drop_columns(absent).to_pandas()
    of = names.indices.to_numpy(zero_copy_only=False)
    for number in pd.unique(of).tolist():
        yield str(names.dictionary[int(number)]), rows[of == number]


def _sound(path: Path, name: str, rows: pd.DataFrame, start: int = 0) -> npt.NDArray[np.uint32]:
    """Return the bits of a video's sound, whose numbers rise from the given one."""
    bits = rows["bits"].to_numpy(np.int64)
    places = rows["number"].to_numpy(np.int64)
    follow = places == np.arange(start, start + len(rows))
    if not follow.all() or (bits < 0).any() or (bits >> 32).any():
        raise _impossible(path, name)
    return bits.astype(np.uint32)


def _known(path: Path, rows: pd.DataFrame, source: Any, sound: npt.NDArray[np.uint32]) -> Known:
    pts = rows["pts"].to_numpy(np.int64)
    bars = rows[list(_BARS)].to_numpy(np.int64)
    whole = np.array(fingerprints.GRID * 2)
    within = (bars >= 0).all() and (bars <= whole).all() and (bars[:, :2] < bars[:, 2:]).all()
    first, base = int(source.first_pts), Fraction(source.time_base)
    least, most = first - 1 / base, first + int(possible.MAX_SECONDS / base)
    if not within or (np.diff(pts) <= 0).any() or possible.outside(pts, float(least), most).any():
        raise _impossible(path, source.video_id)
    # where a release was joined with an earlier one, a batch may lack the last window
    names = [name for name in _HASHES if name in rows and rows[name].notna().all()]
    hashes = np.ascontiguousarray(rows[names].to_numpy(np.int64)).view(np.uint64)
    times = (pts - first) * float(base)
    return Known(times, hashes, bars / whole, sound)


def write_joined(root: Path, parts: Iterable[tuple[Path, pd.DataFrame, Mapping[str, str]]]) -> None:
    """Write the fingerprints of several releases, with the videos' new names.

    Args:
        root: the unfinished release.
        parts: folder and `SOURCES` of each release, and the new names of the videos to include.

    Raises:
        CaerError: a table cannot be read, or contains impossible values.
    """
    given = [(path, read(path, sources), names) for path, sources, names in parts]
    wanted = [
        (path, old, names[old], known[old]) for path, known, names in given for old in known
        if old in names
    ]  # fmt: skip
    if wanted:
        pictures = (_renamed(path / NAME, old, new) for path, old, new, _ in wanted)
        tables.write_arrow(FINGERPRINTS, pictures, root / NAME)
        heard = (_sound_rows(new, known.sound) for _, _, new, known in wanted)
        tables.write_arrow(SOUND, heard, root / SOUND_NAME)


def _renamed(path: Path, old: str, new: str) -> pa.Table:
    present = set(parquet.schema_of(path).names)
    names = [name for name in FINGERPRINTS.names if name in present]
    table = parquet.read(path, names, [("video_id", "=", old)])
    with parquet.explained(path):
        for field in FINGERPRINTS.schema:
            if field.name not in present:
                table = table.append_column(field, pa.nulls(len(table), field.type))
        named = pa.array([new] * len(table), pa.string())
        return table.set_column(0, "video_id", named).cast(FINGERPRINTS.schema)
