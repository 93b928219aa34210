"""Where tasks run: on this machine, or on the machines of a cluster.

All engines run the same tasks as `pool.run_tasks` and report in the same way; results do not depend
on the engine. Tasks write their results themselves, as artifacts and files. Only paths, settings
and small summaries are sent between processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from caer_data.engine.cores import cores
from caer_data.engine.errors import CaerError
from caer_data.engine.pool import Limits, Outcome, Task, run_tasks

OnProgress = Callable[[Task, str, float], None]
Stage = Literal["videos", "analyse", "clips"]

STAGES: Final[tuple[Stage, ...]] = ("videos", "analyse", "clips")
"""Stages that a build runs on an engine: probing and hashing, shots and faces, cutting."""


class Engine(Protocol):
    """Runs tasks side by side."""

    workers: int
    """Number of tasks that run at once."""

    def threads(self, videos: int) -> int:
        """Return how many threads a task may use if this many videos are to be analysed."""

    def check(self, paths: Sequence[Path]) -> None:
        """Check, before any work is done, that tasks can run and reach these folders.

        Raises:
            CaerError: they cannot; the message says what to do.
        """

    def run(
        self,
        stage: Stage,
        tasks: Iterable[Task],
        on_progress: OnProgress,
        limits: Limits,
        preload: Sequence[str],
    ) -> Iterator[Outcome]:
        """Run tasks and yield their outcomes in the order in which they end (`pool.run_tasks`)."""

    def close(self) -> None:
        """Release the engine's resources."""


class LocalEngine:
    """Runs tasks in processes on this machine.

    Args:
        workers: number of processes; by default one per core.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()

    def threads(self, videos: int) -> int:
        """Return the cores per video if all videos are analysed at once, at least one."""
        return max(1, cores() // max(1, min(self.workers, videos)))

    def check(self, paths: Sequence[Path]) -> None:
        """Do nothing: every folder on this machine can be reached."""

    def run(
        self,
        stage: Stage,
        tasks: Iterable[Task],
        on_progress: OnProgress,
        limits: Limits,
        preload: Sequence[str],
    ) -> Iterator[Outcome]:
        """Run tasks; each process takes one task after another and keeps its face models."""
        return run_tasks(tasks, self.workers, on_progress, limits, preload, reuse=True)

    def close(self) -> None:
        """Do nothing: processes end with their tasks."""


@dataclass(frozen=True)
class Needs:
    """Resources that a cluster's scheduler reserves for one task.

    Attributes:
        cpus: number of cores.
        gpus: number of GPUs; 0.25 is a quarter of one.
        memory: bytes; None reserves no memory.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory: float | None = None


def parse_needs(texts: Iterable[str]) -> dict[Stage, Needs]:
    """Parse texts such as `analyse:cpus=2,gpus=0.25,memory=6` (memory in GB).

    Returns:
        The resources by stage.

    Raises:
        CaerError: a text is malformed, or names an unknown stage or an impossible number.
    """
    return dict(_parse_needs(text) for text in texts)


def _parse_needs(text: str) -> tuple[Stage, Needs]:
    stage, _, rest = text.partition(":")
    parts = dict(part.partition("=")[::2] for part in rest.split(","))
    try:
        if stage not in STAGES or not parts.keys() <= {"cpus", "gpus", "memory"}:
            raise ValueError(text)
        numbers = {name: float(value) for name, value in parts.items()}
        if not all(0 <= number < 1e6 for number in numbers.values()):
            raise ValueError(text)
    except ValueError as error:
        raise CaerError(
            f"--needs {text}: give a stage ({', '.join(STAGES)}) and what one of its tasks needs, "
            "such as analyse:cpus=2,gpus=0.25,memory=6 (memory in GB)"
        ) from error
    memory = numbers.pop("memory", None)
    return stage, Needs(**numbers, memory=memory and memory * 1024**3)
