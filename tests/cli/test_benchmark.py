"""The command from a release to results, as a user runs it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from predicted import predictions
from small_releases import small

from caer_data.benchmark.recipe import vary
from caer_data.benchmark.results import saved_predictions
from caer_data.benchmark.training import train
from caer_data.cli import main
from caer_data.engine import extras
from caer_data.engine.emotions import EMOTIONS


def benchmark(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["benchmark", "--device", "cpu", *map(str, arguments)])
    return int(stop.value.code or 0)


@pytest.fixture
def yaml_file(tmp_path: Path) -> Path:
    recipe = vary(small("caer-net"), {"name": "mine", "train": {"epochs": 1}})
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    return path


def test_from_release_to_results_and_no_second_training(
    clips_release: Path,
    yaml_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = (clips_release, "--model", yaml_file, "--seeds", 2, "--folds", 3, "-o", tmp_path / "o")
    assert benchmark(*given, "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = events[-1]
    assert found["event"] == "result"
    assert [run["seed"] for run in found["runs"]] == [0, 1]
    assert found["runs"][0]["split_sizes"] == {"train": 14, "validation": 7, "test": 7}
    assert found["runs"][0]["made_up"] is True
    assert found["runs"][0]["majority"] == pytest.approx(1 / 7)
    folder = tmp_path / "o" / "release" / "mine"
    assert json.loads((folder / "results.json").read_text())["runs"] == found["runs"]
    page = (folder / "results.html").read_text()
    for part in ("confusion matrix", "Attention", "fusion weights by class", "Made-up data"):
        assert part in page
    assert page.count("data:image/jpeg;base64,") >= 2
    assert "http-equiv" in page  # nothing is loaded from elsewhere
    listed = pd.read_csv(folder / "suspicious.csv")
    assert set(listed["label"]) <= set(EMOTIONS)
    assert set(listed["clip_id"]) <= {
        f"show-{split}-{label}-{i}"
        for split in ("train", "validation", "test")
        for label in range(7)
        for i in (1, 2)
    }
    monkeypatch.setattr(train.Trainer, "fit", None)
    assert benchmark(*given) == 0
    table = capsys.readouterr().out
    stages = {event["stage"] for event in events if event["event"] == "progress"}
    assert stages >= {"mine 0", "mine 1", "fold 1 of 3", "fold 2 of 3", "fold 3 of 3"}
    assert "Acc. (WAR) %" in table and "made-up data" in table


def test_weights_are_tested_without_training(
    clips_release: Path, yaml_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (clips_release, "--model", yaml_file, "--quiet", "-o")
    assert benchmark(*given, tmp_path / "a") == 0
    weights = next((tmp_path / "a").rglob("weights.safetensors"))
    trained = (tmp_path / "a" / "release" / "mine" / "results.html").read_bytes()
    monkeypatch.setattr(train.Trainer, "fit", None)
    assert benchmark(*given, tmp_path / "a", "--weights", weights) == 0
    assert (tmp_path / "a" / "release" / "mine" / "results.html").read_bytes() == trained
    page = (tmp_path / "a" / "release" / "mine-weights" / "results.html").read_text()
    assert "Attention" in page
    assert benchmark(*given, tmp_path / "b", "--weights", weights) == 0
    results = [json.loads(next((tmp_path / n).rglob("result.json")).read_text()) for n in "ab"]
    assert results[0]["confusion"] == results[1]["confusion"]
    assert results[1]["weights_trained_on"] == "release"


def test_peers_pictures_train_unchanged(images_tree: Path, tmp_path: Path) -> None:
    recipe = vary(small(), {"train": {"epochs": 8}, "layers": {"attention_bn_relu": False}})
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert benchmark(images_tree, "--model", path, "--quiet", "-o", tmp_path / "o") == 0
    result = json.loads(next((tmp_path / "o").rglob("result.json")).read_text())
    assert result["split_sizes"] == {"train": 49, "validation": 7, "test": 14}
    assert result["war"] > 0.5  # the face's colour tells the class


def test_the_documented_model_of_ones_own_runs_to_its_results(
    images_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (Path(__file__).parents[2] / "models" / "README.md").read_text(encoding="utf-8")
    for name, language in (("my_models.py", "python"), ("mean.yaml", "yaml")):
        text = re.search(rf"```{language}\n(.*?)```", readme, re.DOTALL)[1]
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    given = (images_tree, "--model", tmp_path / "mean.yaml", "--epochs", 1, "--quiet")
    assert benchmark(*given, "-o", tmp_path / "o") == 0
    page = (tmp_path / "o" / "caer-s" / "mean-color" / "results.html").read_text()
    assert "w/cA" not in page and "<h3>Attention" not in page


def test_folders_of_results_are_compared_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, skill in (("a", 1.0), ("b", 3.0)):
        rows = {name: [predictions(skill=skill, seed=len(name))]}
        saved_predictions.write_predictions(rows, tmp_path / name)
        values = {"runs": [{"classes": EMOTIONS}]}
        (tmp_path / name / "results.json").write_text(json.dumps(values))
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "benchmark",
                "compare",
                str(tmp_path / "a"),
                str(tmp_path / "b"),
                "-o",
                str(tmp_path / "c"),
            ]
        )
    assert not stop.value.code
    said = capsys.readouterr().out
    assert "differences" in said and "b" in said
    assert (tmp_path / "c" / "comparison.html").is_file()
    with pytest.raises(SystemExit) as stop:
        main(["benchmark", "compare", str(tmp_path / "a"), str(tmp_path / "nowhere")])
    assert stop.value.code == 2
    assert "holds no results.json" in capsys.readouterr().err


def test_describe_trains_nothing_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["benchmark", "describe", "caer-net", "--json"])
    assert not stop.value.code
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == 6_890_572


MISTAKES = {
    "no release": (("nowhere",), "nowhere: no such folder"),
    "no such model": (("RELEASE", "--model", "resnext"), "resnext: no such model"),
    "images wanted": (("RELEASE", "--model", "caer-net-s"), "no images in CAER-S/train"),
    "two ways": (("RELEASE", "--suite", "table3", "--cross", "x"), "give only one of them"),
    "describe and more": (("--describe", "vgg", "--self-test"), "--describe and --self-test: give"),
    "a suite's model": (("--suite", "table3", "--model", "vgg"), "--suite and --model: give only"),
    "no other release": (("RELEASE", "--cross", "nothere"), "nothere: no such folder"),
    "a file": (("RELEASE/manifest.parquet",), "manifest.parquet: this is a file; name the folder"),
    "features": (("RELEASE", "--model", "c3d", "--features", "c3d"), "use the form MODEL=FILE"),
    "features of CAER-Net": (("RELEASE", "--features", "vgg=v.pth"), "only baselines"),
    "folds of a cross": (("RELEASE", "--cross", "x", "--folds", "3"), "--folds has no effect with"),
    "a stream of CAER-Net": (("RELEASE", "--input", "face"), "has streams of its own"),
    "groups of nothing": (("RELEASE", "--grouped"), "--grouped needs --folds K"),
    "epochs of weights": (
        ("RELEASE", "--weights", "RELEASE/manifest.parquet", "--epochs", "3"),
        "--epochs has no effect with --weights",
    ),
    "no weights": (("RELEASE", "--weights", "RELEASE/manifest.parquet"), "not a safetensors file"),
    "no gpu": (("RELEASE", "--device", "cuda"), "CUDA devices; use --device cpu"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    clips_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], mistake: str
) -> None:
    import torch

    if mistake == "no gpu" and torch.cuda.is_available():
        pytest.skip("this machine has one")
    arguments, sentence = MISTAKES[mistake]
    given = [a.replace("RELEASE", str(clips_release)) for a in arguments]
    assert benchmark(*given, "-o", tmp_path / "o") == 2
    assert not (tmp_path / "o").exists()
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


def test_a_broken_clip_is_left_out_said_and_listed(
    clips_release: Path, yaml_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = tmp_path / "broken"
    shutil.copytree(clips_release, release)
    (release / "CAER" / "train" / "Sad" / "0001.mp4").write_bytes(b"nothing")
    assert benchmark(release, "--model", yaml_file, "-o", tmp_path / "o", "--quiet") == 0
    assert "1 of 28 clips cannot be used" in capsys.readouterr().err
    result = json.loads(next((tmp_path / "o").rglob("result.json")).read_text())
    assert result["left_out"] == {"train": 1, "validation": 0, "test": 0}
    listed = pd.read_csv(next((tmp_path / "o").rglob("left-out.csv")))
    assert "differs from its hash" in listed.loc[0, "reason"]


def test_boxes_that_are_needed_and_unknown_are_asked_for(
    images_tree: Path, clips_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(images_tree, bare, ignore=shutil.ignore_patterns("*.txt"))
    assert benchmark(bare, "--model", "caer-net-s", "-o", tmp_path / "o") == 2
    assert "has no face boxes; put box lists" in capsys.readouterr().err
    everyone = vary(small("caer-net"), {"hide": {"faces": "all"}})
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump(everyone.model_dump(mode="json")))
    assert benchmark(clips_release, "--model", path, "-o", tmp_path / "o") == 2
    assert "boxes of the other faces" in capsys.readouterr().err


def test_suites_on_the_command_line_are_those_that_exist() -> None:
    from caer_data.benchmark.results.suites import NAMES
    from caer_data.cli.benchmark import command

    choices = next(p.type.choices for p in command.params if p.name == "suite")
    assert set(choices) == set(NAMES)


@pytest.mark.parametrize("arguments", [[], ["--describe", "caer-net"], ["--self-test"]])
def test_without_its_extra_it_is_refused_before_any_work(
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(extras, "version", lambda name: None)
    with pytest.raises(SystemExit) as stop:
        main(["benchmark", *arguments])
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert "(lightning-fabric, safetensors, torch); run pip install" in told
    assert list(tmp_path.iterdir()) == []
