"""When the machinery fails, no video and no dataset is blamed for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from caer_data.engine import failures
from caer_data.engine.errors import CaerError, MachineError

JSON = """
import click
from caer_data import cli
from caer_data.engine.files import explain_os_error
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import options
@click.command()
@options
def command(reporter):
    try:
        for n in range(100_000):
            reporter.result({"n": n})
    except OSError as error:
        raise CaerError(explain_os_error(error, __import__("pathlib").Path("dataset"))) from error
cli._LazyGroup.get_command = lambda self, ctx, name: command
cli.main(["build", "--json"])
"""


def raising(error: str) -> str:
    return (
        "import click\nfrom caer_data import cli\n"
        f"@click.command()\ndef command():\n    raise {error}\n"
        "cli._LazyGroup.get_command = lambda self, ctx, name: command\n"
        "cli.main(['build'])\n"
    )


def shell(line: str, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}", sys.executable, code],
        capture_output=True,
        text=True,
        check=False,
    )


HELP = "import time; time.sleep(2)\nfrom caer_data.cli import main; main(['--help'])"


@pytest.mark.parametrize("code", [JSON, HELP])
def test_a_reader_that_stops_reading_ends_the_command_in_silence(code):
    done = shell('"$0" -c "$1" | true', code)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("code", [JSON, HELP])
def test_a_full_output_is_named(code):
    done = shell('"$0" -c "$1" > /dev/full', code)
    assert done.stderr == "Error: the output cannot be written: No space left on device\n"
    assert done.returncode == 5


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        ("MemoryError()", 5, "Error: the machine ran out of memory; end other programs"),
        ("KeyboardInterrupt()", 130, "Stopped. Run the same command again to resume."),
        ("OSError(13, 'no', 'f')", 2, "Error: f: permission denied"),
        ("click.Abort()", 130, "Stopped"),
    ],
)
def test_each_failure_has_its_sentence_and_code(error, code, words):
    done = subprocess.run(
        [sys.executable, "-c", raising(error)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CAER_DEBUG": "0"},
    )
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code


def test_the_end_of_a_pipe_is_not_taken_for_a_user_who_stops():
    done = subprocess.run(
        [sys.executable, "-c", raising("EOFError('inside')")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "EOFError: inside"


class OutOfMemoryError(RuntimeError):
    """Named as torch's own, which is not needed for this."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "the graphics card ran"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "the machine ran"),
        (MemoryError(), "the machine ran out of memory"),
    ],
)
def test_memory_that_ran_out_is_named_whichever_library_says_so(error, words):
    told = failures.explain(error)
    assert isinstance(told, MachineError)
    assert str(told).startswith(words)


def test_a_sentence_that_is_one_stays():
    error = CaerError("x: no such recipe")
    assert failures.explain(error) is error
