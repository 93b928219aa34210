"""Tasks on the machines of a Ray cluster (uses only Ray Core).

Each Ray task runs one of our tasks in the local pool, so that a crash, a hang or too much memory
affects only that task, as on one machine. Ray decides where a task runs, and runs it again if a
node dies. Progress and log records come back through one small actor; results are files.

A Ray instance started by this module listens only on the loopback interface, has no dashboard,
sends no usage statistics, and keeps its files and its token private.
"""

from __future__ import annotations

import logging
import os
import platform
import queue
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from caer_data import __version__
from caer_data.engine import extras, failures, logs
from caer_data.engine.cores import cores
from caer_data.engine.engines import Needs, OnProgress, Stage
from caer_data.engine.errors import CaerError, MachineError
from caer_data.engine.pool import Limits, Outcome, Standby, Task

_POLL_S: Final = 0.5
_TELL_S: Final = 0.5
_ANSWER_S: Final = 120.0
_REACHED_S: Final = 10.0
_START_S: Final = 300.0  # Ray itself waits forever if one of its processes dies while it starts
_RETRIES: Final = 3  # retries of a task whose node or Ray process died
_AHEAD: Final = 4  # tasks submitted to Ray per running task, so that no node waits
_STORE_BYTES: Final = 80_000_000  # little data is sent; Ray's default is a third of the memory
_LOOPBACK: Final = "127.0.0.1"
_LOST: Final = (
    "the machine or process that worked on it was lost, and so were the retries; run the same "
    "command again"
)


class RayEngine:
    """Runs tasks on Ray: on an instance started for one build, or on an existing cluster.

    Args:
        address: `auto`, `ray://host:port` or `host:port` of a cluster; None starts Ray on this
            machine.
        workers: number of cores that Ray may use on this machine; by default all.
        needs: resources per task of a stage (`videos`, `analyse`, `clips`); by default one core.
    """

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        needs: Mapping[Stage, Needs] | None = None,
    ) -> None:
        self.workers = workers or cores()
        self._address = address
        self._needs = dict(needs or {})
        self._folder: str | None = None
        self._connected = False
        self._starter = _Starter()

    def threads(self, videos: int) -> int:
        """Return the number of cores that Ray reserves for a task."""
        return max(1, int(self._of("analyse").cpus))

    def check(self, paths: Sequence[Path]) -> None:
        """Start or connect to Ray; check versions and access to the folders on every node.

        Raises:
            CaerError: Ray is not installed or not reachable, or a node cannot do the work.
        """
        extras.require("ray", "the engine 'ray'")
        self._connect()
        import ray

        wanted = [str(path.resolve()) for path in paths]
        answers = [_ask(node, wanted) for node in ray.nodes() if node["Alive"]]
        refuse(answers, Answer("this machine", _python(), __version__, ()))
        self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def run(
        self,
        stage: Stage,
        tasks: Iterable[Task],
        on_progress: OnProgress,
        limits: Limits,
        preload: Sequence[str],
    ) -> Iterator[Outcome]:
        """Run tasks on the cluster and yield their outcomes; see `pool.run_tasks`.

        Raises:
            MachineError: a node cannot start processes, even after retries.
        """
        import ray

        needs = self._of(stage)
        mailbox = ray.remote(num_cpus=0, max_restarts=-1)(_Mailbox).remote()
        function = ray.remote(
            num_cpus=needs.cpus,
            num_gpus=needs.gpus,
            memory=needs.memory,
            max_retries=_RETRIES,
            retry_exceptions=[MachineError],
        )(_perform)
        most = _AHEAD * max(1, int(self.workers / max(needs.cpus, 0.01)))
        about = _About(limits, tuple(preload), str(Path.cwd()), logs.LOGGER.level, logs.current())
        source, running = iter(tasks), dict[Any, Task]()
        try:
            while True:
                while len(running) < most and (task := next(source, None)):
                    running[function.remote(task, about, mailbox)] = task
                if not running:
                    return
                ready, _ = ray.wait(list(running), timeout=_POLL_S)
                _read(mailbox, on_progress)
                for reference in ready:
                    yield _outcome(running.pop(reference), reference)
        finally:
            for reference in running:
                with suppress(Exception):  # closing the connection ends the tasks in any case
                    ray.cancel(reference, force=True)
            with suppress(Exception):
                ray.kill(mailbox)

    def close(self) -> None:
        """Disconnect from the cluster; stop Ray if this object started it."""
        if self._connected:
            import ray

            ray.shutdown()
            self._connected = False
            self._starter.end()
            self._starter = _Starter()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _of(self, stage: Stage) -> Needs:
        return self._needs.get(stage, Needs())

    def _connect(self) -> None:
        if self._connected:
            return
        given = self._given() if self._address else self._own()
        import ray

        def init() -> None:
            ray.init(**given, log_to_driver=False, logging_level=logging.ERROR)

        try:
            self._starter.call(init, _START_S)
        except TimeoutError as error:
            self._end_own()
            raise CaerError(self._late()) from error
        except Exception as error:  # Ray's connection errors have no common class
            self.close()
            raise CaerError(self._why(error)) from error
        self._connected = True
        if not self._address and ray.nodes()[0]["NodeManagerAddress"] != _LOOPBACK:
            self.close()
            raise CaerError(
                "Ray was started earlier in this process and would listen on the network; start a "
                "new process, or start a cluster with 'ray start' and give its address"
            )

    def _given(self) -> dict[str, Any]:
        """Return the address as arguments for Ray, after checking that it can be reached.

        Ray itself would wait for minutes and then end the Python process.
        """
        address = str(self._address)
        try:
            place = urlsplit(address if "://" in address else f"//{address}")
            if place.hostname and place.port:
                socket.create_connection((place.hostname, place.port), _REACHED_S).close()
        except (OSError, ValueError) as error:
            raise CaerError(self._why(error)) from error
        return {"address": self._address}

    def _own(self) -> dict[str, Any]:
        """Return arguments for a Ray of our own; set the environment that its import needs."""
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # makes it listen on loopback
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.setdefault(
            "RAY_AUTH_TOKEN", secrets.token_hex(32)
        )  # otherwise written to ~/.ray
        temporary = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108 - socket paths must be short
        self._folder = tempfile.mkdtemp(prefix="caer-ray-", dir=temporary)
        return {
            "address": "local",
            "num_cpus": self.workers,
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
            "_temp_dir": self._folder,
        }

    def _end_own(self) -> None:
        """End the processes of a Ray of our own that did not start."""
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if self._folder and any(self._folder in word for word in process.cmdline()):
                    process.kill()
        self._starter.end()
        self.close()

    def _late(self) -> str:
        if self._address:
            return (
                f"--address {self._address}: the Ray cluster did not let this machine in within "
                f"{_START_S:.0f} s; see 'ray status'"
            )
        return (
            f"--engine ray: Ray did not start on this machine within {_START_S:.0f} s; run the "
            "same command again"
        )

    def _why(self, error: Exception) -> str:
        text = " ".join(str(error).split())
        if "version" in text.lower() and ("python" in text.lower() or "ray" in text.lower()):
            return (
                f"--address {self._address}: the cluster and this machine have different versions "
                f"of Ray or Python ({text[:200]}); install the same versions on both"
            )
        if self._address:
            return (
                f"--address {self._address}: no Ray cluster answers there; start one with 'ray "
                "start --head', or omit --address to run Ray on this machine"
            )
        return f"--engine ray: Ray does not start on this machine ({text[:200]})"


class _Starter:
    """Calls a function that cannot be interrupted, in a thread that lives until `end`.

    Linux ends the processes that a thread has started with Ray's `prctl` when the thread ends.
    """

    def __init__(self) -> None:
        self._ended = threading.Event()

    def call(self, function: Callable[[], None], within_s: float) -> None:
        """Call the function.

        Raises:
            TimeoutError: it did not end in time; it goes on.
            Exception: what the function raised.
        """
        raised: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

        def run() -> None:
            try:
                function()
            except BaseException as error:
                raised.put(error)
            else:
                raised.put(None)
                self._ended.wait()

        threading.Thread(target=run, daemon=True, name="ray").start()
        try:
            error = raised.get(timeout=within_s)
        except queue.Empty:
            raise TimeoutError from None
        if error is not None:
            raise error

    def end(self) -> None:
        """Let the thread end."""
        self._ended.set()


@dataclass(frozen=True)
class Answer:
    """What a node reports: its versions of Python and caer-data, and folders it cannot see."""

    node: str
    python: str
    version: str | None
    unseen: tuple[str, ...]


def refuse(answers: Sequence[Answer], ours: Answer) -> None:
    """Check that every node can do the work.

    Raises:
        CaerError: a node cannot; the message names the first one and says what to do.
    """
    for answer in answers:
        where = f"--engine ray: the node {answer.node}"
        if answer.version is None:
            raise CaerError(
                f"{where} has no caer-data; install version {ours.version} on every node"
            )
        if answer.version != ours.version:
            raise CaerError(
                f"{where} has caer-data {answer.version} and this machine {ours.version}; install "
                "the same version on every node"
            )
        if answer.python != ours.python:
            raise CaerError(
                f"{where} runs Python {answer.python} and this machine {ours.python}; use the same "
                "Python on every node"
            )
        if answer.unseen:
            raise CaerError(
                f"{where} does not see {answer.unseen[0]}; put shows and dataset on storage that "
                "every node has under the same path"
            )


def _ask(node: dict[str, Any], paths: list[str]) -> Answer:
    """Query one node, with a function that does not need caer-data there."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def question() -> tuple[str, str | None, tuple[str, ...]]:
        import importlib
        import os
        import sys

        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        try:
            version = importlib.import_module("caer_data").__version__
        except ImportError:
            version = None
        return python, version, tuple(path for path in paths if not os.path.exists(path))  # noqa: PTH110

    strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    name = str(node.get("NodeManagerHostname") or node["NodeManagerAddress"])
    asked = ray.remote(num_cpus=0, scheduling_strategy=strategy)(question).remote()
    try:
        return Answer(name, *ray.get(asked, timeout=_ANSWER_S))
    except Exception as error:  # Ray's errors, and errors of unpickling with another Python
        raise CaerError(
            f"Ray: the node {name} does not answer ({failures.describe(error)[:200]}); "
            "see 'ray status'"
        ) from error


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


@dataclass(frozen=True)
class _About:
    """Settings that are sent with every task of a stage."""

    limits: Limits
    preload: tuple[str, ...]
    folder: str
    """Current folder of the command, to which paths may be relative."""
    level: int
    log: Path | None


class _Mailbox:
    """Actor that collects progress and log records of the tasks."""

    def __init__(self) -> None:
        self._letters: list[tuple[Any, ...]] = []

    def put(self, letters: list[tuple[Any, ...]]) -> None:
        self._letters += letters

    def take(self) -> list[tuple[Any, ...]]:
        letters, self._letters = self._letters, []
        return letters


class _Post:
    """A task's side of the mailbox: collects messages and sends them at intervals."""

    def __init__(self, task: Task, mailbox: Any) -> None:
        self._task = task
        self._mailbox = mailbox
        self._progress: dict[str, float] = {}
        self._letters: list[tuple[Any, ...]] = []
        self._sent_at = time.monotonic()

    def progress(self, stage: str, amount: float) -> None:
        self._progress[stage] = self._progress.get(stage, 0.0) + amount
        if time.monotonic() - self._sent_at > _TELL_S:
            self.send()

    def log(self, record: dict[str, Any]) -> None:
        self._letters.append(("log", record))

    def send(self) -> Any:
        named = Task(self._task.name, self._task.function, ())
        messages = [("progress", named, stage, amount) for stage, amount in self._progress.items()]
        letters, self._letters, self._progress = [*self._letters, *messages], [], {}
        self._sent_at = time.monotonic()
        return self._mailbox.put.remote(letters)


_standby: dict[tuple[Limits, tuple[str, ...]], Standby] = {}
"""Worker processes kept by this Ray process, so that face models stay loaded between tasks."""


def _perform(task: Task, about: _About, mailbox: Any) -> tuple[Any, str | None]:
    """Run one task in a node's local pool; return its value, or a sentence on why it failed."""
    import ray

    os.chdir(about.folder)
    post = _Post(task, mailbox)
    with logs.passed_on(post.log, about.level, about.log):
        key = (about.limits, about.preload)
        standby = _standby.pop(key, None) or Standby(*key)
        outcome = standby.perform(task, lambda _, stage, amount: post.progress(stage, amount))
        _standby[key] = standby  # not after a MachineError, which ends it
    with suppress(Exception):  # losing progress reports does no harm
        ray.get(post.send(), timeout=_ANSWER_S)
    return outcome.value, outcome.error


def _read(mailbox: Any, on_progress: OnProgress) -> None:
    import ray

    try:
        letters = ray.get(mailbox.take.remote(), timeout=_ANSWER_S)
    except ray.exceptions.RayError:
        return  # its node died; Ray restarts it on another
    for kind, *values in letters:
        if kind == "progress":
            on_progress(*values)
        else:
            logs.relay(**values[0])


def _outcome(task: Task, reference: Any) -> Outcome:
    import ray

    try:
        value, error = ray.get(reference)
    except ray.exceptions.RayTaskError as failure:
        cause = failure.as_instanceof_cause()
        if isinstance(cause, MachineError):
            raise MachineError(str(cause.args[0] if cause.args else cause)) from failure
        return Outcome(task, error=failures.describe(failure.cause))
    except ray.exceptions.RayError:
        return Outcome(task, error=_LOST)
    return Outcome(task, value=value, error=error)
