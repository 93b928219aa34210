import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from keyed import votes

from caer_data.engine import recipe, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.labels import csv_import
from caer_data.labels import decide as labels
from caer_data.labels.cells import SYNONYMS, Scale
from caer_data.labels.csv_import import ImportOptions as Options

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
    "unknown emotion": (f"{HEADER}\nc0,anna,hapy,1\n", r"'hapy' is not an emotion; .*'happy'"),
    "no emotion": (f"{HEADER}\nc0,anna,,1\n", "row 2: '' is not an emotion; write one of anger"),
    "confidence 7": (f"{HEADER}\nc0,ben,sad,1\nc0,anna,sad,7\n", "row 3: confidence '7'"),
    "confidence nan": (f"{HEADER}\nc0,anna,sad,NaN\n", "row 2: confidence 'NaN'"),
    "no confidence": (f"{HEADER}\nc0,anna,sad,\n", "row 2: confidence ''"),
    "synonym": (f"{HEADER}\nc0,anna,joy,1\n", "row 2: 'joy' is not an emotion; add --synonyms"),
    "percent above": (f"{HEADER}\nc0,anna,sad,120%\n", "row 2: confidence '120%'"),
    "thousands": (f'{HEADER},lead_time_s\nc0,anna,sad,1,"1,500"\n', "row 2: lead_time_s '1,500'"),
    "unknown clip": (f"{HEADER}\nc9,anna,sad,1\n", "row 2: clip 'c9' is not in the dataset"),
    "dropped clip": (f"{HEADER}\nlost,anna,sad,1\n", "row 2: clip 'lost' was dropped"),
    "no rater": (f"{HEADER}\nc0,,sad,1\n", "row 2: rater ''"),
    "rater of two words": (f"{HEADER}\nc0,anna b,sad,1\n", "row 2: rater 'anna b'"),
    "rated twice": (
        f"{HEADER}\nc0,anna,sad,1\nc1,anna,sad,1\nc0,Anna,fear,1\n",
        "row 4: anna already rated clip 'c0' in row 2",
    ),
    "four raters": (f"{THREE}c0,dora,sad,1\n", "row 5: clip 'c0' has 3 raters without dora"),
    "unknown source": (f"{HEADER},source\nc0,anna,sad,1,label-studio\n", "row 2: source 'label"),
    "no time": (f"{HEADER},created_at\nc0,anna,sad,1,noon\n", "row 2: created_at 'noon'"),
    "negative time": (f"{HEADER},lead_time_s\nc0,anna,sad,1,-3\n", "row 2: lead_time_s '-3'"),
    "missing column": ("clip_id,rater,emotion\nc0,anna,sad\n", "row 1: no column confidence"),
    "two cases": (f"{HEADER},Rater\nc0,anna,sad,1,x\n", "row 1: column 'rater' occurs twice"),
    "other words": (
        "clip_id,who,emotion,confidence\n",
        "row 1: no column rater; .*--map rater=NAME",
    ),
    "column twice": (f"{HEADER},rater\nc0,anna,sad,1,x\n", "row 1: column 'rater' occurs twice"),
    "too few cells": (f"{HEADER}\nc0,anna,sad\n", "row 2: 3 cells, but the header has 4"),
    "too many cells": (f"{HEADER}\nc0,anna,sad,1,1\n", "row 2: 5 cells, but the header has 4"),
    "open quote": (f'{HEADER}\nc0,anna,sad,1\nc0,"ben,sad,1\n', "row 3: not CSV"),
    "empty": ("", "the file is empty"),
    "header only": (f"{HEADER}\n\n", "no ratings below the header"),
    "broken UTF-16": (THREE.encode("utf-16") + b"x", "row .*: not utf-16 text"),
    "binary": (b"\x00\x01\x02\x00", "row 1: no column"),
    "xls": (b"\xd0\xcf\x11\xe0\x00", "an xls or a password-protected.*save it as 'CSV UTF-8'"),
    "broken JSON": ('[{"id": 1,', "not JSON"),
    "no answers": ("[]", "no answers in this export"),
    "other JSON": ('{"id": 1}', "not an export of Label Studio"),
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


def test_assigned_clips_take_only_the_raters_they_were_assigned_to(dataset: Dataset) -> None:
    rows = [{"clip_key": "key-c0", "rater": r, "position": 0, "block": 0} for r in ("anna", "ben")]
    dataset.write(tables.ASSIGNMENTS, tables.frame(tables.ASSIGNMENTS, rows))
    assert len(read(dataset, f"{HEADER}\nc0,anna,sad,1\nc1,cleo,sad,1\n")) == 2
    with pytest.raises(CaerError, match=r"row 2: clip 'c0' was assigned to anna, ben, not to cleo"):
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


def label_studio(*, cancelled: bool = False) -> str:
    """Its JSON: two answers to one task; a label planned in the task is not an answer."""

    def annotation(author: Any, emotion: str, number: float) -> dict[str, Any]:
        return {
            "completed_by": author,
            "created_at": "2026-03-01T10:00:00.000Z",
            "lead_time": 4.5,
            "was_cancelled": cancelled and emotion == "fear",
            "result": [
                {"from_name": "emotion", "type": "choices", "value": {"choices": [emotion]}},
                {"from_name": "confidence", "type": "number", "value": {"number": number}},
            ],
        }

    answers = [annotation({"id": 3, "email": "anna"}, "sad", 0.5), annotation(7, "fear", 1)]
    data = {"clip_id": "c0", "emotion": "happy"}
    return json.dumps([{"id": 1, "data": data, "annotations": answers}])


HALF = [("c0", "anna", "sad", 0.5)]
TWO = [*HALF, ("c1", "ben", "happy", 1.0)]
EXCEL = "clip_id;rater;emotion;confidence\r\nc0;anna;sad;0,5\r\nc1;ben;happy;1\r\n"
PLAIN = EXCEL.replace("0,5", "0.5").replace(";", ",")
NAMES = f"{HEADER},note\nc0,anna,sad,0.5,dégoût à côté\n"
MTURK = (
    "HITId,WorkerId,AssignmentStatus,Input.clip_id,Answer.emotion,Answer.confidence\n"
    "h1,ANNA,Approved,c0,sad,0.5\nh2,X,Rejected,c0,fear,1\nh3,BEN,Submitted,c1,happy,1\n"
)
QUALTRICS = (
    "ResponseId,Status,PROLIFIC_PID,clip_id,Emotion,Confidence\n"
    'Response ID,Response Type,PROLIFIC_PID,clip_id,"What does\nshe feel?",How sure?\n'
    + ",".join(['"{""ImportId"":""x""}"'] * 6)
    + "\nR_1,IP Address,anna,c0,sad,0.5\nR_2,Survey Preview,me,c0,fear,1\n"
)
STUDIO_CSV = (
    "annotation_id,annotator,clip_id,confidence,created_at,emotion,id,lead_time,updated_at\n"
    '1,anna,c0,"[{""number"": 0.5}]",2026-03-01T10:00:00Z,sad,1,3.5,2026-03-01T10:00:00Z\n'
)
STUDIO_MIN = json.dumps(
    [{"annotator": "anna", "clip": "c0", "emotion": "sad", "confidence": 0.5, "lead_time": 2.5}]
)
JOY = PLAIN.replace("sad", "Trauer").replace("happy", "Joy")

Found = list[tuple[str, str, str, float]]
FILES: dict[str, tuple[str | bytes, Options, str, Found]] = {
    "semicolons, decimal commas": (EXCEL, Options(), "separated by semicolons", TWO),
    "sep= line": (f"sep=;\r\n{EXCEL}", Options(), "semicolons", TWO),
    "sep= line with a comma": (f"sep=,\n{PLAIN}", Options(), "", TWO),
    "lines of old Macs": (EXCEL.replace("\r\n", "\r"), Options(), "semicolons", TWO),
    "tabs": (EXCEL.replace(";", "\t"), Options(), "separated by tabs", TWO),
    "vertical bars": (EXCEL.replace(";", "|"), Options(), "vertical bars", TWO),
    "quoted decimal comma": (f'{HEADER}\nc0,anna,sad,"0,5"\n', Options(), "", HALF),
    "rows filled up": (PLAIN.replace("0.5", "0.5,,,"), Options(), "", TWO),
    "byte order mark": (PLAIN.encode("utf-8-sig"), Options(), "", TWO),
    "UTF-16": (EXCEL.encode("utf-16"), Options(), "encoding utf-16", TWO),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), Options(), "encoding utf-16-le", TWO),
    "UTF-16, big end first": (PLAIN.encode("utf-16-be"), Options(), "encoding utf-16-be", TWO),
    "UTF-32": (PLAIN.encode("utf-32"), Options(), "encoding utf-32", TWO),
    "Latin-1": (NAMES.encode("latin-1"), Options(), "guessed.*ignored: note", HALF),
    "named encoding": (NAMES.encode("cp1252"), Options(encoding="cp1252"), "cp1252; ignored", HALF),
    "any case": (PLAIN.replace("clip_id,r", "Clip ID,R"), Options(), "", TWO),
    "mapped": (PLAIN.replace("rater", "Who"), Options([("rater", "who")]), "", TWO),
    "mapped over a name": (
        f"{HEADER},real\nc0,x,sad,0.5,anna\n", Options([("rater", "real")]), "ignored: rater", HALF
    ),
    "further columns": (f"{HEADER},m,m\nc0,anna,sad,0.5,a,b\n", Options(), "ignored: m", HALF),
    "percent": (PLAIN.replace("0.5", "50 %").replace("y,1", "y,100%"), Options(), "", TWO),
    "percent without a sign": (
        PLAIN.replace("0.5", "50").replace("y,1", "y,100"), Options(scale=Scale(0, 100)), "",
        TWO
    ),
    "Likert": (PLAIN.replace("0.5", "3").replace("y,1", "y,5"),
        Options(scale=Scale(1, 5)), "", TWO),
    "synonyms": (JOY, Options(synonyms=True), "", TWO),
    "Label Studio, JSON": (
        label_studio(), Options(), "columns of Label Studio", [*HALF, ("c0", "7", "fear",
        1.0)]
    ),
    "Label Studio, skipped": (label_studio(cancelled=True), Options(), "1 cancelled answers", HALF),
    "Label Studio, JSON-MIN": (STUDIO_MIN, Options(), "columns of Label Studio", HALF),
    "Label Studio, CSV": (STUDIO_CSV, Options(), "columns of Label Studio", HALF),
    "MTurk": (MTURK, Options(), "Turk.*1 rows left out by column 'AssignmentStatus'", TWO),
    "Qualtrics": (QUALTRICS, Options(), "Qualtrics.*rows 2 and 3 are headers; 1 rows left", HALF),
}  # fmt: skip


@pytest.mark.parametrize(("content", "options", "said", "found"), FILES.values(), ids=FILES)
def test_a_file_is_recognised_and_said(
    dataset: Dataset, content: str | bytes, options: Options, said: str, found: Found
) -> None:
    path = dataset.folder.parent / "ratings.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    lines: list[str] = []
    table = csv_import.read(path, dataset, options, lines.append)
    tables.check(tables.RATINGS, table)
    rows = table[["clip_id", "rater", "emotion", "confidence"]].itertuples(index=False, name=None)
    assert list(rows) == found
    assert len(lines) == bool(said)
    assert re.search(said, " ".join(lines))


def test_a_label_planned_in_a_task_is_no_answer(dataset: Dataset) -> None:
    answer = {"from_name": "confidence", "value": {"number": 1}}
    annotations = [
        {"completed_by": "anna", "result": [answer]},
        {"completed_by": "ben", "result": [{**answer, "from_name": "emotion"}, answer]},
    ]
    task = {"data": {"clip_id": "c0", "emotion": "happy"}, "annotations": annotations}
    with pytest.raises(CaerError, match=r"2 mistakes.*\n.*row 2: '' is not an emotion"):
        read(dataset, json.dumps([task]))


def test_times_of_other_services_are_taken(dataset: Dataset) -> None:
    assert read(dataset, label_studio())["lead_time_s"].tolist() == [4.5, 4.5]
    assert read(dataset, STUDIO_CSV)["created_at"].tolist() == ["2026-03-01T10:00:00Z"]
    german = "clip_id;rater;emotion;confidence;lead_time_s\nc0;anna;sad;1;1,500\n"
    assert read(dataset, german)["lead_time_s"].tolist() == [1.5]


def test_all_mistakes_are_told_at_once_and_many_are_listed_beside(dataset: Dataset) -> None:
    listed = dataset.folder.parent / "ratings.csv.mistakes.txt"
    with pytest.raises(CaerError) as few:
        read(dataset, f"{HEADER}\nc0,anna,mad,1\nc1,anna\nc2,a,sad,9\nc3,anna,sad,1\n")
    first, *lines = str(few.value).splitlines()
    assert "3 mistakes, so nothing was imported" in first and not listed.exists()
    assert {line.split(", ")[1].split(":")[0] for line in lines} == {"row 2", "row 3", "row 4"}
    with pytest.raises(CaerError, match=r"25 mistakes.*first 20 are shown") as many:
        read(dataset, f"{HEADER}\n" + "".join(f"c9,r{i},sad,1\n" for i in range(25)))
    assert len(str(many.value).splitlines()) == 21
    assert len(listed.read_text().splitlines()) == 25


@pytest.mark.parametrize("text", ["5..1", "1-5", "1..1", "0..inf", "a..b", "1..2..3"])
def test_a_scale_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CaerError, match="confidence scale"):
        Scale.parse(text)
    assert Scale.parse("1..5") == Scale(1, 5)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("mood", "rater")], "'mood' is not a column of ratings"),
        ([("rater", "who")], "no column 'who', which --map names"),
        ([("rater", "rater"), ("rater", "emotion")], "'rater' is mapped twice"),
    ],
)
def test_a_wrong_map_is_refused(
    dataset: Dataset, pairs: list[tuple[str, str]], message: str
) -> None:
    path = dataset.folder.parent / "ratings.csv"
    path.write_text(THREE)
    with pytest.raises(CaerError, match=message):
        csv_import.read(path, dataset, Options(pairs))


def test_an_unknown_encoding_is_refused_and_synonyms_mean_the_seven(dataset: Dataset) -> None:
    path = dataset.folder.parent / "ratings.csv"
    path.write_text(THREE)
    for name in ("nonsense", "hex", "undefined", "a\0"):
        with pytest.raises(CaerError, match=f"encoding '{name}' is unknown"):
            csv_import.read(path, dataset, Options(encoding=name))
    assert set(SYNONYMS.values()) == set(EMOTIONS)
    assert not set(SYNONYMS) & set(EMOTIONS)
