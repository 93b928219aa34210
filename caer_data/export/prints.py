"""Fingerprints of a release's episodes, which locate its clips in other rips of the shows.

A fingerprint describes eight pictures per second, each reduced to 32x18 grey pixels: the signs of
the 64 lowest frequencies, for the whole picture and for four windows without its margins, and the
position of black bars. Fingerprints can show that two pictures are the same, but pictures cannot be
reconstructed from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from caer_data.curate.repeats import prints_of
from caer_data.engine import tables
from caer_data.engine.artifacts import Artifact, Store
from caer_data.engine.columns import INT, STRING, Column, Table
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.media import fingerprints, windows
from caer_data.media.alignment import Known
from caer_data.media.shared_frame import RELEASED

NAME: Final = "fingerprints.parquet"

_BARS: Final = ("left", "top", "right", "bottom")
_HASHES: Final = tuple(f"window_{number}" for number in range(RELEASED))

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
            )
            for name, (width, height) in zip(_HASHES, windows.WINDOWS, strict=False)
        ),
    ),
)

_MAX_PICTURES: Final = 24 * 3600 * fingerprints.RATE
"""Maximum number of pictures of a video: one day."""


def of_dataset(dataset: Dataset, sources: pd.DataFrame) -> dict[str, Artifact]:
    """Return fingerprints of some source videos, by `video_id`; builds before 0.6 have none."""
    store = Store(dataset.work_folder)
    found = {row.video_id: prints_of(store, row.sha256) for row in tables.rows(sources)}
    return {name: artifact for name, artifact in found.items() if artifact is not None}


def write(root: Path, artifacts: Mapping[str, Artifact]) -> None:
    """Write the fingerprints of some videos, by `video_id`; nothing if there are none."""
    if artifacts:
        tables.write_arrow(FINGERPRINTS, _parts(artifacts), root / NAME)


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


def read(release: Path, sources: pd.DataFrame) -> dict[str, Known]:
    """Return fingerprints of some source videos of a release, which is not trusted.

    Args:
        release: its folder.
        sources: rows of `SOURCES`; fingerprints of other videos are ignored.

    Raises:
        CaerError: the table cannot be read, or contains impossible values.
    """
    path = release / NAME
    if not path.is_file():
        return {}
    wanted = set(sources["video_id"])
    parts: dict[str, list[pd.DataFrame]] = {}
    counted: dict[str, int] = {}
    try:
        with pq.ParquetFile(path) as file:
            if missing := set(FINGERPRINTS.names) - set(file.schema_arrow.names):
                raise CaerError(f"{path}: lacks the columns {sorted(missing)}; fetch it again")
            for batch in file.iter_batches(65_536, columns=FINGERPRINTS.names):
                table = pa.Table.from_batches([batch]).cast(FINGERPRINTS.schema).to_pandas()
                for video_id, rows in table.groupby("video_id", sort=False):
                    name = str(video_id)
                    counted[name] = counted.get(name, 0) + len(rows)
                    if counted[name] > _MAX_PICTURES:
                        raise CaerError(f"{path}: has more than a day of {name}; fetch it again")
                    if name in wanted:
                        parts.setdefault(name, []).append(rows)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, ValueError) as error:
        raise CaerError(f"{path}: not a readable parquet table ({error})") from error
    of = {row.video_id: row for row in tables.rows(sources)}
    return {name: _known(path, pd.concat(rows), of[name]) for name, rows in sorted(parts.items())}


def _known(path: Path, rows: pd.DataFrame, source: Any) -> Known:
    pts = rows["pts"].to_numpy(np.int64)
    bars = rows[list(_BARS)].to_numpy(np.int64)
    whole = np.array(fingerprints.GRID * 2)
    within = (bars >= 0).all() and (bars <= whole).all() and (bars[:, :2] < bars[:, 2:]).all()
    if not within or (np.diff(pts) <= 0).any():
        raise CaerError(f"{path}: impossible values for {source.video_id}; fetch it again")
    hashes = rows[list(_HASHES)].to_numpy(np.int64).view(np.uint64)
    times = (pts - int(source.first_pts)) * float(Fraction(source.time_base))
    return Known(times, hashes, bars / whole)


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
        (path / NAME, old, names[old]) for path, known, names in given for old in known
        if old in names
    ]  # fmt: skip
    if wanted:
        tables.write_arrow(FINGERPRINTS, map(_renamed, wanted), root / NAME)


def _renamed(wanted: tuple[Path, str, str]) -> pa.Table:
    path, old, new = wanted
    try:
        table = pq.read_table(path, columns=FINGERPRINTS.names, filters=[("video_id", "=", old)])
        rows = table.cast(FINGERPRINTS.schema).to_pandas().assign(video_id=new)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CaerError(f"{path}: not a readable parquet table ({error})") from error
    return tables.check(FINGERPRINTS, rows)
