"""Exceptions whose messages users are meant to read."""

from __future__ import annotations


class CaerError(Exception):
    """A user's mistake; the message says in one sentence what is wrong, where, and what to do.

    The command line prints only the message, without a traceback, and exits with `exit_code`.
    """

    exit_code = 2


class BusyError(CaerError):
    """Another process is working on the same folder."""

    exit_code = 4


class PartialFailure(CaerError):  # noqa: N818 - the work was done; some videos were not
    """The command finished, but some of its inputs failed and are listed."""

    exit_code = 3


class MachineError(CaerError):
    """The machine failed (memory, processes, output), not the user or an input."""

    exit_code = 5
