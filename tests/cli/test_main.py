"""The command line: quick help, one sentence for a mistake, exit codes that scripts can rely on."""

from __future__ import annotations

import json
import subprocess
import sys
import types

import click
import pytest

from caer_data import __version__, cli
from caer_data.engine.errors import BusyError, CaerError, PartialFailure

HEAVY = {
    "av", "cv2", "dlib", "matplotlib", "numpy", "onnxruntime", "pandas", "pyarrow", "rich",
    "scenedetect", "scipy", "skimage", "sklearn", "torch",
}  # fmt: skip
VERBS = tuple(cli._VERBS)

# The module of `caer_data.cli` runs with these arguments; what it loaded is printed last.
_PROBE = """
import json, sys
from caer_data.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    print()
    print(json.dumps([stop.code, sorted({name.partition('.')[0] for name in sys.modules})]))
"""


def probe(*arguments: str) -> tuple[int, set[str], str]:
    """Exit code, top-level modules loaded, and what was printed, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, *arguments], capture_output=True, text=True, check=True
    )
    text, _, last = done.stdout.rstrip().rpartition("\n")
    code, modules = json.loads(last)
    return code, set(modules), text + done.stderr


_THREADS = """
import os, sys
from caer_data.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
import numpy
from threadpoolctl import threadpool_info
print(os.environ.get("OPENBLAS_NUM_THREADS"), {pool["num_threads"] for pool in threadpool_info()})
"""


def test_the_matrix_library_uses_one_thread_unless_the_user_says_otherwise(monkeypatch):
    def threads(*words: str) -> str:
        command = [sys.executable, "-c", _THREADS, *words]
        return subprocess.check_output(command, text=True).splitlines()[-1]

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # of the tests
        monkeypatch.delenv(name, raising=False)
    assert threads("build", "--help") == "1 {1}"
    assert threads("benchmark", "--help").startswith("None "), "PyTorch may train with it"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert threads("build", "--help").startswith("2 ")


INNER = ("annotate push", "annotate import", "benchmark train", "benchmark suite")


@pytest.mark.parametrize("words", ["", *VERBS, *INNER])
def test_help_loads_nothing_heavy(words) -> None:
    code, modules, text = probe(*words.split(), "--help")
    assert code == 0
    assert "Usage: caer-data" in text
    assert modules & HEAVY == set()


def test_help_lists_every_verb_with_a_line() -> None:
    _, _, text = probe("--help")
    for verb, (_, line) in cli._VERBS.items():
        assert verb in text
        assert line.split()[0] in text


def test_version() -> None:
    code, _, text = probe("--version")
    assert (code, __version__ in text) == (0, True)


def test_python_m_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "caer_data", "--help"], capture_output=True, text=True, check=True
    )
    assert "Usage: caer-data" in done.stdout


def test_unknown_verb_is_a_usage_error(capsys) -> None:
    code, _, error = run(capsys, "biuld")
    assert code == 2
    assert "No such command 'biuld'" in error
    assert "Traceback" not in error


def test_short_help_of_a_verb() -> None:
    code, _, text = probe("inspect", "dataset", "-h")
    assert code == 0
    assert "--table" in text


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main(list(arguments))
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.fixture
def verb_that(monkeypatch):
    """Make a verb `odd` whose command does what is given."""

    def make(action) -> None:
        module = types.ModuleType("odd_verb")
        module.command = click.Command("odd", callback=action)
        monkeypatch.setitem(sys.modules, "odd_verb", module)
        monkeypatch.setitem(cli._VERBS, "odd", ("odd_verb", "An odd verb."))

    return make


def raising(error: BaseException):
    def action() -> None:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        pytest.param(CaerError("a.mp4: is empty"), 2, "Error: a.mp4: is empty", id="mistake"),
        pytest.param(PartialFailure("1 failed"), 3, "Error: 1 failed", id="partial"),
        pytest.param(BusyError("is busy"), 4, "Error: is busy", id="busy"),
        pytest.param(click.UsageError("no"), 2, "Error: no", id="usage"),
        pytest.param(KeyboardInterrupt(), 130, "Run the same command again", id="interrupt"),
        pytest.param(click.Abort(), 130, "Run the same command again", id="abort"),
    ],
)
def test_errors_are_one_sentence_and_a_code(capsys, verb_that, error, code, message) -> None:
    verb_that(raising(error))
    got, out, text = run(capsys, "odd")
    assert got == code
    assert message in text
    assert "Traceback" not in text
    assert out == ""


def test_a_bug_is_not_hidden(capsys, verb_that) -> None:
    verb_that(raising(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        cli.main(["odd"])


def test_success_is_zero(capsys, verb_that) -> None:
    verb_that(lambda: click.echo("done"))
    assert run(capsys, "odd") == (0, "done\n", "")


def test_context_exit_codes_get_through(capsys, verb_that) -> None:
    verb_that(lambda: click.get_current_context().exit(7))
    assert run(capsys, "odd")[0] == 7


def test_a_build_starts_its_processes_before_it_imports_what_takes_long() -> None:
    code = (
        "import sys; from caer_data.engine import pool; from caer_data.cli import main\n"
        "pool.warm_up = lambda preload: print(preload, 'pandas' in sys.modules)\n"
        "main(['build', '--shows', 'nowhere'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "('caer_data.curate.preload',) False"
    assert "nowhere: no such folder" in done.stderr
