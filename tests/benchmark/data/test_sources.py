"""Reading releases, released trees and peers' box lists."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_releases import BOX, make_images, manifest_row

from caer_data.benchmark.data import sources
from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.export.manifest import MANIFEST


def test_own_release_gives_clips_with_ids_boxes_and_hashes(clips_release: Path) -> None:
    source = sources.read(clips_release, "clips")
    assert source.kind == "clips"
    assert source.made_up
    assert {s.split: 0 for s in source.samples}.keys() == {"train", "validation", "test"}
    first = next(s for s in source.samples if s.sample_id == "show-train-3-1")
    assert first.label == EMOTIONS.index("happy")
    assert first.boxes.shape == (30, 5)
    assert first.boxes[7].tolist() == [7, 20, 10, 44, 38]
    assert len(first.sha256) == 64
    assert first.group == "video-show-train-3-1"


def test_own_release_of_frames_has_boxes_and_clips_from_its_manifest(tmp_path: Path) -> None:
    make_images(tmp_path / "CAER-S", {"train": 2, "validation": 1, "test": 1}, lists=False)
    rows = []
    for path in sorted((tmp_path / "CAER-S").rglob("*.png")):
        relative = path.relative_to(tmp_path).as_posix()
        _, split, folder, name = relative.split("/")
        label = sources.class_of(folder)
        row = manifest_row(tmp_path, relative, f"{split}-{label}-clip", split, label, 1)
        box = dict(zip(("x1", "y1", "x2", "y2"), BOX, strict=True)) if name != "0002.png" else {}
        rows.append({**row, **box})
    tables.write(MANIFEST, tables.frame(MANIFEST, rows), tmp_path / "manifest.parquet")
    found = {s.sample_id: s for s in sources.read(tmp_path, "images").samples}
    first = found["CAER-S/test/Happy/0001.png"]
    assert (first.clip_id, first.label, first.split) == ("test-3-clip", 3, "test")
    assert first.boxes.tolist() == [[0, *BOX]]
    assert len(found["CAER-S/train/Happy/0002.png"].boxes) == 0


def test_peers_box_lists_train_unchanged(images_tree: Path) -> None:
    source = sources.read(images_tree, "images")
    assert len(source.samples) == 70
    angry = next(s for s in source.samples if s.sample_id == "train/Angry/0001.png")
    assert angry.label == 0
    assert angry.boxes.tolist() == [[0, 20, 10, 44, 38]]


@pytest.mark.parametrize("place", ["inside the split folder", "beside the tree"])
def test_box_lists_are_found_where_peers_put_them(images_tree: Path, tmp_path: Path, place: str):
    tree = tmp_path / "data" / "CAER-S"
    shutil.copytree(images_tree, tree)
    for split in ("train", "test"):
        target = tree / split if place == "inside the split folder" else tree.parent
        (tree / f"{split}.txt").rename(target / f"{split}.txt")
    assert all(len(s.boxes) for s in sources.read(tree.parent, "images").samples)


def test_validation_is_the_last_eighth_of_each_class(images_tree: Path) -> None:
    source = sources.read(images_tree, "images")
    validation = [s.sample_id for s in source.samples if s.split == "validation"]
    assert len(validation) == 7
    assert all(name.endswith("0008.png") for name in validation)
    assert any("validation" in note for note in source.notes)


def test_pictures_that_a_list_leaves_out_are_counted(images_tree: Path, tmp_path: Path) -> None:
    tree = tmp_path / "CAER-S"
    shutil.copytree(images_tree, tree)
    lines = (tree / "train.txt").read_text().splitlines(keepends=True)
    (tree / "train.txt").write_text("".join(lines[:-2]))
    assert "2 images of train are not in train.txt: ignored." in sources.read(tree, "images").notes


FAULTS = {
    "no such folder": (shutil.rmtree, "no such folder"),
    "no clips": (lambda t: shutil.rmtree(t / "train"), "no images in CAER-S/train"),
    "class missing": (
        lambda t: shutil.rmtree(t / "train" / "Fear"),
        "train: no class folder Fear; create an empty folder",
    ),
    "unknown class": (lambda t: (t / "train" / "Bored").mkdir(), "Bored: not a class"),
    "same class twice": (lambda t: (t / "train" / "Anger").mkdir(), "are the same class"),
    "no test": (lambda t: shutil.rmtree(t / "test"), "a tree needs train/ and test/"),
    "short line": (
        lambda t: append(t, "Fear/0001.png,2,1,2,3\n"),
        "train.txt:57: expected 'Class/file,label,x1,y1,x2,y2'",
    ),
    "not a number": (lambda t: append(t, "Fear/0001.png,2,1,2,3,nan\n"), "train.txt:57: expected"),
    "wrong label": (lambda t: append(t, "Fear/0001.png,3,1,2,3,4\n"), "label 3 is not the class"),
    "twice": (lambda t: append(t, "Fear/0001.png,2,1,2,3,4\n"), "is listed twice"),
    "no such file": (lambda t: append(t, "Fear/9.png,2,1,2,3,4\n"), "9.png does not exist"),
    "outside": (lambda t: append(t, "../../Fear/1.png,2,1,2,3,4\n"), "points outside"),
}


def append(tree: Path, line: str) -> None:
    with (tree / "train.txt").open("a") as stream:
        stream.write(line)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_one_clear_sentence(images_tree: Path, tmp_path: Path, fault: str) -> None:
    tree = tmp_path / "CAER-S"
    shutil.copytree(images_tree, tree)
    spoil, sentence = FAULTS[fault]
    spoil(tree)
    with pytest.raises(CaerError, match=re.escape(sentence)):
        sources.read(tree, "images")


def test_a_part_of_a_release_is_told_from_the_release(images_tree: Path, tmp_path: Path) -> None:
    tree = tmp_path / "release" / "CAER-S"
    shutil.copytree(images_tree, tree)
    for name in ("Disgust", "Fear"):
        shutil.rmtree(tree / "train" / name)
    (tmp_path / "release" / "manifest.parquet").touch()
    sentence = f"no class folder Disgust and no Fear; name the release itself, {tmp_path}/release"
    with pytest.raises(CaerError, match=re.escape(sentence)):
        sources.read(tree, "images")


def test_an_empty_split_is_named(tmp_path: Path) -> None:
    for split, count in (("train", 1), ("test", 0)):
        for emotion in EMOTIONS:
            folder = tmp_path / split / emotion.capitalize()
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / f"{i}.png")
    with pytest.raises(CaerError, match="the validation split is empty"):
        sources.read(tmp_path, "images")
