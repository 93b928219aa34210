"""Tasks for the tests of the workers; worker processes import them by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from caer_data.curate.analyse import Job, analyse
from caer_data.engine.errors import CaerError
from caer_data.engine.pool import Progress


def double(value: int, progress: Progress) -> int:
    progress("doubling", 1)
    return 2 * value


def crash(progress: Progress) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(progress: Progress) -> None:
    os._exit(7)


def hang(progress: Progress) -> None:
    time.sleep(600)


def grow(progress: Progress) -> None:
    hoard = []
    while True:
        hoard.append(bytearray(b"x" * 50_000_000))
        time.sleep(0.05)


def mistake(progress: Progress) -> None:
    raise CaerError("the file is not a video")


def bug(progress: Progress) -> None:
    raise KeyError("oops")


def hang_with_child(folder: Path, progress: Progress) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "pids").write_text(f"{os.getpid()} {child.pid}")
    progress("started", 1)
    time.sleep(600)


def analyse_but_hoard_over_one(job: Job, progress: Progress) -> None:
    """Analyse a video, but take all the memory there is for the first episode."""
    if job.video_id.endswith(".e1"):
        grow(progress)
    analyse(job, progress)
