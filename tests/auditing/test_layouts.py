"""Datasets of others are recognised, and what is said of their clips is read."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from other_datasets import CLASSES, caer_s, encoded, save, scene

from caer_data.auditing.items import items_of
from caer_data.auditing.layouts import recognise
from caer_data.auditing.layouts.places import Places
from caer_data.auditing.walk import Files, files_of
from caer_data.engine.errors import CaerError


def read(root):
    return recognise(files_of(root))


def empty(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_caer_and_caer_s_as_released(tmp_path):
    found = read(caer_s(tmp_path / "s"))
    assert found.layout == "CAER-S as released"
    assert found.entries.groupby("split").size().to_dict() == dict.fromkeys(
        ("train", "validation", "test"), 7
    )
    assert set(found.entries["label"]) == set(CLASSES)
    for split in ("train", "validation", "test"):
        for name in CLASSES:
            empty(tmp_path / "c" / split / name / "0001.avi")
    assert read(tmp_path / "c").layout == "CAER as released"


def test_folders_with_and_without_splits(tmp_path):
    for name in ("Training/dog/1.jpg", "Training/cat/1.jpg", "val/dog/1.jpg", "extra/9.jpg"):
        empty(tmp_path / "a" / name)
    found = read(tmp_path / "a")
    assert found.layout == "pictures in folders by split and class"
    assert list(found.entries["split"]) == ["train", "train", "validation"]
    assert found.notes == ["1 media file was outside the splits and ignored"]
    empty(tmp_path / "b" / "x.mp4")
    flat = read(tmp_path / "b")
    assert (flat.layout, flat.entries["split"].isna().all()) == (
        "folders of videos, without splits", True
    )  # fmt: skip


def test_lists_with_boxes_wherever_their_paths_begin(tmp_path):
    for name in ("train/Anger/a b.png", "test/Sad/2.png"):
        empty(tmp_path / name)
    (tmp_path / "train.txt").write_text("Anger/a b.png,0,10,20,110,140\nAnger/gone.png,0,1,1,2,2\n")
    (tmp_path / "test.txt").write_text("test/Sad/2.png,5,0,0,9,9\n")
    found = read(tmp_path)
    assert found.layout.startswith("lists of files by split")
    rows = found.entries.sort_values("split", ascending=False)
    assert list(rows["path"]) == ["train/Anger/a b.png", "test/Sad/2.png"]
    assert list(rows["label"]) == ["Anger", "Sad"]
    assert rows[["y1", "y2"]].iloc[0].tolist() == [20, 140]
    assert found.notes == ["1 line that names no file, ignored"]


def test_folders_that_hold_several_classes_are_no_classes(tmp_path):
    """All pictures in one folder, or a folder per clip: the number in the list is the class."""
    for number in range(6):
        empty(tmp_path / f"one/img/{number}.jpg")
        empty(tmp_path / f"each/clip{number}/1.jpg")
    for name, path in (("one", "img/{}.jpg"), ("each", "clip{}/1.jpg")):
        for split, numbers in (("train", range(4)), ("test", range(4, 6))):
            lines = [f"{path.format(n)} {n % 2}\n" for n in numbers]
            (tmp_path / name / f"{split}.txt").write_text("".join(lines))
        assert sorted(read(tmp_path / name).entries["label"]) == ["0"] * 3 + ["1"] * 3


def test_a_wrong_number_in_a_list_does_not_cost_the_names_of_classes(tmp_path):
    for name in ("Anger/1", "Anger/2", "Anger/3", "Sad/4", "Sad/5", "Sad/6", "Sad/7"):
        empty(tmp_path / f"{name}.png")
    train = "Anger/1.png 0\nAnger/2.png 0\nSad/4.png 1\nSad/5.png 1\nSad/6.png 0\n"
    (tmp_path / "train.txt").write_text(train)
    (tmp_path / "test.txt").write_text("Anger/3.png 0\nSad/7.png 1\n")
    found = read(tmp_path)
    assert set(found.entries["label"]) == {"Anger", "Sad"}
    (note,) = found.notes
    assert note == "1 line has a number of another class than the folder; the folder is used"


def test_numbers_that_replace_folders_are_said_with_lines_that_have_none(tmp_path):
    for number in range(6):
        empty(tmp_path / f"clip{number}/1.jpg")
    (tmp_path / "train.txt").write_text("".join(f"clip{n}/1.jpg {n % 2}\n" for n in range(4)))
    (tmp_path / "test.txt").write_text("clip4/1.jpg\nclip5/1.jpg\n")
    found = read(tmp_path)
    assert found.entries["label"].isna().sum() == 2
    assert "classes are the numbers in the lists" in found.notes[0]
    assert found.notes[1] == "2 lines have no number, so no class"


def test_a_csv_of_clips(tmp_path):
    empty(tmp_path / "clips" / "one.mp4")
    empty(tmp_path / "clips" / "two.mp4")
    (tmp_path / "clips.csv").write_text(
        "Clip,Subset,Emotion,Show,Start,End\nclips/one,TRAIN,joy,Friends,1.5,3\n"
        "clips/two.mp4,val,sad,Friends,4,7\n../../etc/passwd,test,sad,Friends,,\n"
    )
    found = read(tmp_path)
    assert found.layout == "a CSV of clips (clips.csv)"
    assert list(found.entries["split"]) == ["train", "validation", "test"]
    assert list(found.entries["kind"]) == ["video", "video", "none"]
    assert list(found.entries["show"]) == ["Friends"] * 3
    assert found.entries["start_s"].iloc[0] == 1.5


def test_tables_alone_are_audited_without_media(tmp_path):
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("clip_id,emotion,speaker\na,joy,Ann\n")
    assert list(read(tmp_path).entries["person_id"]) == ["Ann", "Ann"]


def test_meld(tmp_path):
    head = "Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
    (tmp_path / "train_sent_emo.csv").write_text(
        head + 'Hi,Joey,joy,0,0,8,21,"00:16:16,059","00:16:21,731"\n'
    )
    (tmp_path / "dev_sent_emo.csv").write_text(
        head + 'Hi,Ross,anger,0,0,8,21,"00:16:20,000","00:16:25,000"\n'
    )
    empty(tmp_path / "train_splits" / "dia0_utt0.mp4")
    empty(tmp_path / "dev_splits_complete" / "dia0_utt0.mp4")
    found = read(tmp_path)
    assert found.layout == "MELD"
    rows = found.entries.set_index("split")
    assert rows.loc["train", "path"] == "train_splits/dia0_utt0.mp4"
    assert rows.loc["validation", "path"] == "dev_splits_complete/dia0_utt0.mp4"
    assert rows.loc["train", "start_s"] == 976.059
    assert rows.loc["train", "person_id"] == "Joey"


def test_dfew_with_folders_of_frames(tmp_path):
    lists = tmp_path / "EmoLabel_DataSplit"
    for part, name in (("train", 1), ("test", 2)):
        path = lists / f"{part}(single-labeled)" / "set_1.csv"
        path.parent.mkdir(parents=True)
        path.write_text(f"video_name,label\n{name},{name}\n")
        empty(tmp_path / "Clip" / "clip_224x224" / f"{name:05d}" / "00001.jpg")
    found = read(tmp_path)
    assert found.layout == "DFEW"
    assert list(found.entries["kind"]) == ["frames", "frames"]
    assert sorted(found.entries["label"]) == ["happy", "sad"]


def _image(pictures):
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.array([{"bytes": encoded(p), "path": None} for p in pictures], kind)


def test_a_hugging_face_dataset_on_disk_as_parquet_and_as_arrow(tmp_path):
    features = {"label": {"names": list(CLASSES), "_type": "ClassLabel"}}
    told = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    for number, split in enumerate(("train", "test")):
        table = pa.table({"image": _image([scene(number)]), "label": [3]})
        table = table.replace_schema_metadata(told)
        parquet = tmp_path / "p" / "data" / f"{split}-00000-of-00001.parquet"
        parquet.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, parquet)
        arrow = tmp_path / "a" / split / "data-00000-of-00001.arrow"
        arrow.parent.mkdir(parents=True)
        with pa.OSFile(str(arrow), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    for root in (tmp_path / "p", tmp_path / "a"):
        found = read(root)
        assert found.layout == "a Hugging Face dataset on disk (2 files)"
        assert list(found.entries["label"]) == ["Happy", "Happy"]
        items = dict(items_of(root, found.entries))
        assert {found.entries["split"][at]: item.data for at, item in items.items()} == {
            "train": encoded(scene(0)), "test": encoded(scene(1))
        }  # fmt: skip


def test_what_is_no_dataset_says_what_is(tmp_path):
    (tmp_path / "notes.txt").write_text("train")
    with pytest.raises(CaerError, match="not a known kind of dataset"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.csv", b'path,label\n"unclosed,1\n'),
        ("train.parquet", b"PAR1 no PAR1"),
        ("train/data-00000-of-00001.arrow", b"\xff" * 64),
        ("train_sent_emo.csv", b"\x00\xff\n\n,,,\n"),
    ],
)
def test_damaged_tables_are_one_sentence(tmp_path, name, content):
    for file in (name, name.replace("train", "test")):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(content)
    with pytest.raises(CaerError) as told:
        read(tmp_path)
    assert "\n" not in str(told.value)


def test_links_odd_names_and_pipes_are_passed_over(tmp_path):
    import os

    root = caer_s(tmp_path / "s")
    secret = save(tmp_path / "secret.png", scene(99))
    (root / "train" / "Sad" / "link.png").symlink_to(secret)
    (root / "test" / "all").symlink_to(tmp_path)
    (root / "train" / "Sad" / "a\nb.png").write_bytes(b"")
    os.mkfifo(root / "train" / "Sad" / "pipe.png")
    files = files_of(root)
    assert len(files.sizes) == 21
    assert dict(files.passed_over) == {
        "links, which are not followed": 2,
        "names with control characters or invalid text": 1,
        "entries that are not files": 1,
    }


def test_a_list_cannot_name_files_elsewhere(tmp_path):
    save(tmp_path / "secret.png", scene(1))
    root = caer_s(tmp_path / "s")
    for split in ("train", "test"):
        lines = [f"{name}/0001.png,0" for name in CLASSES]
        text = "\n".join(["../secret.png,0", str(tmp_path / "secret.png") + ",0", *lines])
        (root / f"{split}.txt").write_text(text)
    entries = read(root).entries
    assert len(entries) == 14
    assert not entries["path"].str.contains("secret").any()
    assert isinstance(entries, pd.DataFrame)


def test_a_file_is_found_by_the_end_of_its_path_if_no_other_ends_so(tmp_path):
    names = ("a/0001.png", "b/0001.png", "b/c/0002.png", "0003.png")
    places = Places(Files(tmp_path, dict.fromkeys(names, 1)))
    assert places.find("0001.png") is None
    assert places.find("0001.png", "b") == "b/0001.png"
    assert places.find("x/0001.png") is None
    assert places.find("0002.png") == places.find("c/0002.png") == "b/c/0002.png"
    assert places.find("0003.png") == "0003.png"
    assert places.find("../0002.png") is None
