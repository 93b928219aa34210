"""Parquet files with any damage: read, or refused in one sentence."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caer_data.engine import parquet, tables
from caer_data.engine.errors import CaerError

FACES = pd.DataFrame(
    {
        "track_id": [f"show.s{n // 20:04d}.t{n % 3}" for n in range(300)],
        "frame": range(300), "time_s": [n / 25 for n in range(300)],
        "x1": 10.0, "y1": 12.5, "x2": 50.0, "y2": [60.0 + n % 7 for n in range(300)],
        "score": 0.9, "interpolated": False,
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("tables") / "faces.parquet"
    tables.write(tables.FACES, FACES, path)
    return path.read_bytes()


damage = st.lists(
    st.tuples(st.floats(0, 1), st.binary(min_size=0, max_size=9), st.integers(0, 40)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(edits=damage, from_end=st.booleans())
def test_any_damage_is_explained(
    good: bytes, edits: list[tuple[float, bytes, int]], *, from_end: bool
) -> None:
    content = bytearray(good)
    for share, new, gone in edits:
        at = int(share * len(content))
        at = max(0, len(content) - 1 - at // 8) if from_end else at  # mostly in the footer
        content[at : at + gone] = new
    try:
        found = tables.read(tables.FACES, io.BytesIO(bytes(content)))
    except CaerError as error:
        assert str(error)
        assert "\n" not in str(error)
    else:
        assert list(found) == tables.FACES.names


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(parquet.MissingFileError, match=r"nothing\.parquet: missing"):
        parquet.schema_of(tmp_path / "nothing.parquet")
    with pytest.raises(CaerError, match="no table 'faces' here"):
        tables.read(tables.FACES, tmp_path / "nothing.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" * 9, b"no table at all"])
def test_what_is_no_parquet_file_is_refused_by_every_reader(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "faces.parquet"
    path.write_bytes(content)
    readers = (
        lambda: parquet.schema_of(path),
        lambda: parquet.read(path),
        lambda: parquet.to_frame(path),
        lambda: tables.read(tables.FACES, path),
        lambda: tables.count(tables.FACES, path),
        lambda: tables.read_some(tables.FACES, path, ["frame"], track_id=["a"]),
        lambda: list(tables.read_parts(tables.FACES, path, ["track_id", "frame"], "track_id")),
    )
    for reader in readers:
        with pytest.raises(CaerError, match="not a readable parquet table"):
            reader()


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    tables.write(tables.FACES, FACES, path)
    rows = parquet.read(path)
    broken = pa.array([b"\xff\xfe"] * len(rows), pa.binary()).view(pa.string())
    pa.parquet.write_table(rows.set_column(0, rows.schema.field(0), broken), path)
    for reader in (lambda: tables.read(tables.FACES, path), lambda: parquet.to_frame(path)):
        with pytest.raises(CaerError, match="not a readable parquet table"):
            reader()
