"""Runs a command of caer-data and notes when the steps of its build began and ended.

    python performance/build_steps.py STEPS.json build --shows raw -o dataset

The file has a list of name, start and end, in seconds of `time.monotonic`; `scale.py` reads it.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checkout  # noqa: F401 - finds this checkout

from caer_data.cli import main
from caer_data.engine import pool

STEPS = (
    "prepare", "probe_files", "analyse_videos", "persons", "choose", "mint_keys",
    "collect_dialogue", "identify", "drop_repeats", "cut", "write",
)  # fmt: skip
"""Functions of `caer_data.curate.run` in their order; what comes after `write` is the report."""


def noted(name: str, function: Callable[..., Any], steps: list[tuple[str, float, float]]) -> Any:
    """The function, noting when it begins and ends."""

    def call(*values: Any, **named: Any) -> Any:
        started = time.monotonic()
        try:
            return function(*values, **named)
        finally:
            steps.append((name, started, time.monotonic()))

    return call


def main_with_steps(path: Path, words: list[str]) -> None:
    """Run a command; its steps are written even if it fails."""
    steps: list[tuple[str, float, float]] = []
    warm_up = pool.warm_up

    def warm_up_and_note(*values: Any) -> None:
        warm_up(*values)  # the command imports its stages meanwhile, and so do we
        run = importlib.import_module("caer_data.curate.run")
        for name in STEPS:
            setattr(run, name, noted(name, getattr(run, name), steps))

    pool.warm_up = warm_up_and_note  # type: ignore[assignment]
    try:
        main(words)
    finally:
        steps.append(("end", time.monotonic(), time.monotonic()))
        path.write_text(json.dumps(steps))


if __name__ == "__main__":
    main_with_steps(Path(sys.argv[1]), sys.argv[2:])
