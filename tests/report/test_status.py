"""`caer-data status`: every state of a dataset names the command that goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import built_dataset
import pytest
from click.testing import CliRunner

from caer_data import Dataset
from caer_data.cli.status import command
from caer_data.engine import tables
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.identity import Anchor
from caer_data.report.status import next_step, steps


def state(folder: Path) -> tuple[dict[str, tuple[bool, str]], str]:
    found = steps(Dataset(folder), folder.parent / "release", folder.parent / "results")
    coming = next_step(found)
    return {s.name: (s.done, s.text) for s in found}, coming.next if coming else ""


@pytest.fixture
def folder(tmp_path) -> Path:
    return built_dataset.make(tmp_path / "dataset").folder


def test_nothing_is_there_yet(tmp_path) -> None:
    found, command = state(tmp_path / "dataset")
    assert found["build"] == (False, "nothing has been built")
    assert command == f"caer-data build --shows FOLDER -o {tmp_path / 'dataset'}"


def test_a_build_without_ratings(folder) -> None:
    found, command = state(folder)
    assert found["build"] == (True, "4 of 12 clips kept from 3 videos, 1 failed")
    assert command == f"caer-data annotate push -d {folder}"


def test_a_decision_waits_for_a_build(folder) -> None:
    cut = Decision("cut_add", "ann", (Anchor("0" * 64, 5, 5, 0, None),), when="2999-01-01")
    Decisions(folder).append(cut)
    found, command = state(folder)
    assert found["decisions"] == (False, "1 by hand, 1 not built yet")
    assert command.startswith("caer-data build")


def test_ratings_labels_release_and_results_follow(folder) -> None:
    clip = Dataset(folder).clips.iloc[0]
    rating = {
        "clip_id": clip["clip_id"], "clip_key": clip["clip_key"], "rater": "r", "emotion": "sad",
        "status": "accepted", "too_fast": False, "edited": False, "source": "made-up",
        "source_id": "1",
    }  # fmt: skip
    Dataset(folder).write(tables.RATINGS, tables.frame(tables.RATINGS, [rating]))
    found, command = state(folder)
    assert found["ratings"] == (True, "1 answers by 1 raters (made up)")
    assert command == f"caer-data annotate pull -d {folder}"
    label = {
        "clip_id": clip["clip_id"], "clip_key": clip["clip_key"], "status": "kept",
        "emotion": "sad", "label": 5, "raters": 3, "agreement": 3, "made_up": True, "votes": [],
    }  # fmt: skip
    Dataset(folder).write(tables.LABELS, tables.frame(tables.LABELS, [label]))
    assert state(folder)[1].startswith("caer-data export")
    release = folder.parent / "release"
    release.mkdir()
    (release / "manifest.parquet").touch()
    assert state(folder)[1].startswith(f"caer-data benchmark {release}")
    os.utime(release / "manifest.parquet", (0, 0))
    assert state(folder)[0]["release"] == (False, f"{release} is older than the labels")
    (release / "manifest.parquet").touch()
    (folder.parent / "results" / "one").mkdir(parents=True)
    (folder.parent / "results" / "one" / "results.json").write_text("{}")
    assert state(folder)[1] == ""


def test_by_the_command_line(folder, tmp_path) -> None:
    arguments = [str(folder), "--release", str(tmp_path / "r"), "--results", str(tmp_path / "s")]
    shown = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert shown.exit_code == 0
    assert "open  ratings" in shown.output
    assert f"Next:\n  caer-data annotate push -d {folder}" in shown.output
    told = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    assert json.loads(told.output)["next"] == f"caer-data annotate push -d {folder}"
