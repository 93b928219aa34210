"""Builds that are killed at random moments, and what is left when the same command ends."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import psutil
import scale_builds as scale

ENGINES = {
    "local": [[()]],
    "shards": [[("--shard", "1/2"), ("--shard", "2/2")], [()]],
    "ray": [[("--engine", "ray", "--workers", "2")]],
}
"""How a dataset is built: steps, and the options of the commands that run at once in each."""

_SHARES = {"local": 0.65, "shards": 0.25, "ray": 0.1}
_ENDED = {0, 3}
"""Exit codes of a command that went to its end: all well, or some videos failed."""
_NODE = "raylet"
"""The process of Ray that is a node: the others end when it does."""
_FIRST_S = 0.2
_HUNG_S = 900.0
_QUIET_S = 120.0
"""Two agents of Ray notice only after a minute that Ray has ended."""


@dataclass
class Count:
    """What happened in a run of kills; after each, the same command was given again.

    Attributes:
        kills: kills by engine and by what was killed.
        from_killed: kills of a command that continued what another kill had left.
        equal: builds that then had the tables and clips of an undisturbed one.
        differing: files that were not the same, or commands that did not succeed or end.
        leftovers: temporary files that were left.
        processes: processes that outlived what was killed, with their commands.
        traces: ends of the output of commands that ended with a stack trace.
    """

    kills: Counter[str] = field(default_factory=Counter)
    from_killed: int = 0
    equal: int = 0
    differing: list[str] = field(default_factory=list)
    leftovers: int = 0
    processes: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)

    def __add__(self, other: Count) -> Count:
        """Return what happened in both."""
        return Count(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def is_good(self) -> bool:
        """Whether every kill cost only time."""
        bad = (self.differing, self.leftovers, self.processes, self.traces)
        return self.equal == sum(self.kills.values()) and not any(bad)


class Killer:
    """Kills builds of the same shows, and compares what the same command then makes of them.

    Args:
        shows: what is built.
        recipe: with which recipe.
        folder: room for datasets.
        draw: moments, victims and engines.
        engines: some of `ENGINES`.
    """

    def __init__(
        self,
        shows: Path,
        recipe: Path,
        folder: Path,
        draw: random.Random,
        engines: Sequence[str] = ("local",),
    ) -> None:
        self.count = Count()
        self._shows, self._recipe, self._draw = shows, recipe, draw
        self._engines = list(engines)
        self._dataset, self._kept = folder / "killed", folder / "kept"
        undisturbed = folder / "undisturbed"
        started = time.monotonic()
        _run(scale.command(shows, undisturbed, recipe))
        self._lengths = {"local": time.monotonic() - started}
        self._wanted = scale.result(undisturbed)

    def run(self, kills: int, on_kill: Callable[[Count], None] = lambda count: None) -> Count:
        """Kill so many times; `on_kill` is called with the count after each comparison."""
        shares = [_SHARES[engine] for engine in self._engines]
        while sum(self.count.kills.values()) < kills:
            (engine,) = self._draw.choices(self._engines, shares)
            continues = self._begin()
            if engine not in self._lengths:
                self._measure(engine)
            if self._disturb(engine):
                self.count.from_killed += continues
                self._finish(engine)
                on_kill(self.count)
        return self.count

    def _begin(self) -> bool:
        """Lay out an empty dataset, or half of the time what another kill left."""
        shutil.rmtree(self._dataset, ignore_errors=True)
        if not self._kept.exists() or self._draw.random() < 0.5:
            return False
        shutil.copytree(self._kept, self._dataset, symlinks=True)
        return True

    def _measure(self, engine: str) -> None:
        """Note how long a build on this engine takes while nothing disturbs it."""
        started = time.monotonic()
        self._steps(engine)
        self._lengths[engine] = time.monotonic() - started
        shutil.rmtree(self._dataset, ignore_errors=True)

    def _disturb(self, engine: str) -> bool:
        """Build, kill something at a random moment and keep what is left; whether it did."""
        started = time.monotonic()
        moment = self._draw.uniform(_FIRST_S, self._lengths[engine])
        killed: list[psutil.Process] = []

        def meanwhile(running: list[subprocess.Popen[str]]) -> None:
            if not killed and time.monotonic() - started > moment:
                killed.extend(self._kill(engine, self._draw.choice(running)))

        self._steps(engine, meanwhile)
        if not killed:  # it was done before: moments of the next one are earlier
            self._lengths[engine] = 0.8 * self._lengths[engine]
            return False
        self.count.processes += [_named(process) for process in _outliving(killed)]
        shutil.rmtree(self._kept, ignore_errors=True)
        if self._dataset.exists():
            shutil.copytree(self._dataset, self._kept, symlinks=True)
        return True

    def _finish(self, engine: str) -> None:
        """Give the same commands again and compare."""
        started = time.monotonic()
        before = len(self.count.differing)
        for words, code, text in self._steps(engine):
            if code not in _ENDED:
                self.count.differing.append(f"{words} ended with {code}: {text[-500:]}")
        self._lengths[engine] = max(
            self._lengths[engine], time.monotonic() - started
        )  # as slow as today's machine
        found = scale.result(self._dataset)
        names = sorted({*self._wanted, *found})
        self.count.differing += [n for n in names if self._wanted.get(n) != found.get(n)]
        self.count.leftovers += len(scale.leftovers(self._dataset))
        self.count.equal += len(self.count.differing) == before

    def _steps(
        self,
        engine: str,
        meanwhile: Callable[[list[subprocess.Popen[str]]], None] = lambda running: None,
    ) -> list[tuple[str, int, str]]:
        """Run the commands of an engine; return each one's options, exit code and output.

        Args:
            engine: which.
            meanwhile: called again and again with the commands that are running.
        """
        ends = []
        for step in ENGINES[engine]:
            words = [scale.command(self._shows, self._dataset, self._recipe, *m) for m in step]
            started = [scale.start(w) for w in words]
            end = time.monotonic() + _HUNG_S
            while running := [process for process in started if process.poll() is None]:
                meanwhile(running)
                time.sleep(0.02)
                if time.monotonic() > end:
                    self.count.differing.append(f"{engine}: hung")
                    for process in running:
                        process.kill()
            for more, process in zip(step, started, strict=True):
                text = process.communicate()[1]
                if "Traceback" in text:
                    self.count.traces.append(text[-500:])
                ends.append((" ".join(more) or "build", process.returncode, text))
            if any(code not in _ENDED for _, code, _ in ends):
                break
        return ends

    def _kill(self, engine: str, command: subprocess.Popen[str]) -> list[psutil.Process]:
        """Kill a command, a process below it or Ray's node; return what has to end with it."""
        try:
            whole = psutil.Process(command.pid)
            below = sorted(whole.children(recursive=True), key=lambda process: process.pid)
            nodes = [process for process in below if process.name() == _NODE]
        except psutil.Error:
            return []
        chance = self._draw.random()
        if nodes and chance < 0.3:
            what, victim = "node", nodes[0]
        elif below and chance < 0.65:
            what, victim = "one process", self._draw.choice(below)
        else:
            what, victim = "whole", whole
        try:
            ending = [victim, *victim.children(recursive=True)]
            os.kill(victim.pid, signal.SIGKILL)
        except (psutil.Error, ProcessLookupError):
            return []
        self.count.kills[f"{engine}: {what}"] += 1
        return ending


def _outliving(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Which of these processes still work after a while."""
    end = time.monotonic() + _QUIET_S
    while (left := [p for p in processes if _lives(p)]) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def _lives(process: psutil.Process) -> bool:
    """Whether a process works on; one that nobody asked how it ended does not."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _named(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:200]
    except psutil.Error:
        return process.name()


def _run(words: list[str]) -> None:
    process = scale.start(words)
    text = process.communicate()[1]
    if process.returncode not in _ENDED:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}: {text}")
