"""Messages for unexpected errors, and whether a bug, the user or the machine caused them."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from caer_data.engine.errors import CaerError, MachineError
from caer_data.engine.files import explain_os_error

_WRITERS = ("click", "rich")
"""Packages that write to standard output and never to a file."""
_OUT_OF_MEMORY = ("OutOfMemoryError", "ArrowMemoryError")
_SAYS_MEMORY = ("can't allocate memory", "cannot allocate memory", "insufficient memory")


def describe(error: BaseException) -> str:
    """Return one sentence for an exception: a CaerError's message, or what happened and where."""
    if isinstance(error, CaerError):
        return str(error)
    if is_out_of_memory(error):
        what = "the graphics card" if "CUDA" in str(error) else "the machine"
        return f"{what} ran out of memory; end other programs, or use fewer workers"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    return f"unexpected {type(error).__name__}{where}: {error}"


def trace_of(error: BaseException) -> str:
    """Return the full traceback, for the log."""
    return "".join(traceback.format_exception(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of Python or of a library means that memory ran out."""
    names = {cls.__name__ for cls in type(error).__mro__}
    text = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or not names.isdisjoint(_OUT_OF_MEMORY)
        or any(words in text for words in _SAYS_MEMORY)
    )


def is_foreseen(error: BaseException) -> bool:
    """Whether an exception is explained by its message alone; all others are bugs."""
    return isinstance(error, CaerError | OSError) or is_out_of_memory(error)


def explain(error: BaseException) -> CaerError:
    """Return the error to show to the user: the exception itself, or a CaerError about it."""
    if isinstance(error, CaerError):
        return error
    if isinstance(error, OSError):
        known = output_error(error)
        return known or CaerError(explain_os_error(error, Path(error.filename or ".")))
    return MachineError(describe(error))


def output_error(error: OSError) -> MachineError | None:
    """Return the error to show if writing to standard output failed; None for other errors."""
    if isinstance(error, BrokenPipeError):
        return OutputClosed("the output was closed by its reader")
    innermost = traceback.extract_tb(error.__traceback__)[-1:]
    if any(Path(frame.filename).parent.name in _WRITERS for frame in innermost):
        return MachineError(f"the output cannot be written: {error.strerror}")
    return None


class OutputClosed(MachineError):  # noqa: N818 - `| head` is nobody's error
    """The reader of standard output has closed it, as `head` does; no message is printed."""

    exit_code = 1
    """The exit code that click uses in this case."""
