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

from caer_data.annotate import client
from caer_data.annotate import push as pushing
from caer_data.annotate.command import command
from caer_data.recipe import Recipe, dump


def push(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guarded: bool, *options: str
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
    assert ("blindness rests on their discipline" in notes) is not guarded
    assert said[-1]["event"] == "result" and said[-1]["guarded"] is guarded


def test_push_names_refused_clips_but_not_thousands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = push(tmp_path, monkeypatch, True)
    notes = [line["text"] for line in said if line["event"] == "note"]
    assert sum("it has no sound track" in note for note in notes) == 20
    assert "not shown: 5 more clips" in notes
    assert len(said[-1]["refused"]) == 25


def test_commands_load_nothing_heavy() -> None:
    code = (
        "import sys, caer_data.annotate.command;"
        "print([m for m in ('pandas', 'cv2', 'requests', 'pyarrow', 'av') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
