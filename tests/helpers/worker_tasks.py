"""Tasks for the tests of the workers; worker processes import them by name."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

from caer_data.curate.analyse import analyse
from caer_data.curate.job import Job
from caer_data.engine.errors import CaerError
from caer_data.engine.pool import Progress

hoard: list[bytearray] = []


def double(value: int, progress: Progress) -> int:
    progress("doubling", 1)
    return 2 * value


def busy(seconds: float, progress: Progress) -> None:
    """Use so much processor time, half of it in another program."""
    loop = f"import time\nwhile time.process_time() < {seconds / 2}: pass"
    subprocess.run([sys.executable, "-c", loop], check=True)
    until = time.process_time() + seconds / 2
    while time.process_time() < until:
        pass


def name_yourself(megabytes: int, progress: Progress) -> int:
    """The process's number; so much memory stays in use behind it."""
    hoard.append(bytearray(b"x" * (megabytes << 20)))
    return os.getpid()


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


def square(value: int) -> int:
    return value * value


def own_process(value: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def fail_on_three(value: int) -> int:
    if value == 3:
        raise CaerError("three is too many")
    return value


def noisy(progress: Progress) -> None:
    """Print as a library does, warn, log, report a stage, and break."""
    progress("looking", 1)
    os.write(2, b"[h264 @ 0x55] error while decoding MB 3 4\n")
    warnings.warn("this will change", DeprecationWarning, stacklevel=1)
    logging.getLogger("caer_data.media").warning("a frame is missing")
    time.sleep(0.2)
    raise KeyError("oops")


def unsendable(progress: Progress) -> object:
    return lambda: None


def be_killed(progress: Progress) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_the_server(progress: Progress) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


def no_memory(progress: Progress) -> None:
    raise MemoryError


def matrix_threads(progress: Progress) -> list[int]:
    import numpy  # noqa: F401
    from threadpoolctl import threadpool_info

    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
