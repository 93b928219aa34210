"""A worker process: how it starts, works, reports and ends.

A worker leads its own process group, so that ending the group also ends an ffmpeg that it may be
running. It holds the reading end of a pipe whose other end only its parent has. When the parent
exits for any reason, the pipe is closed and the worker ends.
"""

from __future__ import annotations

import faulthandler
import importlib
import logging
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any, Final

import psutil

from caer_data.engine import failures, logs
from caer_data.engine.cores import ONE_THREAD
from caer_data.engine.errors import CaerError, MachineError

METHOD: Final = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
_SAFE_PATH: Final = "PYTHONSAFEPATH"
"""https://docs.python.org/3/using/cmdline.html#envvar-PYTHONSAFEPATH"""
_ATTEMPTS: Final = 5
_PAUSE_S: Final = 0.2
_CANNOT_START: Final = (
    "worker processes cannot be started or were killed from outside, most likely because the "
    "machine ran out of memory; run the same command again with fewer workers to resume"
)

Progress = Callable[[str, float], None]
"""Called by a task with the name of a stage and the amount done."""


@dataclass(frozen=True)
class Task:
    """A call of a module-level function: `function(*arguments, progress)`."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Worker:
    """The parent's side of a worker process."""

    def __init__(self, preload: Sequence[str]) -> None:
        """Start a process that imports the modules `preload` and waits for tasks.

        Raises:
            MachineError: it cannot be started.
        """
        self.task: Task | None = None
        self.stage = ""
        self.has_begun = False
        self.alive_at = time.monotonic()
        self._server: int | None = None
        self._seen: psutil.Process | None = None
        context = multiprocessing.get_context(METHOD)
        their_inbox, self._inbox = context.Pipe(duplex=False)
        self._outbox, their_outbox = context.Pipe(duplex=False)
        self._stderr, their_stderr = context.Pipe(duplex=False)
        level = logging.getLogger("caer_data").getEffectiveLevel()
        arguments = (their_inbox, their_outbox, their_stderr, tuple(preload), level)
        self._process = _started(context, arguments, preload)
        for theirs in (their_inbox, their_outbox, their_stderr):
            theirs.close()

    @property
    def handles(self) -> list[Any]:
        """Objects to wait for: one becomes ready when the worker sends a message or ends."""
        said = [self._outbox, self._process.sentinel]
        return said if self._stderr.closed else [*said, self._stderr]

    @property
    def memory(self) -> int:
        """Resident memory, bytes."""
        try:
            self._seen = self._seen or psutil.Process(self._process.pid)
            return int(self._seen.memory_info().rss)
        except psutil.Error:
            return 0

    def give(self, task: Task) -> None:
        """Send a task to the idle worker."""
        self.task, self.stage, self.alive_at = task, "", time.monotonic()
        self.has_begun = False
        logs.relay(logging.DEBUG, "started", video=task.name, process=self._process.pid)
        with suppress(OSError):  # it has exited; `messages` will report that
            self._inbox.send(task)

    def messages(self) -> Iterator[tuple[Any, ...]]:
        """Yield the worker's messages, each beginning with its kind.

        They are `("progress", stage, amount)`, `("value", value)`, `("error", sentence)` for a
        CaerError, `("bug", sentence)` for any other exception, and `("death", sentence)` if the
        process died.

        Raises:
            MachineError: the worker ended through no fault of its task.
        """
        self._read_stderr()
        try:
            while self._outbox.poll():
                message = self._outbox.recv()
                self.alive_at = time.monotonic()
                if message[0] == "progress":
                    self.stage = message[1]
                if message[0] == "ready":
                    self._server = message[1]
                elif message[0] == "begun":
                    self.has_begun = True
                elif message[0] == "log":
                    self._log(*message[1:])
                else:
                    yield message
            if not self._process.is_alive() and not self._outbox.poll():
                yield "death", self._death()
        except (EOFError, OSError):
            self._process.join(5)
            yield "death", self._death()
        except pickle.UnpicklingError as error:
            yield "death", f"sent a message that cannot be read ({error})"

    def end(self, *, now: bool) -> None:
        """End the worker and its child processes; unless `now`, let it exit by itself first."""
        if not now:
            with suppress(OSError):
                self._inbox.send(None)
            self._process.join(10)
        if self._process.is_alive():
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (AttributeError, ProcessLookupError, PermissionError):
                self._process.kill()
            self._process.join()
        self._read_stderr()
        for pipe in (self._inbox, self._outbox, self._stderr):
            pipe.close()

    def _death(self) -> str:
        code = self._process.exitcode
        # if the fork server died, no exit code is reported, and 255 is read while it is ending
        if self._server is None or _gone(self._server, 1.0 if code == 255 else 0.0):
            raise MachineError(_CANNOT_START)
        if code == -signal.SIGKILL:
            return (
                "its process was killed from outside, most likely because the machine ran out of "
                "memory; run the same command again with fewer workers"
            )
        if code is not None and code < 0:
            return f"crashed while it was being read ({_signal_name(-code)})"
        return f"its process ended unexpectedly (exit code {code})"

    def _log(
        self, level: int, text: str, logger: str = "caer_data.worker", trace: str = ""
    ) -> None:
        logs.relay(
            level,
            text,
            logger=logger,
            trace=trace,
            video=self.task.name if self.task else "",
            stage=self.stage,
            process=self._process.pid,
        )

    def _read_stderr(self) -> None:
        """Log what libraries print about damaged media, instead of showing it on the terminal."""
        while not self._stderr.closed and self._stderr.poll():
            text = os.read(self._stderr.fileno(), 65536)
            if not text:
                self._stderr.close()
            for line in text.decode("utf-8", "replace").splitlines():
                self._log(logging.INFO, line, logger="caer_data.worker.stderr")


def _started(context: Any, arguments: tuple[Any, ...], preload: Sequence[str]) -> Any:
    """Start a process, with a new fork server if the last one has died, and return it.

    Raises:
        MachineError: it cannot be started.
    """
    problem: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            warm_up(preload)
            process = context.Process(target=_main, args=arguments)
            with _without_main():
                process.start()
            return process
        except (EOFError, OSError) as error:
            problem = error
            time.sleep(_PAUSE_S)
    raise MachineError(_CANNOT_START) from problem


def warm_up(preload: Sequence[str]) -> None:
    """Start importing the modules that workers need, in the background.

    Workers are forked from a clean server that has imported the modules `preload` once. By default
    Python would let it import from the current folder, which may contain a user's `types.py`. Only
    an environment variable prevents this; it and `ONE_THREAD` are set briefly and restored.
    """
    if METHOD != "forkserver":
        return
    wanted = {_SAFE_PATH: "1"} | {k: os.environ.get(k, v) for k, v in ONE_THREAD.items()}
    known = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    # The server inherits this thread's signal mask, so that only this process handles Ctrl-C.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.set_forkserver_preload(list(preload))
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in known.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the user's script from processes that start in this block.

    Tasks are functions of modules, so workers do not need the script. Without an
    `if __name__ == "__main__":`, importing it would run it again.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _main(
    inbox: Connection, outbox: Connection, stderr: Connection, preload: Sequence[str], level: int
) -> None:
    """Run a worker process."""
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(stderr.fileno(), 2)
    stderr.close()
    faulthandler.enable()
    tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(inbox, tasks), daemon=True).start()
    lock = threading.Lock()

    def send(*message: Any) -> None:
        data = pickle.dumps(
            message
        )  # pickled first, so that a value that cannot be pickled leaves the pipe intact
        with lock:
            outbox.send_bytes(data)

    logs.forward(send, level)
    send("ready", os.getppid())
    for module in preload:
        importlib.import_module(module)
    while (task := tasks.get()) is not None:
        _perform(task, send)


def _perform(task: Task, send: Callable[..., None]) -> None:
    def progress(stage: str, amount: float) -> None:
        send("progress", stage, amount)

    send("begun")
    try:
        send("value", task.function(*task.arguments, progress))
    except CaerError as error:
        send("error", str(error))
    except Exception as error:  # a bug must affect one video, not the build
        send("log", logging.ERROR, str(error), "caer_data.worker", failures.trace_of(error))
        send("bug", failures.describe(error))


def _receive(inbox: Connection, tasks: queue.SimpleQueue[Task | None]) -> None:
    """Receive tasks until the pipe is closed because the parent has exited."""
    try:
        while True:
            tasks.put(inbox.recv())
    except (EOFError, OSError):
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


def _gone(pid: int, patience_s: float) -> bool:
    try:
        process = psutil.Process(pid)
        deadline = time.monotonic() + patience_s
        while process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
    except psutil.NoSuchProcess:
        pass
    return True


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
