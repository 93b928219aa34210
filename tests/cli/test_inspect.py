"""`caer-data inspect` says what is there, fits 80 columns, and cannot be steered by names."""

from __future__ import annotations

import json
from pathlib import Path

import built_dataset
import pytest
from click.testing import CliRunner

from caer_data.cli.inspect import command
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.errors import CaerError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inspect") / "dataset"
    built_dataset.make(folder, shots=12, show=built_dataset.HOSTILE)
    return folder


def run(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(
        command, list(arguments), catch_exceptions=False
    )
    assert result.exit_code == 0
    return result.output


def test_text_shows_everything_within_80_columns(folder) -> None:
    text = run(str(folder))
    for word in ("videos found", "no_face", "ambiguous", "clips kept", "cannot be", "faces"):
        assert word in text
    assert "People" in text
    assert "75 %" in text  # share of the faces stage
    assert all(len(line) <= 80 for line in text.splitlines())


def test_names_cannot_steer_the_terminal(folder) -> None:
    text = run(str(folder))
    assert "\x1b" not in text
    assert "alert(1)" in text


def test_json_is_one_object_with_the_same_facts(folder) -> None:
    values = json.loads(run(str(folder), "--json"))
    steps = {(step["of"], step["step"]): step["count"] for step in values["funnel"]}
    assert steps[("clips", "kept")] == 4
    assert values["time"]["stages"]["faces"] == 30.0
    assert [bad["status"] for bad in values["not_used"]] == ["failed", "duplicate"]
    assert {t["table"]: t["rows"] for t in values["tables"]}["shots"] == 12
    assert values["people"][0]["seconds"] > 0


@pytest.mark.parametrize("name", ["videos", "clips", "labels"])
def test_table_is_explained(folder, name) -> None:
    text = run(str(folder), "--table", name)
    assert all(len(line) <= 80 for line in text.splitlines())
    values = json.loads(run(str(folder), "--table", name, "--json"))
    assert values["columns"][0]["meaning"].split()[0] in text
    assert (values["rows"] is None) == (name == "labels")
    assert ("not written yet" in text) == (name == "labels")


def test_units_are_given(folder) -> None:
    columns = json.loads(run(str(folder), "--table", "videos", "--json"))["columns"]
    units = {column["name"]: column["unit"] for column in columns}
    assert units["duration_s"] == "s"
    assert units["width"] == "px"


def test_without_the_work_folder_the_rest_is_shown(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", pictures=False)
    text = run(str(dataset.folder))
    assert "clips kept" in text
    assert "Time" not in text


def test_a_dataset_of_failures(tmp_path) -> None:
    dataset = built_dataset.make_empty(tmp_path / "dataset")
    text = run(str(dataset.folder))
    assert "the file is empty" in text
    assert "clips kept" in text


def nothing(folder: Path) -> None:
    """There is no folder."""


def unfinished(folder: Path) -> None:
    built_dataset.make_empty(folder)
    (folder / "tables" / "clips.parquet").unlink()


def damaged(folder: Path) -> None:
    built_dataset.make_empty(folder)
    (folder / "tables" / "faces.parquet").write_bytes(b"no table")


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (nothing, (), "not a dataset"),
        (built_dataset.make_empty, ("--table", "nope"), "the tables are videos"),
        (unfinished, (), "build the dataset first"),
        (damaged, (), "not a readable parquet table"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, make, arguments, message) -> None:
    folder = tmp_path / "dataset"
    make(folder)
    with pytest.raises(CaerError, match=message):
        CliRunner().invoke(command, [str(folder), *arguments], catch_exceptions=False)


def test_what_is_forgotten_is_counted_without_a_name(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "d", shots=2)
    assert "Forgotten" not in run(str(dataset.folder))
    value = json.dumps({"what": "clip", "clips": ["0123456789"]})
    Decisions(dataset.folder).append(Decision("forget", "me", value=value))
    assert "Forgotten and left out: 1 clip" in run(str(dataset.folder))
    assert json.loads(run(str(dataset.folder), "--json"))["forgotten"] == {"clip": 1}
