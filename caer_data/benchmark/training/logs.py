"""Curves for TensorBoard, if it is installed (the extra `tensorboard`)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from caer_data.benchmark.training.checkpoint import Progress
from caer_data.engine import extras
from caer_data.engine.progress import Reporter


@cache  # a command has one reporter
def _say_missing(reporter: Reporter) -> None:
    reporter.say(f"No TensorBoard logs; to get them: {extras.install_command('tensorboard')}")


@contextmanager
def open_log(
    folder: Path, writes: bool, reporter: Reporter
) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that logs a finished epoch.

    Args:
        folder: folder for the event files. A resumed run overwrites repeated epochs.
        writes: False in all processes except the first.
        reporter: told once per command if TensorBoard is missing.
    """
    if not writes:
        yield lambda progress: None
        return
    if importlib.util.find_spec("tensorboard") is None:
        _say_missing(reporter)
        yield lambda progress: None
        return
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(log_dir=str(folder))

    def write(progress: Progress) -> None:
        entry = progress.history[-1]
        for name, value in entry.items():
            if name not in ("epoch", "value"):
                writer.add_scalar(name, value, int(entry["epoch"]))
        writer.flush()

    try:
        yield write
    finally:
        writer.close()
