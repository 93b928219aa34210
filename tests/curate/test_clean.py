"""Only artifacts that no table comes from go, and only after they were counted."""

from __future__ import annotations

import built_dataset
import pytest
from click.testing import CliRunner

from caer_data.cli.clean import command
from caer_data.curate import clean
from caer_data.engine.artifacts import Store
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    return built_dataset.make(tmp_path / "dataset")


def leftover(dataset: Dataset) -> None:
    Store(dataset.work_folder).record("shots", "0123456789abcdef", "older", {"a": 1})
    spool = dataset.work_folder / "samples" / "0123456789abcdef.key"
    spool.mkdir(parents=True)
    (spool / "samples.bin").write_bytes(bytes(1000))


def everything(dataset: Dataset) -> set[str]:
    files = (p for p in dataset.folder.rglob("*") if p.is_file())
    return {
        p.relative_to(dataset.folder).as_posix()
        for p in files
        if "log" not in p.parts and p.name != ".lock"
    }


def test_what_no_table_comes_from_is_removed_and_the_rest_stays(dataset):
    mine = dataset.work_folder / "samples" / "mine"
    mine.mkdir(parents=True)
    (mine / "holiday.mp4").write_text("x")
    before = everything(dataset)
    leftover(dataset)
    found = clean.unused(dataset)
    assert {path.name for path in found.paths} == {
        "0123456789abcdef.older.zip", "0123456789abcdef.key"
    }  # fmt: skip
    assert found.bytes > 1000
    clean.remove(found)
    assert everything(dataset) == before
    assert clean.unused(dataset).paths == ()


def test_artifacts_of_absent_videos_stay_noted(dataset):
    (video_id,) = clean.noted(dataset.work_folder)
    clean.note(dataset.work_folder, {}, {video_id})
    assert list(clean.noted(dataset.work_folder)) == [video_id]
    clean.note(dataset.work_folder, {}, set())
    assert clean.noted(dataset.work_folder) == {}


def test_nothing_is_removed_where_nobody_knows_what_is_in_use(dataset):
    (dataset.work_folder / clean.NAME).unlink()
    with pytest.raises(CaerError, match="no build has finished"):
        clean.unused(dataset)


def test_the_command_asks_first(dataset):
    leftover(dataset)
    before = everything(dataset)
    call = ["-d", str(dataset.folder)]
    refused = CliRunner().invoke(command, call, input="n\n")
    assert "2 intermediate results are not in use" in refused.output
    assert everything(dataset) >= before
    done = CliRunner().invoke(command, [*call, "--yes"])
    assert "removed 2 intermediate results" in done.output
    assert everything(dataset) < before
