"""The clock of a machine is set by a day, forward or back, while others work."""

from __future__ import annotations

import os
import time

import psutil
import pytest

from caer_data.engine import files, logs

_DAY_S = 24 * 3600
steps = pytest.mark.parametrize("step_s", [2 * _DAY_S, -2 * _DAY_S], ids=["forward", "back"])


@pytest.fixture
def stepped(monkeypatch, step_s):
    """Our clock has been set; psutil then moves the start of every process with it, as on Linux."""
    now, started = time.time, psutil.Process.create_time
    gmtime = time.gmtime
    monkeypatch.setattr(time, "time", lambda: now() + step_s)
    monkeypatch.setattr(time, "gmtime", lambda: gmtime(now() + step_s))
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: started(self) + step_s)


@steps
@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no /proc")  # noqa: PTH110
def test_what_a_process_of_this_machine_is_writing_stays(tmp_path, request, step_s):
    temporary = tmp_path / files.temporary_name("x")
    temporary.write_text("")
    request.getfixturevalue("stepped")
    files.remove_leftovers(tmp_path)
    assert temporary.exists()


@steps
def test_a_lease_of_another_machine_counts_by_the_clock_of_the_files(tmp_path, stepped):
    fresh = tmp_path / ".x.caer-00000000-1-1-12345678.part"
    old = tmp_path / ".x.caer-00000000-1-1-87654321.part"
    for path in (fresh, old):
        path.write_text("")
    an_hour = fresh.stat().st_mtime - 3600
    os.utime(fresh, (an_hour, an_hour))
    os.utime(old, (an_hour - _DAY_S, an_hour - _DAY_S))
    files.remove_leftovers(tmp_path)
    assert (fresh.exists(), old.exists()) == (True, False)
    assert len(list(tmp_path.iterdir())) == 1


@steps
def test_the_log_in_use_stays_whatever_its_name(tmp_path, stepped):
    for number in range(logs.FILES_KEPT + 3):
        (tmp_path / f"29990101T0000{number:02d}Z-1.jsonl").write_text("")
    with logs.to_file(tmp_path):
        own = logs.current()
        assert own is not None
        assert own.exists()
    assert len(list(tmp_path.iterdir())) == logs.FILES_KEPT
