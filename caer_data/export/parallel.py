"""Clips side by side on all cores, in processes that end with the command."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, TypeVar

from caer_data.engine.errors import CaerError

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_AHEAD = 4


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(
    function: Callable[[ItemT], ResultT], items: Iterable[ItemT], jobs: int
) -> Iterator[ResultT]:
    """Call a module-level function on every item; results come as they are ready.

    With one job the calls are made here. Items are taken from the iterable only a few ahead, so
    that they need not all be in memory. Leaving early ends the processes.

    Raises:
        CaerError: one was raised by a call, or a process was killed (out of memory, a crash).
    """
    if jobs <= 1:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(jobs, mp_context=context(), initializer=_prepare)
    waiting: set[Future[ResultT]] = set()
    source = iter(items)
    try:
        while True:
            for item in islice(source, jobs * _AHEAD - len(waiting)):
                waiting.add(pool.submit(function, item))
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool as error:
        raise CaerError(
            "a worker process was ended from outside or ran out of memory; "
            "run the same command again, with fewer --jobs"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def context() -> Any:
    """How processes are started: forked from a clean server that has loaded what they need."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["caer_data.export.media"])
    return context


def _prepare() -> None:
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    """A parent that was killed cannot say so; its workers must not go on writing."""
    parent.join()
    os._exit(1)
