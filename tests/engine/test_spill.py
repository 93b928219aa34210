"""Arrays and tables in files without a name: their content stays when memory is returned."""

from __future__ import annotations

import errno
import os
import sys
from io import FileIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from caer_data.engine import spill
from caer_data.engine.spill import Spill, set_aside


def test_content_stays_and_nothing_is_left_in_the_folder(tmp_path) -> None:
    array = Spill(tmp_path).array(100_000, np.int32)
    array[:] = np.arange(100_000)
    half = array[50_000:]
    set_aside(array, half, np.ones(3))
    assert (array == np.arange(100_000)).all()
    assert half[0] == 50_000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_memory_is_returned(tmp_path) -> None:
    def resident() -> int:
        fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    array = Spill(tmp_path).array(64 << 20, np.uint8)
    array[:] = 1
    before = resident()
    set_aside(array[1000:])
    assert before - resident() > 32 << 20


def test_without_room_on_the_disk_it_is_in_memory(tmp_path, monkeypatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    array = Spill(tmp_path).array(10, np.float32)
    array[:] = 2
    set_aside(array)
    assert array.tolist() == [2] * 10
    assert Spill(tmp_path / "gone").array(10, np.float32).shape == (10,)
    assert Spill(tmp_path).array(0, np.float32).shape == (0,)


@pytest.mark.parametrize(
    "counts", [[0], [1], [3, 0, 1, 70_000]], ids=lambda n: "+".join(map(str, n))
)
def test_tables_that_are_put_away_are_read_again(tmp_path, counts) -> None:
    kept = Spill(tmp_path)
    given = [pa.table({"n": range(count), "text": [f"{n}" for n in range(count)]},
                      pa.schema([("n", pa.int32()), ("text", pa.string())]))
             for count in counts]  # fmt: skip
    readers = [kept.table(rows) for rows in given]
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        assert [read() for read in reversed(readers)] == given[::-1]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_tables_that_are_put_away_need_no_memory(tmp_path) -> None:
    kept, before = Spill(tmp_path), pa.total_allocated_bytes()
    readers = [kept.table(pa.table({"n": np.arange(100_000)})) for _ in range(20)]
    assert pa.total_allocated_bytes() - before < 1 << 20
    assert all(read()["n"][-1].as_py() == 99_999 for read in readers)


def test_tables_stay_in_memory_once_the_disk_is_full(tmp_path, monkeypatch) -> None:
    class Full(FileIO):
        """A file on a disk with room for so many bytes."""

        room = 3_000

        def write(self, content) -> int:
            written = super().write(memoryview(content)[: self.room - self.tell()])
            if not written:
                raise OSError(errno.ENOSPC, "full")
            return written

    monkeypatch.setattr(spill, "_unnamed", lambda folder: Full(folder / "a", "w+b"))
    kept = Spill(tmp_path)
    given = [pa.table({"n": np.arange(start, start + 100)}) for start in range(10)]
    readers = [kept.table(rows) for rows in given]
    assert 1_000 < (tmp_path / "a").stat().st_size <= Full.room
    assert [read() for read in readers] == given


def test_without_a_folder_tables_are_in_memory(tmp_path) -> None:
    rows = pa.table({"n": [1]})
    assert Spill(tmp_path / "gone").table(rows)() is rows
