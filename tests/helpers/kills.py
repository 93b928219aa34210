"""Builds that are killed at random moments, and what is left when they end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import scale_builds as scale

ENDED = {0, 3}
"""What a build exits with that went to its end: all well, or some videos failed."""


@dataclass
class Count:
    """What happened in a run of kills."""

    kills: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    differing: list[str] = field(default_factory=list)
    leftovers: int = 0
    without_a_sentence: list[str] = field(default_factory=list)


def run(
    shows: Path,
    recipe: Path,
    folder: Path,
    kills: int,
    draw: random.Random,
    more: tuple[str, ...] = (),
    on_build: Callable[[Count], None] = lambda count: None,
) -> Count:
    """Kill builds until there were so many kills; each build continues until nothing kills it.

    Args:
        shows: what is built.
        recipe: with which recipe.
        folder: room for datasets.
        kills: how many.
        draw: moments and victims: the whole build, or one process below it.
        more: further options of the build.
        on_build: called with the count so far after each build that went to its end.
    """
    count = Count()
    started = time.monotonic()
    undisturbed = folder / "undisturbed"
    process = scale.start(scale.command(shows, undisturbed, recipe))
    process.communicate()
    longest = time.monotonic() - started
    wanted = scale.result(undisturbed)
    dataset = folder / "killed"
    while sum(count.kills.values()) < kills:
        shutil.rmtree(dataset, ignore_errors=True)
        words = scale.command(shows, dataset, recipe, *more)
        started, killed = time.monotonic(), sum(count.kills.values())
        while not _once(words, draw, longest, count, kills):
            pass
        if sum(count.kills.values()) == killed:  # so long it takes today, whatever else runs here
            longest = min(longest, time.monotonic() - started)
        process = scale.start(scale.command(shows, dataset, recipe))  # failed by a kill: once more
        process.communicate()
        count.finished += 1
        found = scale.result(dataset)
        count.differing += sorted(n for n in {*wanted, *found} if wanted.get(n) != found.get(n))
        count.leftovers += len(scale.leftovers(dataset))
        on_build(count)
    return count


def _once(words: list[str], draw: random.Random, longest: float, count: Count, most: int) -> bool:
    """One start of the command, killed or not; whether it went to its end."""
    process = scale.start(words)
    end = time.monotonic() + draw.uniform(0.2, longest)
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    if process.poll() is None and sum(count.kills.values()) < most:
        if draw.random() < 0.5:
            count.kills["whole"] += _kill(process.pid)
        else:
            below = _below(process.pid)
            count.kills["one process"] += bool(below) and _kill(draw.choice(below))
    text = process.communicate()[1]
    if "Traceback" in text:
        count.without_a_sentence.append(text[-500:])
    return process.returncode in ENDED


def _kill(pid: int) -> int:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1


def _below(pid: int) -> list[int]:
    try:
        return sorted(child.pid for child in psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []
