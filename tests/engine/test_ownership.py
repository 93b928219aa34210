from __future__ import annotations

import json
import shutil

import built_dataset
import pytest

from caer_data import Dataset
from caer_data.api import build
from caer_data.curate.clips import unchanged, written
from caer_data.engine import ownership, tables
from caer_data.engine.artifacts import Store
from caer_data.engine.errors import CaerError
from caer_data.engine.files import sha256_of


def tree(folder):
    """Every path below a folder and what it holds."""
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.parametrize(
    "foreign",
    [
        "clips/holiday/beach.mp4",
        ".cfg/.download.part",
        ".precious.part/x",
        "recipe.yaml",
        "tables/clips.parquet",
        "caer-data.json",
    ],
)
def test_a_build_refuses_what_is_no_dataset(tmp_path, foreign):
    """Names alone do not make a dataset."""
    path = tmp_path / "home" / foreign
    path.parent.mkdir(parents=True)
    path.write_text('{"name": "my app"}')
    (tmp_path / "home" / "recipe.yaml").write_text("flour: 500 g")
    before = tree(tmp_path)
    with pytest.raises(CaerError, match="not empty and not a dataset"):
        build(tmp_path, tmp_path / "home", "quick")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("content", ["nothing", "an empty folder", "the lock of a stopped build"])
def test_what_is_empty_may_become_a_dataset(tmp_path, content):
    folder = tmp_path / "d"
    if content != "nothing":
        folder.mkdir()
    if content == "the lock of a stopped build":
        (folder / ".lock").touch()
    ownership.check_dataset(folder)
    ownership.claim_dataset(folder)
    assert ownership.is_dataset(folder)
    assert json.loads((folder / "caer-data.json").read_text()) == {
        "format": "caer-data dataset",
        "version": 2,
    }


def test_older_datasets_are_known_by_their_own_tables(tmp_path):
    dataset = built_dataset.make_empty(tmp_path / "d")
    (dataset.folder / ownership.NAME).unlink()
    dataset.provenance_path.unlink()
    ownership.check_dataset(dataset.folder)
    other = dataset.path_of(tables.CLIPS).read_bytes()
    shutil.rmtree(dataset.tables_folder)
    dataset.tables_folder.mkdir()
    dataset.path_of(tables.FACES).write_bytes(other)
    with pytest.raises(CaerError, match="not a dataset"):
        ownership.check_dataset(dataset.folder)


def test_an_older_build_that_stopped_before_its_tables(tmp_path):
    dataset = built_dataset.make_empty(tmp_path / "d")
    (dataset.folder / ownership.NAME).unlink()
    shutil.rmtree(dataset.tables_folder)
    ownership.check_dataset(dataset.folder)


def test_a_later_version_is_named(tmp_path):
    (tmp_path / "caer-data.json").write_text('{"format": "caer-data dataset", "version": 3}')
    with pytest.raises(CaerError, match="later version"):
        ownership.check_dataset(tmp_path)


def test_only_clips_that_a_build_wrote_and_nobody_changed_are_its_own(tmp_path):
    files = {}
    for name in ("ours", "changed", "foreign"):
        files[f"clips/s/{name}.mp4"] = tmp_path / f"{name}.mp4"
        files[f"clips/s/{name}.mp4"].write_text(name)
    (tmp_path / "link.mp4").symlink_to(tmp_path / "ours.mp4")
    files["clips/s/link.mp4"] = tmp_path / "link.mp4"
    records = {
        path: {"path": path, "bytes": file.stat().st_size, "sha256": sha256_of(file)}
        for path, file in files.items()
        if file.stem != "foreign"
    }
    store = Store(tmp_path / "work")
    store.record("clips", "a", "key", records)
    torn = store.record("clips", "torn", "key", {}).path
    torn.write_bytes(torn.read_bytes()[:20])
    store.record("clips", "odd", "key", {"clip": 1, "other": {"path": "clips/s/foreign.mp4"}})
    (tmp_path / "changed.mp4").write_text("CHANGED")
    assert unchanged(files, written(tmp_path / "work")) == [tmp_path / "ours.mp4"]


def test_a_dataset_opens_without_the_file(tmp_path):
    dataset = built_dataset.make_empty(tmp_path / "d")
    assert Dataset(dataset.folder).clips.empty
