"""What is said of a failure that nobody planned for, and whose fault it was."""

from __future__ import annotations

import os
import sys
import traceback

from caer_data.engine.errors import CaerError, MachineError

_OUT_OF_MEMORY = ("OutOfMemoryError", "ArrowMemoryError")
_SAYS_MEMORY = ("can't allocate memory", "cannot allocate memory", "insufficient memory")


def describe(error: BaseException) -> str:
    """One sentence for an exception: a CaerError's own words, or what happened and where."""
    if isinstance(error, CaerError):
        return str(error)
    if is_out_of_memory(error):
        what = "the graphics card" if "CUDA" in str(error) else "the machine"
        return f"{what} ran out of memory; end other programs, or use fewer --workers"
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


def output_error(error: OSError) -> MachineError | None:
    """What to say where `error` came from standard output, None where it came from elsewhere."""
    if isinstance(error, BrokenPipeError):
        return OutputClosed("nobody reads the output any more")
    if error.filename is not None:
        return None
    try:
        sys.stdout.flush()  # what could not be written is still there and fails again
    except OSError as again:
        return MachineError(f"the output cannot be written: {again.strerror}")
    return None


class OutputClosed(MachineError):  # noqa: N818 - `| head` is nobody's error
    """The reader of standard output has gone, as `head` does; nothing is left to say."""

    exit_code = 141
    """As the shell tells of a program that SIGPIPE ended."""
