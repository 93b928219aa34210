"""Run tasks in processes of their own, so that one bad video costs itself alone.

A codec that crashes, a decoder that hangs, a picture that eats all memory: each ends its own
process, is named as the task's failure, and the others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from typing import Any

import psutil

from caer_data.engine.errors import CaerError

_POLL_S = 0.5
_PRELOAD = ["caer_data.curate.preload"]
_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
_SAFE_PATH = "PYTHONSAFEPATH"
"""https://docs.python.org/3/using/cmdline.html#envvar-PYTHONSAFEPATH"""

Progress = Callable[[str, float], None]
"""Called inside a task with a stage's name and the amount done."""


@dataclass(frozen=True)
class Task:
    """A call of a module-level function: `function(*arguments, progress)`."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """How a task ended: its value, or one sentence why it has none."""

    task: Task
    value: Any = None
    error: str | None = None


@dataclass(frozen=True)
class Limits:
    """What one task may use: resident memory in bytes, and seconds without any progress."""

    memory: int = 6 * 1024**3
    stall_s: float = 600.0


@dataclass
class _Running:
    task: Task
    process: Any
    pipe: Connection
    lifeline: Connection
    alive_at: float = field(default_factory=time.monotonic)
    outcome: Outcome | None = None


def run_tasks(
    tasks: Sequence[Task],
    workers: int,
    on_progress: Callable[[Task, str, float], None],
    limits: Limits | None = None,
) -> Iterator[Outcome]:
    """Run tasks side by side; outcomes come in the order in which they end.

    Leaving the iteration early, also by Ctrl-C, ends all tasks that still run.
    """
    limits = limits or Limits()
    warm_up()
    context = multiprocessing.get_context(_METHOD)
    waiting = list(reversed(tasks))
    running: list[_Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_start(context, waiting.pop()))
            handles = [item for r in running for item in (r.pipe, r.process.sentinel)]
            wait(handles, timeout=_POLL_S)
            for item in running:
                _listen(item, on_progress)
                _watch(item, limits)
            ended = [r for r in running if r.outcome]
            running = [r for r in running if not r.outcome]
            for item in ended:
                _end(item)
                assert item.outcome  # noqa: S101 - filtered above
                yield item.outcome
    finally:
        for item in running:
            _end(item)


def warm_up() -> None:
    """Begin to load what workers need, in the background, while this process loads its own.

    Workers are forked from a clean server that has loaded the heavy libraries once. Python would
    let it import from the current folder, where a user's `types.py` may lie.
    """
    if _METHOD != "forkserver":
        return
    known = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    # The server must not answer Ctrl-C with a stack trace; what is ignored here, it ignores.
    ours = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if ours else None
    try:
        forkserver.set_forkserver_preload(_PRELOAD)
        forkserver.ensure_running()
    finally:
        if ours:
            signal.signal(signal.SIGINT, handler)
        if known is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = known


def _start(context: Any, task: Task) -> _Running:
    pipe, theirs = context.Pipe(duplex=False)
    their_lifeline, lifeline = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(task, theirs, their_lifeline), daemon=False)
    process.start()
    theirs.close()
    their_lifeline.close()
    return _Running(task, process, pipe, lifeline)


def _main(task: Task, pipe: Connection, lifeline: Connection) -> None:
    """Body of a worker process."""
    if hasattr(os, "setsid"):
        os.setsid()  # so that ending the group also ends the ffmpeg it may be running
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()
    lock = threading.Lock()

    def progress(stage: str, amount: float) -> None:
        with lock:
            pipe.send(("progress", stage, amount))

    try:
        value = task.function(*task.arguments, progress)
        message: tuple[Any, ...] = ("value", value)
    except CaerError as error:
        message = ("error", str(error))
    except MemoryError:
        message = ("error", "ran out of memory")
    except Exception as error:  # any bug must cost one video, not the build
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(place.filename)}:{place.lineno}"  # noqa: PTH119
        message = ("error", f"unexpected {type(error).__name__} in {where}: {error}")
    with lock:
        pipe.send(message)
    pipe.close()


def _die_with_parent(lifeline: Connection) -> None:
    """Wait for the end of the pipe, which comes when the parent is gone, however it went."""
    try:
        lifeline.recv()
    except (EOFError, OSError):
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


def _listen(item: _Running, on_progress: Callable[[Task, str, float], None]) -> None:
    """Take in what a worker has sent."""
    try:
        while not item.outcome and item.pipe.poll():
            kind, *values = item.pipe.recv()
            item.alive_at = time.monotonic()
            if kind == "progress":
                on_progress(item.task, values[0], values[1])
            elif kind == "value":
                item.outcome = Outcome(item.task, value=values[0])
            else:
                item.outcome = Outcome(item.task, error=values[0])
    except (EOFError, OSError):
        item.process.join(5)
        item.outcome = item.outcome or Outcome(item.task, error=_death(item.process.exitcode))


def _watch(item: _Running, limits: Limits) -> None:
    """End a worker that died, grew too large or stands still."""
    if item.outcome:
        return
    if not item.process.is_alive() and not item.pipe.poll():
        item.outcome = Outcome(item.task, error=_death(item.process.exitcode))
        return
    if time.monotonic() - item.alive_at > limits.stall_s:
        why = f"made no progress for {limits.stall_s:.0f} s and was stopped"
        item.outcome = Outcome(item.task, error=why)
    elif _memory(item.process.pid) > limits.memory:
        why = f"needed more than {limits.memory / 1024**3:.1f} GB of memory and was stopped"
        item.outcome = Outcome(item.task, error=why)


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"crashed while it was being read ({name})"
    return f"its process ended unexpectedly (exit code {code})"


def _end(item: _Running) -> None:
    """Make sure that a worker and whatever it started are gone."""
    if item.outcome is None or item.outcome.error:
        if item.process.is_alive() and sys.platform != "win32":
            try:
                os.killpg(item.process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                item.process.kill()
        elif item.process.is_alive():
            item.process.kill()
    item.process.join()
    item.lifeline.close()
    item.pipe.close()
