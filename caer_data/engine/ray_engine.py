"""Tasks on the machines of a Ray cluster (Ray Core alone).

Each Ray task gives one task of ours to the local pool, so that a crash, a hang or too much memory
costs that task alone, as on one machine. Ray decides where it runs, and runs it again where a node
died. Progress and log records come back through one small actor; results are files.

A Ray that is started here listens on the loopback interface, has no dashboard, reports nothing to
anybody, and keeps its files and its token to itself.
"""

from __future__ import annotations

import logging
import os
import platform
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

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
_RETRIES: Final = 3  # of a task whose node or Ray process died
_AHEAD: Final = 4  # tasks given to Ray for each that can run, so that no node waits
_STORE_BYTES: Final = 80_000_000  # next to nothing travels; Ray's default is a third of the memory
_LOOPBACK: Final = "127.0.0.1"
_LOST: Final = (
    "the machine or process that worked on it was lost, also when it was tried again; run the same "
    "command again"
)


class RayEngine:
    """Ray: an instance started for one build, or an existing cluster.

    Args:
        address: `auto`, `ray://host:port` or `host:port` of a cluster; None starts Ray on this
            machine.
        workers: cores that Ray may use on this machine; all by default.
        needs: what one task of a stage (`videos`, `analyse`, `clips`) takes; one core by default.
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

    def threads(self, videos: int) -> int:
        """The cores that Ray sets aside for a task."""
        return max(1, int(self._of("analyse").cpus))

    def check(self, paths: Sequence[Path]) -> None:
        """Start or reach Ray, and ask every node for its versions and whether it sees the folders.

        Raises:
            CaerError: Ray is not installed or not there, or a node cannot do the work.
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
        """Run tasks on the cluster; see `pool.run_tasks`.

        Raises:
            MachineError: a node cannot start processes, also when it was tried again.
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
        about = _About(limits, tuple(preload), str(Path.cwd()), logs.LOGGER.level, logs.file())
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
                with suppress(Exception):  # whatever hinders it, the connection ends the tasks
                    ray.cancel(reference, force=True)
            with suppress(Exception):
                ray.kill(mailbox)

    def close(self) -> None:
        """Leave the cluster; a Ray that was started here ends."""
        if self._connected:
            import ray

            ray.shutdown()
            self._connected = False
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

        try:
            ray.init(**given, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray's errors of connecting share no class
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
        """The address, after a try to reach it: Ray itself waits for minutes, then ends Python."""
        address = str(self._address)
        try:
            place = urlsplit(address if "://" in address else f"//{address}")
            if place.hostname and place.port:
                socket.create_connection((place.hostname, place.port), _REACHED_S).close()
        except (OSError, ValueError) as error:
            raise CaerError(self._why(error)) from error
        return {"address": self._address}

    def _own(self) -> dict[str, Any]:
        """Arguments for a Ray of this command, and the settings that must precede its import."""
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # that is, listen on loopback
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else written to ~/.ray
        temporary = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108 - paths of sockets are short
        self._folder = tempfile.mkdtemp(prefix="caer-ray-", dir=temporary)
        return {
            "address": "local",
            "num_cpus": self.workers,
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
            "_temp_dir": self._folder,
        }

    def _why(self, error: Exception) -> str:
        text = " ".join(str(error).split())
        if "version" in text.lower() and ("python" in text.lower() or "ray" in text.lower()):
            return (
                f"--address {self._address}: runs another version of Ray or Python than this "
                f"machine ({text[:200]}); install the same versions on both"
            )
        if self._address:
            return (
                f"--address {self._address}: no Ray cluster answers there; start one with 'ray "
                "start --head', or leave --address for a Ray on this machine"
            )
        return f"--engine ray: Ray does not start on this machine ({text[:200]})"


@dataclass(frozen=True)
class Answer:
    """What a node reports: its Python, its caer-data, and folders that it does not see."""

    node: str
    python: str
    version: str | None
    unseen: tuple[str, ...]


def refuse(answers: Sequence[Answer], ours: Answer) -> None:
    """Refuse a cluster of which a node cannot do the work.

    Raises:
        CaerError: names the first such node, and what to do.
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
    """Ask one node; the question needs nothing of ours there."""
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
    except Exception as error:  # Ray's errors, and what another Python cannot read
        raise CaerError(
            f"Ray: the node {name} does not answer ({failures.describe(error)[:200]}); "
            "see 'ray status'"
        ) from error


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


@dataclass(frozen=True)
class _About:
    """What goes with every task of a stage."""

    limits: Limits
    preload: tuple[str, ...]
    folder: str
    """Current folder of the command, which paths may be relative to."""
    level: int
    log: Path | None


class _Mailbox:
    """The actor through which tasks report progress and pass on log records."""

    def __init__(self) -> None:
        self._letters: list[tuple[Any, ...]] = []

    def put(self, letters: list[tuple[Any, ...]]) -> None:
        self._letters += letters

    def take(self) -> list[tuple[Any, ...]]:
        letters, self._letters = self._letters, []
        return letters


class _Post:
    """A task's side of the mailbox: collects what is said, and sends it now and then."""

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
"""Of this Ray process, which Ray gives several tasks: face models stay loaded in between."""


def _perform(task: Task, about: _About, mailbox: Any) -> tuple[Any, str | None]:
    """On a node: one task in the local pool; its value, or the sentence why it has none."""
    import ray

    os.chdir(about.folder)
    post = _Post(task, mailbox)
    with logs.passed_on(post.log, about.level, about.log):
        key = (about.limits, about.preload)
        standby = _standby.pop(key, None) or Standby(*key)
        outcome = standby.perform(task, lambda _, stage, amount: post.progress(stage, amount))
        _standby[key] = standby  # not after a MachineError, which ends it
    with suppress(Exception):  # progress lost is nothing lost
        ray.get(post.send(), timeout=_ANSWER_S)
    return outcome.value, outcome.error


def _read(mailbox: Any, on_progress: OnProgress) -> None:
    import ray

    try:
        letters = ray.get(mailbox.take.remote(), timeout=_ANSWER_S)
    except ray.exceptions.RayError:
        return  # its node died: it is restarted elsewhere
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
