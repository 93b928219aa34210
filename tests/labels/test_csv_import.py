from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from keyed import votes

from caer_data.engine import recipe, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.labels import csv_import
from caer_data.labels import decide as labels

HEADER = "clip_id,rater,emotion,confidence"
THREE = f"{HEADER}\nc0,anna,sad,1\nc0,ben,sad,0.5\nc0,cleo,happy,0.25\n"


def clip(clip_id: str, status: str = "kept") -> dict[str, Any]:
    numbers = ("start_frame", "end_frame", "start_pts", "end_pts", "n_people")
    names = ("shot_id", "video_id", "show", "episode")
    return {
        "clip_id": clip_id,
        "clip_key": f"key-{clip_id}" if status == "kept" else None,
        **dict.fromkeys(names, "x"),
        **dict.fromkeys(numbers, 1),
        "start_s": 1.0,
        "end_s": 3.0,
        "status": status,
        "reason": None if status == "kept" else "too_small",
    }


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(recipe.dump(recipe.Recipe()), encoding="utf-8")
    clips = [*(clip(f"c{i}") for i in range(4)), clip("lost", "dropped")]
    Dataset(folder).write(tables.CLIPS, tables.frame(tables.CLIPS, clips))
    keys = [{"clip_key": f"key-c{i}", "names": [f"c{i}"]} for i in range(4)]
    Dataset(folder).write(tables.KEYS, tables.frame(tables.KEYS, keys))
    return Dataset(folder)


def read(dataset: Dataset, text: str | bytes) -> pd.DataFrame:
    path = dataset.folder.parent / "ratings.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    table = csv_import.read(path, dataset)
    tables.check(tables.RATINGS, table)
    return table


def test_a_file_becomes_accepted_ratings(dataset: Dataset) -> None:
    table = read(dataset, THREE)
    assert table["status"].tolist() == ["accepted"] * 3
    assert table["source"].tolist() == ["csv"] * 3
    assert table["source_id"].tolist() == ["2", "3", "4"]
    assert table["confidence"].tolist() == [1, 0.5, 0.25]
    assert not table["too_fast"].any()


def test_spreadsheets_and_people_are_forgiven_what_is_plain(dataset: Dataset) -> None:
    text = (
        "\ufeffclip_id , rater,emotion,confidence,lead_time_s,created_at,source\r\n"
        '"c0", Anna@X.org , Happy ,0.333,1.5,2026-03-01T10:00:00Z,made-up\r\n'
        ",,,,,,\r\n\r\n"
        "c1,ben,sad,1,,,\r\n"
    )
    table = read(dataset, text)
    assert table["rater"].tolist() == ["anna@x.org", "ben"]
    assert table["emotion"].tolist() == ["happy", "sad"]
    assert table["confidence"].tolist() == [0.33, 1.0]
    assert table["too_fast"].tolist() == [True, False]
    assert table["source"].tolist() == ["made-up", "csv"]
    assert table["source_id"].tolist() == ["2", "5"]


MISTAKES = {
    "unknown emotion": (f"{HEADER}\nc0,anna,hapy,1\n", r"row 2: 'hapy' is no emotion; .*'happy'"),
    "no emotion": (f"{HEADER}\nc0,anna,,1\n", "row 2: '' is no emotion; write one of anger"),
    "confidence 7": (f"{HEADER}\nc0,ben,sad,1\nc0,anna,sad,7\n", "row 3: confidence '7'"),
    "confidence nan": (f"{HEADER}\nc0,anna,sad,NaN\n", "row 2: confidence 'NaN'"),
    "no confidence": (f"{HEADER}\nc0,anna,sad,\n", "row 2: confidence ''"),
    "decimal comma": (f'{HEADER}\nc0,anna,sad,"0,5"\n', "row 2: confidence '0,5'"),
    "unknown clip": (f"{HEADER}\nc9,anna,sad,1\n", "row 2: clip 'c9' is not in the dataset"),
    "dropped clip": (f"{HEADER}\nlost,anna,sad,1\n", "row 2: clip 'lost' was dropped"),
    "no rater": (f"{HEADER}\nc0,,sad,1\n", "row 2: rater ''"),
    "rater of two words": (f"{HEADER}\nc0,anna b,sad,1\n", "row 2: rater 'anna b'"),
    "rated twice": (
        f"{HEADER}\nc0,anna,sad,1\nc1,anna,sad,1\nc0,Anna,fear,1\n",
        "row 4: anna rated clip 'c0' in row 2",
    ),
    "four raters": (f"{THREE}c0,dora,sad,1\n", "row 5: clip 'c0' has 3 raters without dora"),
    "unknown source": (f"{HEADER},source\nc0,anna,sad,1,label-studio\n", "row 2: source 'label"),
    "no time": (f"{HEADER},created_at\nc0,anna,sad,1,noon\n", "row 2: created_at 'noon'"),
    "negative time": (f"{HEADER},lead_time_s\nc0,anna,sad,1,-3\n", "row 2: lead_time_s '-3'"),
    "missing column": ("clip_id,rater,emotion\nc0,anna,sad\n", "row 1: no column confidence"),
    "semicolons": (f"{HEADER.replace(',', ';')}\n", "row 1: no column clip_id, rater"),
    "unknown column": (f"{HEADER},mood\nc0,anna,sad,1,x\n", "row 1: unknown column 'mood'"),
    "column twice": (f"{HEADER},rater\nc0,anna,sad,1,x\n", "row 1: column 'rater' stands twice"),
    "too few cells": (f"{HEADER}\nc0,anna,sad\n", "row 2: 3 cells where the header has 4"),
    "too many cells": (f"{HEADER}\nc0,anna,sad,1,1\n", "row 2: 5 cells where the header has 4"),
    "open quote": (f'{HEADER}\nc0,anna,sad,1\nc0,"ben,sad,1\n', "row 3: not CSV"),
    "empty": ("", "the file is empty"),
    "header only": (f"{HEADER}\n\n", "no ratings below the header"),
    "not UTF-8": (f"{HEADER}\nc0,anna,sad,1\nc0,".encode() + b"J\xf6rg,sad,1\n", "row 3: not UTF"),
    "UTF-16": (THREE.encode("utf-16"), "row 1: not UTF-8"),
    "binary": (b"PK\x03\x04\x00\x00", "row 1: no column"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_the_row_and_leaves_the_dataset(
    dataset: Dataset, text: str | bytes, message: str
) -> None:
    labels.update(dataset, read(dataset, f"{HEADER}\nc3,anna,sad,1\n"), snapshot=False)
    before = {p: p.read_bytes() for p in dataset.folder.rglob("*") if p.is_file()}
    with pytest.raises(CaerError, match=r"ratings\.csv.*" + message) as error:
        read(dataset, text)
    assert "\n" not in str(error.value)
    assert before == {p: p.read_bytes() for p in dataset.folder.rglob("*") if p.is_file()}


def test_a_missing_file_a_folder_and_no_dataset(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(CaerError, match="no such file"):
        csv_import.read(tmp_path / "none.csv", dataset)
    with pytest.raises(CaerError, match="cannot be read"):
        csv_import.read(tmp_path, dataset)
    with pytest.raises(CaerError, match="not a dataset"):
        csv_import.read(tmp_path / "none.csv", Dataset(tmp_path / "nothing"))


def test_dealt_clips_take_only_the_raters_they_were_dealt_to(dataset: Dataset) -> None:
    rows = [{"clip_key": "key-c0", "rater": r, "position": 0, "block": 0} for r in ("anna", "ben")]
    dataset.write(tables.ASSIGNMENTS, tables.frame(tables.ASSIGNMENTS, rows))
    assert len(read(dataset, f"{HEADER}\nc0,anna,sad,1\nc1,cleo,sad,1\n")) == 2
    with pytest.raises(CaerError, match=r"row 2: clip 'c0' was dealt to anna, ben, not to cleo"):
        read(dataset, f"{HEADER}\nc0,cleo,sad,1\n")


def test_files_add_up_to_three_raters(dataset: Dataset) -> None:
    labels.update(dataset, read(dataset, THREE), snapshot=False)
    assert dataset.labels["emotion"].tolist() == ["sad"]
    again = read(dataset, THREE.replace("ben,sad", "ben,happy"))
    labels.update(dataset, again, snapshot=False)
    assert dataset.labels["emotion"].tolist() == ["happy"]
    with pytest.raises(CaerError, match="row 2: clip 'c0' has 3 raters without dora"):
        read(dataset, f"{HEADER}\nc0,dora,sad,1\n")


def test_made_up_ratings_make_room_for_real_ones(dataset: Dataset) -> None:
    made_up = "\n".join([f"{HEADER},source", *(f"c0,robot{i},sad,1,made-up" for i in range(3))])
    labels.update(dataset, read(dataset, made_up), snapshot=False)
    assert dataset.labels["made_up"].tolist() == [True]
    assert dataset.ratings["source"].tolist() == ["made-up"] * 3
    labels.update(dataset, read(dataset, THREE), snapshot=False)
    assert dataset.labels["made_up"].tolist() == [False]
    assert list(dataset.labels["votes"][0]) == votes(
        ("anna", "sad", 1.0), ("ben", "sad", 0.5), ("cleo", "happy", 0.25)
    )


def test_a_name_that_meant_two_clips_is_refused_without_the_key(dataset: Dataset) -> None:
    """A list made before a build must not be taken for one of the clips there are now."""
    labels.update(dataset, read(dataset, THREE), snapshot=False)
    clips = dataset.clips
    clips.loc[clips["clip_id"] == "c0", "clip_key"] = "another"
    dataset.write(tables.CLIPS, clips)
    keys = tables.frame(tables.KEYS, [{"clip_key": "another", "names": ["c0"]}])
    both = pd.concat([dataset.read(tables.KEYS), keys], ignore_index=True)
    dataset.write(tables.KEYS, both)
    with pytest.raises(CaerError, match=r"row 2: 'c0' has been the name of 2 clips.*clip_key"):
        read(dataset, THREE)
    with pytest.raises(CaerError, match="row 2: clip 'key-c0' was dropped"):
        read(dataset, "clip_key,rater,emotion,confidence\nkey-c0,anna,sad,1\n")
    others = "".join(f"another,{rater},fear,1\n" for rater in ("anna", "dora", "emil"))
    fresh = read(dataset, f"clip_key,rater,emotion,confidence\n{others}")
    ratings, decided = labels.update(dataset, fresh, snapshot=False)
    assert len(ratings) == 6  # the earlier answers stay
    assert decided[["emotion", "clip_key"]].to_numpy().tolist() == [["fear", "another"]]


def test_a_clip_is_found_under_its_earlier_name(dataset: Dataset) -> None:
    clips = dataset.clips
    clips.loc[clips["clip_id"] == "c0", "clip_id"] = "renamed"
    dataset.write(tables.CLIPS, clips)
    assert set(read(dataset, THREE)["clip_id"]) == {"renamed"}
