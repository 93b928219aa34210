"""Logging: quiet by default, one file of JSON lines per command, everything on demand.

All loggers of the package are below `caer_data`. A command that works on a dataset writes
`work/log/<time>.jsonl` there. Each line is an object with the time, level, logger, process and text
and, where known, the video, stage and traceback. Library warnings also go there.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from caer_data.engine import failures

LOGGER: Final = logging.getLogger("caer_data")
LOGGER.addHandler(logging.NullHandler())
FILES_KEPT: Final = 20
_NAME: Final = re.compile(r"\d{8}T\d{6}Z-\d+\.jsonl")


class _State:
    """Where this process logs to."""

    file: Path | None = None
    debug = False


class JsonLines(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        values: dict[str, Any] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": getattr(record, "worker", None) or record.process,
            "video": getattr(record, "video", ""),
            "stage": getattr(record, "stage", ""),
            "text": record.getMessage(),
            "trace": _trace(record),
        }
        return json.dumps({key: value for key, value in values.items() if value != ""})


class _ForPeople(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        about = " ".join(filter(None, (getattr(record, key, "") for key in ("video", "stage"))))
        text = f"{record.levelname.lower()}: {about + ': ' if about else ''}{record.getMessage()}"
        return f"{text}\n{_trace(record)}".rstrip()


def begin() -> None:
    """Set up logging for a process of the command line.

    Python warnings and the messages of all libraries become records. Nothing is shown on the
    terminal unless `show` or the environment variable CAER_DEBUG asks for it.
    """
    logging.captureWarnings(capture=True)
    LOGGER.setLevel(logging.INFO)
    root = logging.getLogger()
    if not _is_ours():
        root.addHandler(_Terminal())
    show(debug=os.environ.get("CAER_DEBUG", "0") not in ("", "0"))


def show(*, verbose: bool = False, debug: bool = False) -> None:
    """Show log messages on stderr; with `debug` also details and tracebacks."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _Terminal) and (verbose or debug):
            handler.setLevel(logging.DEBUG if debug else logging.INFO)
            LOGGER.setLevel(handler.level)
    _State.debug = _State.debug or debug


class _Terminal(logging.StreamHandler[Any]):
    """Writes log messages to the current `sys.stderr`, except those the command itself prints."""

    def __init__(self) -> None:
        super().__init__()
        self.setLevel(logging.CRITICAL + 1)
        self.setFormatter(_ForPeople())

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "said", False) and not record.exc_info:
            return
        self.stream = sys.stderr
        super().emit(record)


@contextmanager
def to_file(folder: Path) -> Iterator[None]:
    """Log to a new file in a folder while the block runs; only the newest files are kept.

    Nested blocks write to the outermost file. A folder that cannot be written is ignored: missing
    logs must not stop a command.
    """
    if _State.file is not None:
        yield
        return
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(folder / name, encoding="utf-8")
    except OSError:
        yield
        return
    handler.setFormatter(JsonLines())
    _State.file = folder / name
    _rotate(folder, name)
    # in our own commands log all libraries; in other programs only this package
    logger = logging.getLogger() if _is_ours() else LOGGER
    level = LOGGER.level
    if LOGGER.getEffectiveLevel() > logging.INFO:
        LOGGER.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    except Exception as error:
        record(error)
        raise
    finally:
        logger.removeHandler(handler)
        LOGGER.setLevel(level)
        handler.close()
        _State.file = None


def current() -> Path | None:
    """Return the file that this process writes its log to; None if there is none."""
    return _State.file


def hint() -> str:
    """Return the end of a message about a bug, which says where the traceback is."""
    if _State.file is None:
        return "" if _State.debug else "; CAER_DEBUG=1 shows more"
    return f"; the traceback is in {_State.file}"


def record(error: BaseException) -> Path | None:
    """Log the exception that ended a command, once; bugs with their traceback.

    Returns:
        The log file; None if there is none.
    """
    if not hasattr(error, "recorded_in"):
        error.recorded_in = _State.file  # type: ignore[attr-defined]  # so that outer blocks do not log it again
        planned = failures.is_foreseen(error) and not _State.debug
        shown = None if planned else error
        LOGGER.error("%s", failures.describe(error), exc_info=shown, extra={"said": True})
    path: Path | None = getattr(error, "recorded_in", None)
    return path


def relay(
    level: int,
    text: str,
    *,
    logger: str = "caer_data.worker",
    trace: str = "",
    video: str = "",
    stage: str = "",
    process: int | None = None,
) -> None:
    """Log a record of a worker process as if it had been logged here."""
    extra = {"trace": trace, "video": video, "stage": stage, "worker": process}
    logging.getLogger(logger).log(level, "%s", text, extra=extra)


def forward(send: Callable[..., None], level: int) -> None:
    """Send all records of this process, a worker, to its parent.

    Args:
        send: called with `"log"`, the level, the text, the logger's name, and the trace.
        level: lowest level of the records of this package to send; for libraries, warnings are
            sent.
    """

    class Forward(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with suppress(OSError):  # the parent has exited, and so will this process
                send("log", record.levelno, record.getMessage(), record.name, _trace(record))

    logging.captureWarnings(capture=True)
    LOGGER.setLevel(level)
    logging.getLogger().addHandler(Forward())


@contextmanager
def passed_on(
    send: Callable[[dict[str, Any]], None], level: int, file: Path | None
) -> Iterator[None]:
    """Pass the records of this process on to a command on another machine while the block runs.

    Args:
        send: called with the arguments for `relay`, which the command then calls.
        level: lowest level of the records of this package to send.
        file: the command's log file, which messages about bugs name.
    """

    class PassOn(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            send(
                {
                    "level": record.levelno,
                    "text": record.getMessage(),
                    "logger": record.name,
                    "trace": _trace(record),
                    "video": getattr(record, "video", ""),
                    "stage": getattr(record, "stage", ""),
                    "process": getattr(record, "worker", None) or record.process,
                }
            )

    handler, earlier = PassOn(), (LOGGER.level, _State.file)
    LOGGER.addHandler(handler)
    LOGGER.setLevel(level)
    _State.file = file
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.level, _State.file = earlier


def _trace(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return failures.trace_of(error) if error else str(getattr(record, "trace", ""))


def _is_ours() -> bool:
    return any(isinstance(handler, _Terminal) for handler in logging.getLogger().handlers)


def _rotate(folder: Path, own: str) -> None:
    """Remove the oldest log files, but never the one in use.

    If the clock was set back, the one in use may not have the newest name.
    """
    named = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    for path in [path for path in named if path.name != own][: 1 - FILES_KEPT]:
        with suppress(OSError):
            path.unlink()
