"""`caer-data people`: what it lists, the page that it writes, and where it writes none."""

from __future__ import annotations

import json
from pathlib import Path

import built_dataset
import pytest

from caer_data import Dataset
from caer_data.cli import main


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return built_dataset.make(tmp_path / "d", show=built_dataset.HOSTILE)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    with pytest.raises(SystemExit) as stop:
        main(["people", *arguments, "--json"])
    assert stop.value.code == 0
    found: dict = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_persons_and_corrections_are_listed(dataset: Dataset, capsys) -> None:
    folder = str(dataset.folder)
    (person,) = told(capsys, "list", "-d", folder)["people"]
    key = told(capsys, "name", "-d", folder, person["person_id"], "Bo", "--who", "ann")["key"]
    assert told(capsys, "list", "-d", folder)["corrections"] == [
        {"key": key, "kind": "name", "value": "Bo"}
    ]
    assert told(capsys, "undo", "-d", folder, key)["undone"] == key
    assert told(capsys, "list", "-d", folder)["corrections"] == []


def test_the_contact_sheet_shows_every_track_and_escapes_names(dataset: Dataset, capsys) -> None:
    for _ in range(2):
        path = Path(told(capsys, "show", "-d", str(dataset.folder))["page"])
    page = path.read_text(encoding="utf-8")
    assert path == dataset.folder / "people.html"
    assert page.count("data:image/jpeg") == len(dataset.tracks)
    assert all(track in page for track in dataset.tracks["track_id"])
    assert "<script>" not in page


def test_a_file_of_somebodys_is_not_written_over(dataset: Dataset, tmp_path: Path) -> None:
    mine = tmp_path / "mine.html"
    mine.write_text("mine")
    with pytest.raises(SystemExit) as stop:
        main(["people", "show", "-d", str(dataset.folder), "-o", str(mine)])
    assert stop.value.code == 2 and mine.read_text() == "mine"
