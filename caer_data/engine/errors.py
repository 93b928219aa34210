"""The one exception a user is meant to read."""

from __future__ import annotations


class CaerError(Exception):
    """A mistake in what the user gave: one sentence that says what, where and what to do.

    The command line prints the message alone and exits with `exit_code`; it never shows a trace.
    """

    exit_code = 2


class BusyError(CaerError):
    """Another process is working on the same folder."""

    exit_code = 4


class PartialFailure(CaerError):  # noqa: N818 - the work was done; some videos were not
    """The command finished, but some of its inputs failed and are listed."""

    exit_code = 3


class MachineError(CaerError):
    """The machinery failed, not the user and no input: memory, processes, the output."""

    exit_code = 5
