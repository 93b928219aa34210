"""Tables of a release, whole and part by part."""

from __future__ import annotations

import errno
import inspect
import os
import shutil
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from caer_data.engine import bounded, tables
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.export import checked, checksums, diff, manifest
from caer_data.export import verify as verified
from caer_data.export.verify import verify

QUIET = Reporter("quiet")


@pytest.fixture
def release(everything, tmp_path):
    return shutil.copytree(everything.folder, tmp_path / "release")


@pytest.fixture
def short_parts(monkeypatch):
    monkeypatch.setattr(checked, "PART", 7)


def _rewritten(path, change):
    change(pd.read_parquet(path)).to_parquet(path)


@pytest.mark.parametrize("shuffled", [False, True])
def test_parts_are_the_whole_table(release, short_parts, shuffled):
    if shuffled:
        for name in ("manifest.parquet", "boxes.parquet"):
            _rewritten(release / name, lambda rows: rows.sample(frac=1, random_state=0))
    for read, parts, table in (
        (manifest.read, manifest.parts, manifest.MANIFEST),
        (manifest.read_boxes, manifest.parts_of_boxes, manifest.BOXES),
    ):
        whole = read(release)
        found = list(parts(release))
        assert len(found) > 5
        assert max(map(len, found)) == 7
        plain = pa.concat_tables(map(checked.plain, found)).cast(table.schema)
        pd.testing.assert_frame_equal(tables.to_pandas(plain), whole)


def test_an_empty_table_is_one_part_without_rows(release):
    _rewritten(release / "boxes.parquet", lambda rows: rows.iloc[:0])
    [part] = manifest.parts_of_boxes(release)
    assert (len(part), part.schema.names) == (0, manifest.BOXES.names)


def test_an_impossible_cell_is_named_by_its_row_in_the_file(release, short_parts):
    def change(rows):
        rows.loc[19, "width"] = -5
        return rows

    _rewritten(release / "manifest.parquet", change)
    for call in (lambda: manifest.read(release), lambda: list(manifest.parts(release))):
        with pytest.raises(CaerError, match=r"row 20: the column 'width' cannot be '-5'"):
            call()


@pytest.mark.parametrize("name", ["manifest.parquet", "boxes.parquet"])
def test_equal_keys_in_different_parts_are_refused(release, short_parts, name):
    rows = pd.read_parquet(release / name)
    _rewritten(release / name, lambda rows: pd.concat([rows, rows.iloc[[3]]]))
    key = manifest.MANIFEST.key if name == "manifest.parquet" else manifest.BOXES.key
    parts = manifest.parts if name == "manifest.parquet" else manifest.parts_of_boxes
    with pytest.raises(CaerError, match="occurs more than once; fetch the release again") as stop:
        list(parts(release))
    assert str(rows.iloc[3][key[0]]) in str(stop.value)


@pytest.mark.parametrize("frames", [["1", "9", "01", "3"], [0.0, 9.0, -0.0, 3.0]])
def test_equal_keys_that_are_written_differently_are_refused(tmp_path, monkeypatch, frames):
    monkeypatch.setattr(checked, "PART", 2)
    sides = {name: np.float32(name in ("x2", "y2")) for name in ("x1", "y1", "x2", "y2")}
    boxes = pd.DataFrame({"clip_id": "c", "frame": frames, **sides, "interpolated": False})
    boxes.to_parquet(tmp_path / "boxes.parquet")
    for call in (
        lambda: checked.read(manifest.BOXES, tmp_path / "boxes.parquet"),
        lambda: [*checked.parts(manifest.BOXES, tmp_path / "boxes.parquet")],
    ):
        with pytest.raises(CaerError, match=r"the key .*'frame': [01]\} occurs more than once"):
            call()


def test_a_number_that_is_not_one_is_an_empty_cell(release):
    boxes = pq.read_table(release / "boxes.parquet")
    cells = pa.array(np.full(len(boxes), np.nan, np.float32))
    column = boxes.schema.get_field_index("x1")
    pq.write_table(boxes.set_column(column, "x1", cells), release / "boxes.parquet")
    for call in (lambda: manifest.read_boxes(release), lambda: [*manifest.parts_of_boxes(release)]):
        with pytest.raises(CaerError, match="column 'x1' has empty cells; it must hold numbers"):
            call()


def test_keys_with_equal_hashes_are_compared_themselves(release, short_parts, monkeypatch):
    monkeypatch.setattr(checked, "_hashes", lambda keys: np.zeros(len(keys), np.uint64))
    _rewritten(release / "boxes.parquet", lambda rows: rows.sample(frac=1, random_state=0))
    assert sum(map(len, manifest.parts_of_boxes(release))) == len(manifest.read_boxes(release))
    _rewritten(release / "boxes.parquet", lambda rows: pd.concat([rows, rows.iloc[[3]]]))
    with pytest.raises(CaerError, match="occurs more than once"):
        list(manifest.parts_of_boxes(release))


def test_the_same_problems_in_short_parts(release, monkeypatch):
    (release / "CAER/train/Happy/0001.mp4").write_bytes(b"changed")
    tar = next((release / "webdataset").glob("*.tar"))
    tar.write_bytes(tar.read_bytes().replace(b"ftyp", b"ftyq"))
    _rewritten(
        release / "boxes.parquet",
        lambda rows: rows.assign(clip_id=[*rows["clip_id"].iloc[:-1], "stranger"]),
    )
    _rewritten(release / "sources.parquet", lambda rows: rows.assign(sha256="0" * 64).iloc[1:])
    checksums.write(release)
    _rewritten(
        release / "manifest.parquet",
        lambda rows: rows.assign(sha256=rows["sha256"].where(rows.index % 40 != 0)),
    )
    whole = verify(release, QUIET)
    kinds = ("not a clip of the manifest", "is not a video of", "differs from sources",
             "differs from the list", "is changed", "was not written")  # fmt: skip
    assert all(any(kind in line for line in whole.problems) for kind in kinds)
    monkeypatch.setattr(checked, "PART", 7)
    assert verify(release, QUIET) == whole


def test_the_same_differences_in_short_parts(everything, release, monkeypatch):
    _rewritten(
        release / "manifest.parquet",
        lambda rows: rows[rows["clip_id"] != rows["clip_id"].iloc[0]].assign(confidence=0.25),
    )
    _rewritten(release / "boxes.parquet", lambda rows: rows.iloc[: len(rows) // 2])
    whole = diff.diff(everything.folder, release)
    assert len(whole.went) == 1
    assert any("boxes" in change.columns for change in whole.changed)
    monkeypatch.setattr(checked, "PART", 7)
    assert diff.diff(everything.folder, release) == whole


def test_few_bytes_that_stand_for_many(tmp_path):
    long = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(100_000, np.int32)), pa.array(["x" * 1_000_000])
    )
    pq.write_table(pa.table({"clip_id": long}), tmp_path / "texts.parquet")
    with pytest.raises(CaerError, match="text columns are larger"):
        list(bounded.parts(tmp_path / "texts.parquet", ["clip_id"], 100_000))


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([[1, 2], []]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array([b"four", b"more"], pa.binary(4)),
    ],
    ids=["list", "struct", "binary"],
)
def test_cells_of_any_size_are_refused(tmp_path, cells):
    pq.write_table(pa.table({"frame": cells}), tmp_path / "t.parquet")
    for call in (bounded.read, lambda *given: list(bounded.parts(*given, 5))):
        with pytest.raises(CaerError, match="column 'frame' cannot hold values of the type"):
            call(tmp_path / "t.parquet", ["frame"])


def test_long_texts_of_another_type_are_not_expanded(tmp_path):
    long = pa.array(["x" * 1_000_000] * 100).cast(pa.string_view())
    pq.write_table(pa.table({"clip_id": long}), tmp_path / "t.parquet")
    [part] = bounded.parts(tmp_path / "t.parquet", ["clip_id"], 1000)
    assert part.nbytes < 2_000_000


@pytest.mark.parametrize("at", [0, -1], ids=["of the file", "of its only group"])
@pytest.mark.parametrize("count", [0, 1, 8191])
def test_two_numbers_of_rows_are_refused(tmp_path, at, count):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"frame": np.arange(300)}), path)
    data = bytearray(path.read_bytes())
    wanted = b"\x16\xd8\x04"  # a field of 64 bits: 300, zigzag
    places = [place for place in range(len(data)) if data[place : place + 3] == wanted]
    twice = 2 * count
    data[places[at] + 1 : places[at] + 3] = bytes((0x80 | twice & 0x7F, twice >> 7))
    path.write_bytes(data)
    about = pq.read_metadata(path)
    assert {about.num_rows, about.row_group(0).num_rows} == {300, count}
    for call in (bounded.read, lambda *given: list(bounded.parts(*given, 5))):
        with pytest.raises(CaerError, match="damaged; it states two different numbers of rows"):
            call(path, ["frame"])


def test_too_many_rows_for_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "MAX_ROWS_IN_PARTS", 10)
    pd.DataFrame({"clip_id": ["a"] * 11}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(CaerError, match=r"11 rows, but .* at most 10 "):
        list(bounded.parts(tmp_path / "t.parquet", ["clip_id"], 5))


def test_the_path_of_an_archive_is_kept_once_and_not_for_each_member(release):
    long = "webdataset/" + "x" * 4000

    def change(rows):
        return rows.assign(path=rows["path"].where(rows["member"].isna(), long))

    _rewritten(release / "manifest.parquet", change)
    found = verified._Manifest()
    for part in manifest.parts(release):
        found.add(part, {}, has_media=True)
    count = sum(map(len, found.packed))
    assert count > 20
    assert sum(table.nbytes for table in found.packed) < count * 1000
    problems = verify(release, QUIET).problems
    assert any(line.startswith(f"{long}: cannot be read as a tar file") for line in problems)


def test_sparse_members_of_archives_are_changed_and_not_read(release, monkeypatch):
    shard, *others = (release / "webdataset").glob("*.tar")
    for other in others:
        other.unlink()
    with tarfile.open(shard) as archive:
        name = next(name for name in archive.getnames() if name.endswith(".mp4"))
    sparse = tarfile.TarInfo(name)
    sparse.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"%011o\0" % (1 << 32)  # size; all of it is a hole
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    shard.write_bytes(bytes(header) + bytes(1024))
    with tarfile.open(shard) as archive:
        assert archive.getmember(name).size == 1 << 32
    monkeypatch.setattr(verified, "_digest", lambda stream: pytest.fail("it was read"))
    problems = verify(release, QUIET).problems
    assert f"{shard.relative_to(release)}: {name} is changed" in problems


def test_words_that_occur():
    cells = pa.array(["b", None, "a", "b", "c"]).dictionary_encode()
    codes, words = checked.words_of(cells.slice(1, 3))
    assert words.to_pylist() == ["b", "a"]
    assert codes.tolist() == [-1, 1, 0]


def test_files_are_listed_in_the_order_of_their_paths(tmp_path):
    for name in ("a/b/1", "a.b/1", "a/c", "a-b", "ab/z/y", "é"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    wanted = [
        path.relative_to(tmp_path).as_posix()
        for path in sorted(tmp_path.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    ]
    assert list(checksums.names_of(tmp_path)) == wanted


def test_files_below_more_folders_than_functions_can_be_nested(tmp_path):
    deep = tmp_path.joinpath(*["a"] * 200)
    deep.mkdir(parents=True)
    (deep / "b").write_text("")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        names = list(checksums.names_of(tmp_path))
    finally:
        sys.setrecursionlimit(limit)
    assert names == ["a/" * 200 + "b"]


def test_a_path_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("a" * 250)
    for _ in range(20):
        folder.mkdir()
        os.chdir(folder)
    with pytest.raises(CaerError, match="too many folders in folders"):
        list(checksums.names_of(tmp_path))
    for _ in range(20):
        os.chdir("..")
        folder.rmdir()


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(release, monkeypatch):
    (release / "closed").mkdir()
    scandir = os.scandir

    def refuses(path):
        if str(path).rstrip("/").endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuses)
    for call in (lambda: verify(release, QUIET), lambda: checksums.strangers(release)):
        with pytest.raises(CaerError, match=r"closed: cannot be read \(Permission denied\)"):
            call()


@pytest.mark.parametrize("name", ["release.json", "SHA256SUMS", "boxes.parquet"])
def test_a_pipe_instead_of_a_file_is_not_waited_for(release, name):
    path = release / name
    path.unlink()
    os.mkfifo(path)
    # A reader that waits would read an empty file. Nobody waits for the thread, which may open the
    # pipe when it is too late.
    threading.Thread(target=lambda: path.open("wb").close(), daemon=True).start()
    try:
        with pytest.raises(CaerError, match=rf"{name}: not a file"):
            verify(release, QUIET)
    finally:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
