"""Run tasks in separate processes, so that a bad video fails alone.

If a codec crashes, a decoder hangs or a picture exhausts the memory, only that process ends. The
task is reported as failed, and the others continue.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from typing import Any, Final, TypeVar

from caer_data.engine import logs
from caer_data.engine.cores import cores
from caer_data.engine.errors import CaerError
from caer_data.engine.worker import Progress, Task, Worker, warm_up

__all__ = [
    "Limits",
    "Outcome",
    "Progress",
    "Standby",
    "Task",
    "cores",
    "run_map",
    "run_tasks",
    "warm_up",
]

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_POLL_S: Final = 0.5
_START_S: Final = 600.0
_LIGHT: Final = 0.25  # share of the memory limit that a process may hold between two tasks


@dataclass(frozen=True)
class Outcome:
    """The outcome of a task: its value, or one sentence that says why it failed."""

    task: Task
    value: Any = None
    error: str | None = None


@dataclass(frozen=True)
class Limits:
    """What one task may use.

    Attributes:
        memory: maximum resident memory, bytes.
        stall_s: maximum time without progress, s.
    """

    memory: float = 6 * 1024**3
    stall_s: float = 600.0


NO_LIMITS: Final = Limits(memory=math.inf, stall_s=math.inf)


def run_tasks(
    tasks: Iterable[Task],
    workers: int,
    on_progress: Callable[[Task, str, float], None],
    limits: Limits | None = None,
    preload: Sequence[str] = (),
    *,
    reuse: bool = False,
) -> Generator[Outcome, None, None]:
    """Run tasks in parallel and yield their outcomes in the order in which they end.

    Tasks are taken from the iterable as workers become free. Leaving the iteration early, or
    Ctrl-C, ends all running tasks.

    Args:
        tasks: the tasks to run.
        workers: number of processes.
        on_progress: called in this process with a task, its stage and the amount it has done.
        limits: what one task may use; a task that exceeds them is ended.
        preload: modules that workers import first.
        reuse: whether a process takes further tasks after its first, which is quicker for many
            small tasks. A process that still holds much memory or had a bug is replaced anyway.

    Raises:
        MachineError: processes cannot be started, or were ended through no fault of their task.
    """
    limits = limits or Limits()
    source = iter(tasks)
    idle: list[Worker] = []
    busy: list[Worker] = []
    try:
        while True:
            while len(busy) < workers and (task := next(source, None)):
                worker = idle.pop() if idle else Worker(preload)
                busy.append(worker)
                worker.give(task)
            if not busy:
                return
            wait([handle for worker in busy for handle in worker.handles], timeout=_POLL_S)
            for worker in list(busy):
                ended = _listen(worker, on_progress) or _watch(worker, limits)
                if ended is None:
                    continue
                outcome, usable = ended
                busy.remove(worker)
                if usable and reuse and worker.memory <= _LIGHT * limits.memory:
                    idle.append(worker)
                else:
                    worker.end(now=not usable)
                yield outcome
    finally:
        for worker in busy:
            worker.end(now=True)
        for worker in idle:
            worker.end(now=False)


class Standby:
    """A process that runs tasks one by one and keeps the models that they load.

    It ends with this object or with the current process.

    Args:
        limits: what one task may use.
        preload: modules that it imports first.
    """

    def __init__(self, limits: Limits, preload: Sequence[str]) -> None:
        tasks, listeners = deque[Task](), deque[Callable[[Task, str, float], None]](maxlen=1)

        def tell(task: Task, stage: str, amount: float) -> None:
            listeners[0](task, stage, amount)

        self._tasks, self._listeners = tasks, listeners
        self._outcomes = run_tasks(_taken(tasks), 1, tell, limits, preload, reuse=True)
        # before multiprocessing waits for all child processes
        Finalize(self, self._outcomes.close, exitpriority=1)

    def perform(self, task: Task, on_progress: Callable[[Task, str, float], None]) -> Outcome:
        """Run a task and return its outcome; after an exception this object cannot be used again.

        Raises:
            MachineError: as in `run_tasks`.
        """
        self._tasks.append(task)
        self._listeners.append(on_progress)
        return next(self._outcomes)


def _taken(tasks: deque[Task]) -> Iterator[Task]:
    while True:
        yield tasks.popleft()


def run_map(
    function: Callable[[ItemT], ResultT],
    items: Iterable[ItemT],
    workers: int,
    preload: Sequence[str] = (),
) -> Iterator[ResultT]:
    """Call a module-level function on every item and yield the results as they are ready.

    With one worker, the calls are made in this process. Leaving early ends all processes.

    Raises:
        CaerError: a call failed, with its message, or its process exited.
        MachineError: processes cannot be started.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    numbers = count()
    tasks = (Task(str(next(numbers)), _call, (function, item)) for item in items)
    for outcome in run_tasks(tasks, workers, _ignore, NO_LIMITS, preload, reuse=True):
        if outcome.error is not None:
            raise CaerError(outcome.error)
        yield outcome.value


def _call(function: Callable[[ItemT], ResultT], item: ItemT, progress: Progress) -> ResultT:
    return function(item)


def _ignore(task: Task, stage: str, amount: float) -> None:
    """Ignore progress."""


def _listen(
    worker: Worker, on_progress: Callable[[Task, str, float], None]
) -> tuple[Outcome, bool] | None:
    """Handle a worker's messages.

    Returns:
        The outcome of its task and whether the worker can take another; None if it is still
        running.
    """
    assert worker.task  # noqa: S101 - only busy workers are listened to
    for kind, *values in worker.messages():
        if kind == "progress":
            on_progress(worker.task, values[0], values[1])
        elif kind == "value":
            return Outcome(worker.task, value=values[0]), True
        elif kind == "error":
            return Outcome(worker.task, error=values[0]), True
        elif kind == "bug":
            return Outcome(worker.task, error=f"{values[0]}{logs.hint()}"), False
        else:
            return Outcome(worker.task, error=values[0]), False
    return None


def _watch(worker: Worker, limits: Limits) -> tuple[Outcome, bool] | None:
    """Check a worker's limits; return the failed outcome of its task if one is exceeded."""
    assert worker.task  # noqa: S101 - only busy workers are watched
    # a worker's first imports are not part of the task, and are slow on a busy machine
    patience_s = limits.stall_s if worker.has_begun else max(limits.stall_s, _START_S)
    if time.monotonic() - worker.alive_at > patience_s:
        why = f"made no progress for {patience_s:.0f} s and was stopped"
        return Outcome(worker.task, error=why), False
    if worker.memory > limits.memory:
        why = f"needed more than {limits.memory / 1024**3:.1f} GB of memory and was stopped"
        return Outcome(worker.task, error=why), False
    return None
