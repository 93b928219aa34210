"""Files as other programs and services write them: read right, or refused with a way on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from caer_data.engine import recipe, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.labels import csv_import
from caer_data.labels.cells import Scale
from caer_data.labels.csv_import import ImportOptions as Options

HEADER = "clip_id,rater,emotion,confidence"
GERMAN = (
    "Clip;Bewerter;Emotion;Sicherheit\r\nc0;jörg;Freude;0,75\r\nc1;jörg;Überraschung;1\r\n"
    "c2;jörg;Ärger;0,5\r\n"
)
FRENCH = "clip_id;évaluateur;émotion;confiance\r\nc0;zoé;Colère;75 %\r\nc1;zoé;dégoût;100 %\r\n"
QUALTRICS = (
    "StartDate,Status,ResponseId,WHO,clip_id,emotion,Q2_1\n"
    'Start Date,Response Type,Response ID,who,clip_id,"Which emotion\ndoes the person show?",sure\n'
    + ",".join(f'"{{""ImportId"":""{name}""}}"' for name in "abcdefg")
    + "\n2026-03-01 10:00:00,IP Address,R_1,5f3c0a,c0,Sad,80\n"
    "2026-03-01 10:00:00,Survey Preview,R_2,me,c1,Sad,80\n"
)
MTURK = "HITId,WorkerId,AssignmentStatus,Input.clip_id,"
FORMS = (
    '"Zeitstempel","E-Mail-Adresse","Welcher Clip?","Welche Emotion?","Wie sicher? (1-5)"\n'
    '"2026/03/01 10:00:00 AM MEZ","anna@x.org","c0","sad","4"\n'
)
STUDIO = [
    {
        "data": {"clip": "key-c0", "video": "/x"},
        "annotations": [
            {
                "completed_by": {"id": 3, "email": "anna@x.org", "first_name": ""},
                "was_cancelled": False, "created_at": "2026-03-01T10:00:00Z", "lead_time": 3.2,
                "result": [
                    {"from_name": "emotion", "type": "choices", "value": {"choices": ["happy"]}},
                    {"from_name": "confidence", "type": "rating", "value": {"rating": 4}},
                ],
            }
        ],
    }
]  # fmt: skip
MINE = {"clip_id": "c0", "rater": "anna", "emotion": "sad", "confidence": 0.5}


def mapped(scale: Scale | None = None, synonyms: bool = False, **names: str) -> Options:
    return Options(list(names.items()), scale or Scale(), synonyms)


READ = {
    "German Excel": (
        GERMAN.encode("cp1252"),
        mapped(synonyms=True, clip_id="Clip", rater="Bewerter", confidence="Sicherheit"),
        ["c0 jörg happy 0.75", "c1 jörg surprise 1.0", "c2 jörg anger 0.5"],
    ),
    "French Excel": (
        FRENCH.encode("latin-1"),
        mapped(synonyms=True, rater="évaluateur", emotion="émotion", confidence="confiance"),
        ["c0 zoé anger 0.75", "c1 zoé disgust 1.0"],
    ),
    "Excel, Unicode text": (
        f'\ufeff{HEADER},remark\r\nc0,anna,sad,"0;5",x\r\n'.replace(",", "\t").replace(";", ",")
        .encode("utf-16-le"), mapped(), ["c0 anna sad 0.5"],
    ),
    "sep= below a mark": (
        f"\ufeffsep=;\r\n{HEADER}\r\nc0,anna,sad,1\r\n".replace(",", ";"), mapped(),
        ["c0 anna sad 1.0"],
    ),
    "percent after a hard space": (
        f"{HEADER}\nc0,anna,sad,75\u00a0%\nc1,anna,sad,50\u202f%\n", mapped(),
        ["c0 anna sad 0.75", "c1 anna sad 0.5"],
    ),
    "seven steps": (
        f"{HEADER}\nc0,anna,sad,7\nc1,anna,happy,4\n", mapped(Scale(1, 7)),
        ["c0 anna sad 1.0", "c1 anna happy 0.5"],
    ),
    "words of three languages": (
        f"{HEADER}\nc0,anna,JOY,1\nc1,anna,Ängstlich,0.5\nc2,anna,triste,1\n",
        mapped(synonyms=True),
        ["c0 anna happy 1.0", "c1 anna fear 0.5", "c2 anna sad 1.0"],
    ),
    "Qualtrics with Prolific": (
        QUALTRICS.replace("WHO", "PROLIFIC_PID"), mapped(Scale(0, 100), confidence="Q2_1"),
        ["c0 5f3c0a sad 0.8"],
    ),
    "Qualtrics alone": (
        QUALTRICS.replace("WHO", "Q_Rater"),
        mapped(Scale(0, 100), confidence="Q2_1", rater="q_rater"), ["c0 5f3c0a sad 0.8"],
    ),
    "MTurk, a crowd form": (
        f'{MTURK}Answer.taskAnswers\nh,A1,Approved,c0,"[{{""emotion"":{{""anger"":false,'
        '""sad"":true}},""confidence"":""0.75""}}]"\n'.replace("}}", "}"), mapped(),
        ["c0 a1 sad 0.75"],
    ),
    "MTurk, a classifier": (
        f'{MTURK}Answer.taskAnswers\nh,A1,Submitted,c0,"{{""emotion"":{{""label"":""Sad""}},'
        '""confidence"":1}}"\n'.replace("}}", "}"), mapped(), ["c0 a1 sad 1.0"],
    ),
    "MTurk, radio buttons": (
        f"{MTURK}Answer.emotion.anger,Answer.emotion.sad,Answer.confidence\n"
        "h,A1,Approved,c0,false,true,0.75\ni,A2,Rejected,c0,true,false,0.75\n", mapped(),
        ["c0 a1 sad 0.75"],
    ),
    "Label Studio, TSV": (
        "annotation_id\tannotator\tclip_id\tconfidence\temotion\tlead_time\n"
        "1\tanna@x.org\tc0\t0.75\tsad\t4.2\n", mapped(), ["c0 anna@x.org sad 0.75"],
    ),
    "Label Studio, stars and keys": (
        json.dumps(STUDIO), mapped(Scale(1, 5)), ["c0 anna@x.org happy 0.75"]
    ),
    "Label Studio, JSON-MIN": (
        json.dumps([{"id": 1, "annotator": 7, "clip_id": "c0", "mood": "sad", "sure": {"n": 0.5},
                     "lead_time": 2.0}]),
        mapped(emotion="mood", confidence="sure"), ["c0 7 sad 0.5"],
    ),
    "JSON, a document a line": (
        f"{json.dumps(MINE)}\n{json.dumps(MINE | {'clip_id': 'c1'})}\n", mapped(),
        ["c0 anna sad 0.5", "c1 anna sad 0.5"],
    ),
    "names of rows by R": (
        '"","clip_id","rater","emotion","confidence"\n"1","c0","anna","sad",0.5\n', mapped(),
        ["c0 anna sad 0.5"],
    ),
    "an index by pandas": (
        f"Unnamed: 0,{HEADER}\n0,c0,anna,sad,5e-1\n", mapped(), ["c0 anna sad 0.5"]
    ),
    "Google Forms": (
        FORMS,
        mapped(Scale(1, 5), rater="E-Mail-Adresse", clip_id="Welcher Clip?",
               emotion="Welche Emotion?", confidence="Wie sicher? (1-5)"),
        ["c0 anna@x.org sad 0.75"],
    ),
}  # fmt: skip

REFUSED = {
    "German Excel": (
        GERMAN.encode("cp1252"),
        r"--map clip_id=NAME --map rater=NAME --map confidence=NAME, with NAME one of 'Clip', ",
    ),
    "Google Forms": (FORMS, "with NAME one of 'Zeitstempel', 'E-Mail-Adresse', 'Welcher Clip"),
    "people of Prolific": (
        "Submission id,Participant id,Status,Age\na,5f3c,APPROVED,30\n", "no column clip_id, rater"
    ),
    "a column for each rater": ("clip_id,anna,ben\nc0,sad,sad\n", "with one row per rating"),
    "two headers of SurveyMonkey": (
        f"{HEADER}\n,,Response,Response\nc0,7,sad,1\n", "row 2: no clip is named; if this is not a"
    ),
    "a sum below": (
        "clip_id;rater;emotion;confidence\r\nc0;anna;sad;0,5\r\nSumme;;;0,5\r\n",
        "row 3: clip 'Summe' is not in the dataset",
    ),
    "five steps, unsaid": (
        f"{HEADER}\nc0,anna,sad,5\n", r"'5' is not a number from 0 .*--confidence-scale, .* 1\.\.5"
    ),
    "steps with words": (f"{HEADER}\nc0,anna,sad,4 - rather sure\n", "write the number alone"),
    "another emotion": (f"{HEADER}\nc0,anna,none,1\n", "'none' is not an emotion; write one of"),
    "synonyms, unsaid": (f"{HEADER}\nc0,anna,Joy,1\n", "add --synonyms to read it as 'happy'"),
    "a German date": (
        f"{HEADER},created_at\nc0,anna,sad,1,01.03.2026 10:00\n", "such as 2026-03-01T10:00:00"
    ),
    "no choice": (
        f"{MTURK}Answer.emotion.anger,Answer.emotion.sad,Answer.confidence\n"
        "h,A1,Approved,c0,true,true,0.75\n", "row 2: '' is not an emotion"
    ),
    "thirty mistakes": (
        f"{HEADER}\n" + "".join(f"c{i},anna,glad,{i}\n" for i in range(30)),
        r"30 mistakes, so nothing was imported.*the first 20 are shown, all are in .*mistakes\.txt",
    ),
}  # fmt: skip


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    from tests.labels.test_csv_import import clip

    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(recipe.dump(recipe.Recipe()), encoding="utf-8")
    clips = [clip(f"c{i}") for i in range(4)]
    keys = [{"clip_key": f"key-c{i}", "names": [f"c{i}"]} for i in range(4)]
    Dataset(folder).write(tables.CLIPS, tables.frame(tables.CLIPS, clips))
    Dataset(folder).write(tables.KEYS, tables.frame(tables.KEYS, keys))
    return Dataset(folder)


def load(dataset: Dataset, content: str | bytes, options: Options) -> list[str]:
    path = dataset.folder.parent / "ratings.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = csv_import.read(path, dataset, options)
    tables.check(tables.RATINGS, table)
    return [f"{r.clip_id} {r.rater} {r.emotion} {r.confidence}" for r in table.itertuples()]


@pytest.mark.parametrize(("content", "options", "found"), READ.values(), ids=READ)
def test_it_is_read_right(
    dataset: Dataset, content: str | bytes, options: Options, found: list[str]
) -> None:
    assert load(dataset, content, options) == found


@pytest.mark.parametrize(("content", "way"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_with_a_way_on(dataset: Dataset, content: str | bytes, way: str) -> None:
    with pytest.raises(CaerError) as error:
        load(dataset, content, Options())
    assert re.search(way, str(error.value), re.S)


@pytest.mark.parametrize(
    ("names", "encoding"), [("żółć łódź", "cp1250"), ("привет мир", "cp1251")], ids=["cz", "ru"]
)
def test_letters_that_are_not_of_western_europe_are_asked_about(
    dataset: Dataset, names: str, encoding: str
) -> None:
    rows = "".join(f"c{number},{name},sad,1\n" for number, name in enumerate(names.split()))
    content = f"{HEADER}\n{rows}".encode(encoding)
    with pytest.raises(CaerError, match=r"neither UTF-8 nor Western.*name its encoding with --enc"):
        load(dataset, content, Options())
    found = load(dataset, content, Options(encoding=encoding))
    assert [line.split()[1] for line in found] == names.split()
