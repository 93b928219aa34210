from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import worker_tasks as tasks

from caer_data.curate import PRELOAD
from caer_data.engine import logs
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.pool import Limits, Task, run_tasks
from caer_data.engine.progress import Reporter


def lines_in(folder: Path) -> list[dict]:
    (file,) = folder.glob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_bug_in_a_worker_keeps_its_trace_and_the_sentence_names_the_file(tmp_path, capfd):
    with logs.to_file(tmp_path):
        outcomes = run_tasks(
            [Task("show.e1", tasks.noisy, ())], 2, lambda *_: None, Limits(), PRELOAD
        )
        (outcome,) = outcomes
    (file,) = tmp_path.glob("*.jsonl")
    assert outcome.error.startswith("unexpected KeyError in worker_tasks.py:")
    assert outcome.error.endswith(f"; the traceback is in {file}")
    (bug,) = [line for line in lines_in(tmp_path) if line.get("trace")]
    assert bug["trace"].startswith("Traceback (most recent call last)")
    assert "in noisy" in bug["trace"]
    assert (bug["video"], bug["stage"], bug["level"]) == ("show.e1", "looking", "error")
    assert isinstance(bug["process"], int)
    texts = {line["logger"]: line["text"] for line in lines_in(tmp_path)}
    assert "error while decoding MB 3 4" in texts["caer_data.worker.stderr"]
    assert texts["caer_data.media"] == "a frame is missing"
    assert "error while decoding" not in capfd.readouterr().err


def test_a_dataset_that_is_written_to_has_a_log(tmp_path):
    dataset = Dataset(tmp_path / "dataset")
    reporter = Reporter("quiet")
    with dataset.lock(), reporter.stage("shots", 2, "videos") as bar:
        bar.advance(2)
        reporter.warn("show.e1 has no sound")
    lines = lines_in(dataset.work_folder / "log")
    assert [line["text"].split()[0] for line in lines] == ["began:", "show.e1", "ended"]
    assert (lines[0]["stage"], lines[1]["level"]) == ("shots", "warning")


def test_what_ends_the_work_is_logged_once_with_a_trace_if_nobody_planned_it(tmp_path):
    for number, error in enumerate([CaerError("no videos"), KeyError("oops")]):
        folder = tmp_path / str(number)
        with pytest.raises(type(error)), logs.to_file(folder), logs.to_file(folder):
            raise error
        logs.record(error)
    (planned,) = lines_in(tmp_path / "0")
    (bug,) = lines_in(tmp_path / "1")
    assert planned["text"] == "no videos"
    assert "trace" not in planned
    assert bug["text"].startswith("unexpected KeyError in test_logs.py")
    assert bug["trace"].startswith("Traceback")


def test_only_the_newest_files_are_kept_and_others_left_alone(tmp_path):
    for day in range(1, 31):
        (tmp_path / f"202601{day:02}T000000Z-7.jsonl").touch()
    (tmp_path / "notes.jsonl").write_text("mine")
    with logs.to_file(tmp_path):
        pass
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert len(kept) == logs.FILES_KEPT + 1
    assert "notes.jsonl" in kept
    assert "20260130T000000Z-7.jsonl" in kept
    assert "20260111T000000Z-7.jsonl" not in kept


def test_a_folder_that_cannot_be_written_does_not_stop_the_work(tmp_path):
    (tmp_path / "file").touch()
    with logs.to_file(tmp_path / "file" / "log"):
        done = True
    assert done


def test_a_library_is_quiet_and_leaves_logging_as_it_was(tmp_path, capfd):
    root = list(logging.getLogger().handlers)
    level = logging.getLogger("caer_data").level
    with logs.to_file(tmp_path):
        logging.getLogger("caer_data.media").error("only in the file")
    assert logging.getLogger().handlers == root
    assert logging.getLogger("caer_data").level == level
    assert capfd.readouterr().err == ""


def run(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


BUG = """
import sys, warnings, click
from pathlib import Path
from caer_data.engine import logs
from caer_data import cli
from caer_data.engine.progress import options
@click.command()
@options
def command(reporter):
    warnings.warn("libraries warn")
    with logs.to_file(Path(sys.argv[1])), reporter.stage("shots", 1):
        reporter.say("for people")
        raise KeyError("oops")
cli.cli.add_command(command, "bug")
cli._LazyGroup.get_command = lambda self, ctx, name: command
cli.main(["bug", *%r])
"""


@pytest.mark.parametrize(
    ("arguments", "variable", "shown"),
    [
        ([], "", []),
        (["--verbose"], "", ["warning: ", "libraries warn", "info: shots: began"]),
        (["--debug"], "", ["libraries warn", "Traceback", "in command"]),
        ([], "1", ["libraries warn", "Traceback"]),
        ([], "0", []),
    ],
)
def test_what_the_terminal_shows(tmp_path, arguments, variable, shown):
    done = run(BUG % arguments, tmp_path, CAER_DEBUG=variable)
    assert done.returncode == 5
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: unexpected KeyError in <string>:")
    assert done.stderr.count("for people") == 1
    for words in shown:
        assert words in done.stderr
    if not shown:
        (file,) = tmp_path.iterdir()
        assert last.endswith(f"; the traceback is in {file}")
        assert "Traceback" not in done.stderr
        assert "libraries warn" not in done.stderr
