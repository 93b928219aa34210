"""What the tasks of an engine cost: their processor time and duration."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from caer_data.engine.engines import Engine, OnProgress, Stage
from caer_data.engine.pool import Limits, Outcome, Progress, Task


@dataclass
class Cost:
    """Cost of tasks.

    Attributes:
        core_s: processor seconds of their processes, with the programs that these ran.
        wall_s: sum of their durations, seconds.
    """

    core_s: float = 0.0
    wall_s: float = 0.0


class Metered:
    """An engine that adds up what the tasks of another one cost, without starting processes.

    Args:
        engine: runs the tasks.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.workers = engine.workers
        self.cost = Cost()
        self.stages_s = 0.0
        """Duration of all stages, seconds."""

    def threads(self, videos: int) -> int:
        """Return the number of threads of the engine."""
        return self._engine.threads(videos)

    def check(self, paths: Sequence[Path]) -> None:
        """Check the engine."""
        self._engine.check(paths)

    def run(
        self,
        stage: Stage,
        tasks: Iterable[Task],
        on_progress: OnProgress,
        limits: Limits,
        preload: Sequence[str],
    ) -> Iterator[Outcome]:
        """Run tasks on the engine; failed ones cost nothing."""
        metered = (
            replace(task, function=_metered, arguments=(task.function, task.arguments))
            for task in tasks
        )
        started = time.perf_counter()
        for outcome in self._engine.run(
            stage,
            metered,
            lambda task, name, amount: on_progress(_plain(task), name, amount),
            limits,
            preload,
        ):
            value = None
            if outcome.error is None:
                value, core_s, wall_s = outcome.value
                self.cost.core_s += core_s
                self.cost.wall_s += wall_s
            yield Outcome(_plain(outcome.task), value, outcome.error)
        self.stages_s += time.perf_counter() - started

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()


def _plain(task: Task) -> Task:
    function, arguments = task.arguments
    return replace(task, function=function, arguments=arguments)


def _metered(
    function: Any, arguments: tuple[Any, ...], progress: Progress
) -> tuple[Any, float, float]:
    """Call a task's function; return its value, processor seconds and duration."""
    started, before = time.perf_counter(), sum(os.times()[:4])
    value = function(*arguments, progress)
    return value, sum(os.times()[:4]) - before, time.perf_counter() - started
