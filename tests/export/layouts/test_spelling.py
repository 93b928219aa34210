"""CAER and CAER-S as loaders of others spell them: val, Angry, lists from the folder above."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml
from export_fixtures import options

from caer_data.benchmark.data import sources
from caer_data.engine.dataset import Dataset
from caer_data.engine.progress import Reporter
from caer_data.export.release import export


@pytest.fixture(scope="module")
def release(labelled_folder, tmp_path_factory):
    """A release in the spelling of peers."""
    target = tmp_path_factory.mktemp("peers") / "release"
    wanted = options(layouts=("caer", "caer-s"), spelling="peers", frames_per_clip=1)
    export(Dataset(labelled_folder), target, wanted, Reporter("quiet"))
    return target


def test_folders_and_lists(release):
    folder = release / "CAER-S"
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md", "lists", "test", "test.txt", "train", "train.txt", "val", "val.txt",
    ]  # fmt: skip
    assert {p.name for p in (folder / "train").iterdir()} == {
        "Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise",
    }  # fmt: skip


def test_a_reader_of_lists_finds_every_picture_from_the_folder_above(release):
    """As published loaders read them: the root joined with the first cell of each line."""
    found = 0
    for split in ("train", "val", "test"):
        for line in (release / f"CAER-S/{split}.txt").read_text().splitlines():
            path, label, *box = line.split(",")
            assert (release / "CAER-S" / path).is_file()
            assert path.startswith(f"{split}/")
            assert len(box) == 4
            assert int(label) in range(7)
            found += 1
    assert found == 21


def test_lists_that_start_below_the_folder_of_their_split(release):
    """As other loaders read them: the class is the first part of the path, `Angry` among them."""
    found = set()
    for split in ("train", "val", "test"):
        lines = (release / f"CAER-S/lists/{split}.txt").read_text().splitlines()
        above = (release / f"CAER-S/{split}.txt").read_text().splitlines()
        assert [f"{split}/{line}" for line in lines] == above
        found |= {line.split("/")[0] for line in lines}
    assert found == {"Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"}


@pytest.mark.parametrize("folder", ["CAER", "CAER-S"])
def test_lists_of_paths_and_labels(release, folder):
    """As the loaders of VideoMAE and its successors read them, from the layout's folder."""
    manifest = pd.read_parquet(release / "manifest.parquet").set_index("path")
    found = 0
    for split in ("train", "val", "test"):
        rows = pd.read_csv(release / folder / f"lists/{split}.csv", header=None, delimiter=" ")
        for path, label in rows.itertuples(index=False):
            assert (release / folder / path).is_file()
            assert label == manifest.label[f"{folder}/{path}"]
            assert path.startswith(f"{split}/")
        found += len(rows)
    assert found == 21


@pytest.mark.parametrize("folder", ["CAER", "CAER-S"])
def test_the_lists_are_no_data_to_datasets(release, folder, tmp_path):
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset(str(release / folder), cache_dir=str(tmp_path))
    assert sum(map(len, found.values())) == 21
    assert {"image", "video"} & set(found["train"].features)


def test_the_card_names_the_folders_that_are_there(release):
    header = yaml.safe_load((release / "README.md").read_text().split("---")[1])
    (config,) = header["configs"]
    for files in config["data_files"]:
        assert list(release.glob(files["path"])), files
    assert {files["split"] for files in config["data_files"]} == {"train", "validation", "test"}


def test_the_benchmark_reads_it(release):
    found = sources.read(release / "CAER-S", "images")
    assert {sample.split for sample in found.samples} == {"train", "validation", "test"}
