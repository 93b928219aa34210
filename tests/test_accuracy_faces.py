"""The count of labelled shots in `performance/`, by which the face stage is judged."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from caer_data.engine import recipe as recipes
from caer_data.faces.models.choose import create_detector, create_embedder
from caer_data.faces.search import Models

PERFORMANCE = Path(__file__).parents[1] / "performance"


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(PERFORMANCE), *sys.path])
    import accuracy_faces
    import figures

    return accuracy_faces, figures


def test_every_labelled_shot_of_every_film_is_counted_once(scripts, media_data, tmp_path) -> None:
    accuracy_faces, _ = scripts
    video = media_data / "shots_gt" / "webcam_face_noface_vfr_6s.mov"
    for name, second in (("a", {"faces": "0"}), ("b", {"faces": "2", "doubtful": True})):
        (tmp_path / f"{name}.mov").symlink_to(video)
        shots = [
            {"start": 0, "end": 72, "faces": "1", "clear_target": name == "a"},
            {"start": 73, "end": 168} | second,
        ]
        label = {"file": f"{name}.mov", "shots": shots}
        (tmp_path / f"{name}.json").write_text(json.dumps(label))
    recipe = recipes.load("caer")
    detector, embedder = create_detector(recipe.faces, 1), create_embedder(recipe.faces, 1)
    models = Models.of(detector, embedder, recipe.faces)

    counted = accuracy_faces.count_faces(tmp_path, models, recipe)

    assert counted["file"].tolist() == ["a", "a", "b", "b"]
    assert counted["true"].tolist() == ["one", "none", "one", "more"]
    assert counted["found"].tolist() == ["one", "none", "one", "none"]
    assert counted["clear"].tolist() == [True, False, False, False]
    assert counted["kept"].tolist() == [True, False, True, False]
    assert counted["doubtful"].tolist() == [False, False, False, True]


def test_a_folder_without_labels_is_refused(scripts, tmp_path) -> None:
    accuracy_faces, _ = scripts
    with pytest.raises(SystemExit, match="holds no labelled films"):
        accuracy_faces.count_faces(tmp_path, None, None)


def test_a_share_says_how_certain_it_is(scripts) -> None:
    _, figures = scripts
    figure = figures.share("shots", 35, 37, 0.95)
    assert figure.note == "35 of 37 (0.823 to 0.985)"
    assert figure.verdict == "NOT REACHED"
    assert figures.share("shots", 0, 0).verdict == "not measured"
