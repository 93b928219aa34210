"""Where tasks run: on this machine, or on the machines of a cluster.

An engine runs the same tasks as `pool.run_tasks` and reports the same; results do not depend on it.
Tasks write their results themselves, as artifacts and files; only paths, settings and small
summaries travel between processes.
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
"""What a build gives to an engine: probing and hashing, shots and faces, cutting."""


class Engine(Protocol):
    """Runs tasks side by side."""

    workers: int
    """How many tasks run at once."""

    def threads(self, videos: int) -> int:
        """Threads that a task may use that analyses one of this many videos."""

    def check(self, paths: Sequence[Path]) -> None:
        """Make sure before any work that tasks can run and reach these folders.

        Raises:
            CaerError: they cannot, with what to do.
        """

    def run(
        self,
        stage: Stage,
        tasks: Iterable[Task],
        on_progress: OnProgress,
        limits: Limits,
        preload: Sequence[str],
    ) -> Iterator[Outcome]:
        """Run tasks; outcomes come in the order in which they end. See `pool.run_tasks`."""

    def close(self) -> None:
        """Release what the engine holds."""


class LocalEngine:
    """Processes of this machine.

    Args:
        workers: processes; without a number, one for each core.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()

    def threads(self, videos: int) -> int:
        """Share the cores out among the videos there are."""
        return max(1, cores() // max(1, min(self.workers, videos)))

    def check(self, paths: Sequence[Path]) -> None:
        """Nothing can be out of reach here."""

    def run(
        self,
        stage: Stage,
        tasks: Iterable[Task],
        on_progress: OnProgress,
        limits: Limits,
        preload: Sequence[str],
    ) -> Iterator[Outcome]:
        """Run tasks in processes that take one after the other, and keep their face models."""
        return run_tasks(tasks, self.workers, on_progress, limits, preload, reuse=True)

    def close(self) -> None:
        """Processes end with their tasks."""


@dataclass(frozen=True)
class Needs:
    """What the scheduler of a cluster sets aside for one task.

    Attributes:
        cpus: cores.
        gpus: GPUs; 0.25 is a quarter of one.
        memory: bytes; None sets nothing aside.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory: float | None = None


def parse_needs(texts: Iterable[str]) -> dict[Stage, Needs]:
    """Read `analyse:cpus=2,gpus=0.25,memory=6`, memory in GB.

    Raises:
        CaerError: malformed, or a stage or a number that makes no sense.
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
            f"--needs {text}: give a stage ({', '.join(STAGES)}) and what one task of it takes, "
            "such as analyse:cpus=2,gpus=0.25,memory=6 (memory in GB)"
        ) from error
    memory = numbers.pop("memory", None)
    return stage, Needs(**numbers, memory=memory and memory * 1024**3)
