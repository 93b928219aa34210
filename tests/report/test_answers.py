"""Answers of models: by key whatever clips are called, right and wrong, attention."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import built_dataset
import numpy as np
import pandas as pd
import pytest
from asgi import call

pytest.importorskip("starlette")

from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.report import answers as models
from caer_data.view.app import application
from caer_data.view.session import Session

EVEN, CORNER = [[0.25, 0.25], [0.25, 0.25]], [[1.0, 0.0], [0.0, 0.0]]


def _results(folder: Path, answers: list[tuple[str, str, int, int, float, object]]) -> Path:
    """Rows of clip, row, run, label, and the probability of the label; the rest goes to sad."""
    folder.mkdir(parents=True)
    rows = []
    for clip, row, run, label, sure, attention in answers:
        p = dict.fromkeys((f"p_{name}" for name in EMOTIONS), 0.0)
        p |= {"p_sad": 1 - sure, f"p_{EMOTIONS[label]}": sure}
        rows.append({"sample_id": f"{clip}/{run}", "clip_id": clip, "split": "test", "label": label,
                     **p, "row": row, "run": run, "attention": attention})  # fmt: skip
    pd.DataFrame(rows).to_parquet(folder / "predictions.parquet")
    seen = {"input": {"frame": [128, 160], "crop": [96, 96]}}
    text = json.dumps({"runs": [{"row": "face", "recipe": seen}, {"row": "both", "recipe": seen}]})
    (folder / "results.json").write_text(text)
    return folder


@pytest.fixture
def dataset(tmp_path):
    return built_dataset.make(tmp_path / "mine", shots=12, pictures=False)


@pytest.fixture
def said(dataset, tmp_path, monkeypatch) -> models.ModelAnswers:
    clips = dataset.clips
    kept = clips.loc[clips["status"] == "kept"].head(2)
    answers: list = [("old-1", "face", 0, 3, 0.2, None), ("old-1", "both", 0, 3, 0.8, CORNER),
                     ("old-1", "both", 1, 3, 0.6, EVEN), ("old-2", "face", 0, 0, 0.9, None),
                     ("gone", "face", 0, 0, 0.9, None)]  # fmt: skip
    folder = _results(tmp_path / "results" / "one", answers)
    names = pd.DataFrame({"clip_id": ["old-1", "old-2"], "clip_key": list(kept["clip_key"])})
    monkeypatch.setattr(models, "tables", SimpleNamespace(read=lambda table, path: names))
    return models.ModelAnswers(folder, tmp_path / "release")


def test_clips_are_known_by_key_and_the_first_row_judges(dataset, said) -> None:
    first = said.first
    assert list(first["predicted"]) == ["sad", "anger"] and list(first["label"]) == [
        "happy",
        "anger",
    ]
    app = application(Session(dataset.folder, {}, said))
    facets = call(app, "/api/facets").json()
    assert dict(map(tuple, facets["verdict"])) == {"(none)": 10, "right": 1, "wrong": 1}
    worst = call(app, "/api/clips?sort=-model_error&count=1").json()["clips"][0]
    assert (worst["clip_key"], worst["verdict"]) == (first.index[0], "wrong")
    assert "model_error" in call(app, "/api/overview").json()["numbers"]


def test_a_clip_has_every_rows_answer_and_mean_attention(dataset, said) -> None:
    app = application(Session(dataset.folder, {}, said))
    clip = call(app, f"/api/clip/{said.first.index[0]}").json()
    assert [(one["row"], one["predicted"]) for one in clip["models"]] == [
        ("face", "sad"), ("both", "happy")]  # fmt: skip
    assert clip["models"][1]["p_label"] == pytest.approx(0.7)
    assert np.allclose(clip["attention"]["map"], [[0.625, 0.125], [0.125, 0.125]])
    assert clip["attention"]["box"] == [0.2, 0.125, 0.8, 0.875]
    other = call(app, f"/api/clip/{said.first.index[1]}").json()
    assert other["attention"] is None and len(other["models"]) == 1


def test_without_results_nothing_is_said(dataset, tmp_path) -> None:
    app = application(Session(dataset.folder, {}))
    assert "verdict" not in call(app, "/api/facets").json()
    assert "model_error" not in call(app, "/api/overview").json()["numbers"]
    assert models.newest_answers(tmp_path / "results", tmp_path / "release") is None


def test_the_newest_results_are_taken_and_damaged_ones_named(tmp_path) -> None:
    old = _results(tmp_path / "a", [("c", "face", 0, 1, 0.5, None)])
    new = _results(tmp_path / "b" / "deep", [("c", "face", 0, 1, 0.5, None)])
    os.utime(old / "predictions.parquet", (1, 1))
    assert models.newest(tmp_path) == new
    (new / "predictions.parquet").write_bytes(b"PAR1")
    with pytest.raises(CaerError, match="cannot be read"):
        _ = models.ModelAnswers(new, tmp_path).answers
