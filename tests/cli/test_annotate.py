"""What the commands say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from caer_data import cli
from caer_data.annotate import push as pushing
from caer_data.annotate.studio import client
from caer_data.cli.annotate import command
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Recipe, dump


def push(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guarded: bool, *options: str, **counts: int
) -> list[dict[str, Any]]:
    """Run `push --json` against a server that is not there; give what it says."""
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(dump(Recipe()))
    server = SimpleNamespace(guarded=guarded, url="http://labels.example", files=None)
    done = pushing.Pushed(
        clips=1,
        added=3,
        refused={f"clip-{n}": "it has no sound track" for n in range(25)},
        addresses={"r@example.org": "http://labels.example/projects/7/data?labeling=1"},
        **counts,
    )
    monkeypatch.setenv("CAER_SERVER", str(tmp_path / "server"))
    monkeypatch.setattr(client, "connect", lambda url: server)
    monkeypatch.setattr(pushing, "push", lambda *_, **__: done)
    result = CliRunner().invoke(command, ["push", "-d", str(folder), "--json", *options])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "not guarded"])
def test_push_says_what_blindness_rests_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    said = push(tmp_path, monkeypatch, guarded)
    notes = " ".join(line["text"] for line in said if line["event"] == "note")
    assert ("blindness depends on their discipline" in notes) is not guarded
    assert said[-1]["event"] == "result" and said[-1]["guarded"] is guarded


def test_push_names_refused_clips_but_not_thousands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = push(tmp_path, monkeypatch, True)
    notes = [line["text"] for line in said if line["event"] == "note"]
    assert sum("it has no sound track" in note for note in notes) == 20
    assert "not shown: 5 more clips" in notes
    assert len(said[-1]["refused"]) == 25


@pytest.mark.parametrize(
    ("again", "before", "said"),
    [
        (0, 0, "list.csv: lists no clips; none were reassigned."),
        (2, 0, "2 clips are reassigned; from the next pull on, their labels are open until rated"),
        (1, 3, "1 clip is reassigned; from the next pull on, its label is open until rated again. "
               "3 clips were skipped: already reassigned."),
        (0, 1, "1 clip was skipped: already reassigned."),
    ],
    ids=["empty", "anew", "both", "already"],
)  # fmt: skip
def test_push_says_what_became_of_doubted_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: int, before: int, said: str
) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("clip_id\n")
    lines = push(
        tmp_path,
        monkeypatch,
        True,
        "--again",
        str(listed),
        reassigned=again,
        already_reassigned=before,
    )
    assert any(said in line["text"] for line in lines if line["event"] == "note")
    assert (lines[-1]["again"], lines[-1]["again_before"]) == (again, before)


@pytest.mark.parametrize("verb", ["status", "pull", "import"])
def test_the_dataset_is_asked_for_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("CAER_SERVER", str(tmp_path / "server"))
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("clip_id,rater,emotion,confidence\n")
    folder = tmp_path / "none"
    options = [str(ratings)] if verb == "import" else []
    result = CliRunner().invoke(command, [verb, "-d", str(folder), *options])
    assert isinstance(result.exception, CaerError)
    assert "not a dataset" in str(result.exception)
    assert not folder.exists()


def test_import_hands_on_what_the_user_says_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from caer_data.engine.dataset import Dataset
    from caer_data.labels import csv_import
    from caer_data.labels.cells import Scale

    given: list[csv_import.ImportOptions] = []

    def read(path: Path, dataset: Dataset, options: csv_import.ImportOptions, say: object) -> None:
        given.append(options)
        raise CaerError("seen")

    monkeypatch.setattr(csv_import, "read", read)
    monkeypatch.setattr(Dataset, "require", lambda self: None)
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("x")
    said = ["--map", "rater=Worker=Id", "--confidence-scale", "1..5", "--synonyms"]
    said += ["--encoding", "cp1252"]
    result = CliRunner().invoke(command, ["import", "-d", str(tmp_path), str(ratings), *said])
    assert str(result.exception) == "seen"
    assert given == [
        csv_import.ImportOptions([("rater", "Worker=Id")], Scale(1, 5), True, "cp1252")
    ]


@pytest.mark.parametrize(
    ("typed", "meant"), [("anotate", "annotate"), ("xport", "export"), ("zzz", None)]
)
def test_a_mistyped_verb_is_corrected(
    typed: str, meant: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([typed])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and f"No such command '{typed}'." in said
    assert (f"Did you mean '{meant}'?" in said) is (meant is not None)


def test_help_tells_every_verb_whole() -> None:
    assert (
        "..."
        not in CliRunner()
        .invoke(command, ["--help"], terminal_width=80)
        .output.split("Commands:")[1]
    )


def test_commands_load_nothing_heavy() -> None:
    code = (
        "import sys, caer_data.cli.annotate;"
        "print([m for m in ('pandas', 'cv2', 'requests', 'pyarrow', 'av') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
