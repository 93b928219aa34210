"""Arrays in files without a name: their content stays when their memory is returned."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

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
