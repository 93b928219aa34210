"""Further questions: their cells, and that they change nothing else."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from caer_data.engine import tables
from caer_data.labels.extra_questions import QUESTIONS, cells
from caer_data.labels.validate import Answer, validate_answers

EMPTY = dict.fromkeys(QUESTIONS)


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        ({"second_choice": "fear"}, {"second_choice": "fear"}),
        ({"second_choice": "sad"}, {}),  # that was the first one
        ({"second_choice": "fear,anger"}, {}),
        ({"second_choice": "joyful"}, {}),
        ({"intensity": "0.15000000000000002"}, {"intensity": 0.15}),
        ({"intensity": "1.2"}, {}),
        ({"valence": "-1", "arousal": 1}, {"valence": -1.0, "arousal": 1.0}),
        ({"valence": "-1.01"}, {}),
        ({"valence": "nan", "arousal": True, "intensity": []}, {}),
        ({"valence": "-0.001"}, {"valence": 0.0}),
    ],
)
def test_what_is_stored_becomes_a_cell_or_none(
    stored: dict[str, object], found: dict[str, Any]
) -> None:
    assert cells(stored, "sad") == EMPTY | found
    assert cells(stored, None) == EMPTY


def ratings(**changes: Any) -> pd.DataFrame:
    clip = dict.fromkeys(("shot_id", "video_id", "show", "episode"), "x")
    clip |= dict.fromkeys(("start_frame", "start_pts", "end_frame", "end_pts", "n_people"), 1)
    clip |= {"clip_id": "c", "clip_key": "c", "start_s": 0.0, "end_s": 3.0, "status": "kept"}
    assigned = {"clip_key": "c", "rater": "r@x.org", "position": 0, "block": 0}
    answer = Answer("1", "c", "shown", "r@x.org", "r@x.org", "sad", "0.5", **changes)
    return validate_answers(
        [answer],
        tables.frame(tables.ASSIGNMENTS, [assigned]),
        tables.frame(tables.CLIPS, [clip]),
    )


def test_answers_count_the_same_whatever_they_hold(tmp_path: Path) -> None:
    plain = ratings()
    full = ratings(asked={"second_choice": "fear", "valence": "0.5", "arousal": "9"})
    wrong = ratings(asked={"second_choice": "?", "valence": "?"})
    assert full["second_choice"].tolist() == ["fear"]
    assert full["valence"].tolist() == [0.5]
    rest = [name for name in tables.RATINGS.names if name not in QUESTIONS]
    assert full[rest].equals(plain[rest])
    for name, rows in (("plain", plain), ("wrong", wrong), ("full", full)):
        tables.write(tables.RATINGS, rows, tmp_path / name)
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "wrong").read_bytes()
    # without the questions the file is as if there were none; with them, it has what was filled
    assert not set(QUESTIONS) & set(pq.read_schema(tmp_path / "plain").names)
    assert set(QUESTIONS) & set(pq.read_schema(tmp_path / "full").names) == {
        "second_choice",
        "valence",
    }
    for name, rows in (("plain", plain), ("full", full)):
        assert tables.read(tables.RATINGS, tmp_path / name)[QUESTIONS[0]].equals(rows[QUESTIONS[0]])
