"""An export killed at any moment and run again equals one that was never killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from export_fixtures import options, tree

from caer_data.engine.progress import Reporter
from caer_data.export.release import export

ARGUMENTS = [
    "-m", "caer_data", "export", "dataset", "--overwrite", "-q",
    *(f"--layout={word}" for word in ("caer", "caer-s", "huggingface", "webdataset")),
]  # fmt: skip


def start(folder, *more):
    return subprocess.Popen(
        [sys.executable, *ARGUMENTS, *more], cwd=folder, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_killed_at_random_moments_and_run_again(dataset, tmp_path, jobs):
    layouts = ("caer", "caer-s", "huggingface", "webdataset")
    # an older release is in place, and must stay whole until the new one is
    old = export(dataset, tmp_path / "release", options(layouts=("caer",)), Reporter("quiet"))
    old_tree = tree(old.folder)
    began = time.monotonic()
    never = export(dataset, tmp_path / "never", options(layouts=layouts), Reporter("quiet"))
    whole = tree(never.folder)
    lasts = time.monotonic() - began
    moments = random.Random(7)
    for _ in range(5):
        process = start(tmp_path, "--workers", jobs)
        home = tmp_path / ".release.unfinished"
        while process.poll() is None and not home.exists():
            time.sleep(0.005)  # before that nothing is written
        # each call goes on where the last was stopped
        time.sleep(moments.uniform(0, lasts / 2))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
        assert tree(tmp_path / "release") in (old_tree, whole)
    process = start(tmp_path, "--workers", jobs)
    said = process.communicate()[1].decode()
    assert process.returncode == 0, said
    assert tree(tmp_path / "release") == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dataset", "never", "release"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_number_of_processes_changes_nothing(dataset, tmp_path, jobs):
    made = options(layouts=("caer-s", "huggingface"), jobs=jobs)
    release = export(dataset, tmp_path / "release", made, Reporter("quiet"))
    one = export(dataset, tmp_path / "one", options(layouts=("caer-s", "huggingface")),
                 Reporter("quiet"))  # fmt: skip
    assert tree(release.folder) == tree(one.folder)
