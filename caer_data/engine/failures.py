"""Messages for unexpected failures, and whose fault they were."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from caer_data.engine.errors import CaerError, MachineError
from caer_data.engine.files import explain_os_error

_WRITERS = ("click", "rich")
"""Packages that write to standard output, and to no file."""
_OUT_OF_MEMORY = ("OutOfMemoryError", "ArrowMemoryError")
_SAYS_MEMORY = ("can't allocate memory", "cannot allocate memory", "insufficient memory")


def describe(error: BaseException) -> str:
    """One sentence for an exception: a CaerError's own words, or what happened and where."""
    if isinstance(error, CaerError):
        return str(error)
    if is_out_of_memory(error):
        what = "the graphics card" if "CUDA" in str(error) else "the machine"
        return f"{what} ran out of memory; end other programs, or use fewer workers"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    return f"unexpected {type(error).__name__}{where}: {error}"


def trace_of(error: BaseException) -> str:
    """The whole stack trace, for the log."""
    return "".join(traceback.format_exception(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, of Python or of any library, says that memory ran out."""
    names = {cls.__name__ for cls in type(error).__mro__}
    text = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or not names.isdisjoint(_OUT_OF_MEMORY)
        or any(words in text for words in _SAYS_MEMORY)
    )


def is_foreseen(error: BaseException) -> bool:
    """Whether the message is sufficient; everything else is a bug."""
    return isinstance(error, CaerError | OSError) or is_out_of_memory(error)


def explain(error: BaseException) -> CaerError:
    """The error to show to the user: the one that was raised, or one that says what happened."""
    if isinstance(error, CaerError):
        return error
    if isinstance(error, OSError):
        known = output_error(error)
        return known or CaerError(explain_os_error(error, Path(error.filename or ".")))
    return MachineError(describe(error))


def output_error(error: OSError) -> MachineError | None:
    """What to say where `error` came from standard output, None if it came from elsewhere."""
    if isinstance(error, BrokenPipeError):
        return OutputClosed("the output was closed by its reader")
    innermost = traceback.extract_tb(error.__traceback__)[-1:]
    if any(Path(frame.filename).parent.name in _WRITERS for frame in innermost):
        return MachineError(f"the output cannot be written: {error.strerror}")
    return None


class OutputClosed(MachineError):  # noqa: N818 - `| head` is nobody's error
    """The reader of standard output has gone, as `head` does; nothing is left to say."""

    exit_code = 1
    """As click ends a command that it sees writing to nobody."""
