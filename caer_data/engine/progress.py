"""Progress reports for people and programs: bars, silence, or one JSON object per line."""

from __future__ import annotations

import functools
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import click

from caer_data.engine import failures, logs

Mode = Literal["bars", "quiet", "json"]

_log = logging.getLogger(__name__)


class Bar:
    """The progress of one stage."""

    def __init__(self, on_change: Callable[[Bar], None], total: float) -> None:
        self.done = 0.0
        self.total = total
        self.note = ""
        self._on_change = on_change

    def advance(self, amount: float = 1.0, note: str | None = None) -> None:
        """Add finished work, in the stage's unit; `note` says what it was."""
        self.done += amount
        self.note = self.note if note is None else note
        self._on_change(self)


class Reporter:
    """Reports progress: to people on stderr, to programs as JSON lines on stdout.

    Args:
        mode: `bars`, `quiet` (problems only) or `json`.
    """

    def __init__(self, mode: Mode = "bars") -> None:
        self.mode = mode
        self._live: Any = None

    @contextmanager
    def stage(self, name: str, total: float, unit: str = "") -> Iterator[Bar]:
        """Show one stage's bar while the block runs; stages may be nested or run side by side."""
        began = time.monotonic()
        _log.info("began: %g %s", total, unit, extra={"stage": name})
        try:
            with self._shown(name, total, unit) as bar:
                yield bar
        finally:
            _log.info("ended after %.1f s", time.monotonic() - began, extra={"stage": name})

    @contextmanager
    def _shown(self, name: str, total: float, unit: str) -> Iterator[Bar]:
        if self.mode == "bars":
            with self._bars() as live:
                task = live.add_task(name, total=total, unit=unit, note="")
                yield Bar(
                    lambda bar: live.update(
                        task, completed=bar.done, total=bar.total, note=_end(bar.note)
                    ),
                    total,
                )
            return
        last = [0.0]

        def emit(bar: Bar) -> None:
            now = time.monotonic()
            if self.mode == "json" and (bar.done >= bar.total or now - last[0] >= 1.0):
                last[0] = now
                self._line(
                    "progress", stage=name, done=bar.done, total=bar.total, unit=unit, note=bar.note
                )

        yield Bar(emit, total)

    def say(self, text: str) -> None:
        """Print one sentence for people."""
        _log.info("%s", text, extra={"said": True})
        self._tell(text)

    def _tell(self, text: str) -> None:
        if self.mode == "json":
            self._line("note", text=text)
        elif self.mode == "bars":
            if self._live is not None:
                self._live.console.print(text, highlight=False, markup=False)
            else:
                click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """Print one sentence even with `quiet`."""
        _log.warning("%s", text, extra={"said": True})
        if self.mode == "quiet":
            click.echo(text, err=True)
        else:
            self._tell(text)

    def result(self, values: dict[str, Any]) -> None:
        """Print the result for programs."""
        if self.mode == "json":
            self._line("result", **values)

    def _line(self, event: str, **values: Any) -> None:
        try:
            click.echo(json.dumps({"event": event, **values}))
        except OSError as error:  # standard output failed, not a file of the dataset
            raise failures.output_error(error) or error from error

    @contextmanager
    def _bars(self) -> Iterator[Any]:
        if self._live is not None:
            yield self._live
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        from caer_data.engine.progress_columns import RateColumn

        with Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=10),
            RateColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
        ) as live:
            self._live = live
            try:
                yield live
            finally:
                self._live = None


def _end(note: str, longest: int = 22) -> str:
    """Return the end of a note, where identifiers differ, so that a bar fits into 80 columns."""
    return note if len(note) <= longest else "…" + note[1 - longest :]


def log_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--verbose` and `--debug` to a click command."""

    @click.option("--verbose", is_flag=True, help="Also print log messages.")
    @click.option("--debug", is_flag=True, help="Also print detailed log messages and tracebacks.")
    @functools.wraps(function)
    def wrapper(*args: Any, verbose: bool, debug: bool, **kwargs: Any) -> Any:
        logs.show(verbose=verbose, debug=debug)
        return function(*args, **kwargs)

    return wrapper


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--quiet`, `--json`, `--verbose` and `--debug` to a click command.

    The command receives the argument `reporter`.
    """

    @click.option("--quiet", "-q", is_flag=True, help="Print problems only.")
    @click.option("--json", "as_json", is_flag=True, help="One JSON object per line, for programs.")
    @log_options
    @functools.wraps(function)
    def wrapper(*args: Any, quiet: bool, as_json: bool, **kwargs: Any) -> Any:
        mode: Mode = "json" if as_json else "quiet" if quiet else "bars"
        return function(*args, reporter=Reporter(mode), **kwargs)

    return wrapper


def printable(text: Any) -> str:
    """Return a text that is safe to print: control characters become `?`."""
    return "".join(c if c.isprintable() else "?" for c in str(text))
