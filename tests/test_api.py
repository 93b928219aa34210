import ast
import dataclasses
import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import caer_data
from caer_data.api import frames, videos
from caer_data.engine import recipe

NEED_FILES = ("build", "detect_shots", "find_faces")


def test_importing_the_package_loads_no_heavy_library():
    code = (
        "import sys, caer_data; dir(caer_data); "
        "print({'pandas', 'cv2', 'torch', 'numpy'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_every_public_name_is_there_and_listed():
    assert all(getattr(caer_data, name) for name in caer_data.__all__)
    assert set(caer_data.__all__) <= set(dir(caer_data))


def own_types(annotation: str, module: str) -> set[str]:
    """Names of our classes in an annotation, those behind the aliases of its module included."""
    source = ast.parse(Path(sys.modules[module].__file__).read_text(encoding="utf-8"))
    homes = {
        alias.name: node.module
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    aliases = {
        target.id: ast.unparse(node.value)
        for node in ast.walk(source)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = set()
    for node in ast.walk(ast.parse(annotation)):
        name = node.id if isinstance(node, ast.Name) else ""
        home = homes.get(name, module)
        if name in aliases:
            found |= own_types(aliases[name], module)
        elif home.startswith("caer_data") and is_class(home, name):
            found.add(name)
    return found


def is_class(module: str, name: str) -> bool:
    return inspect.isclass(getattr(importlib.import_module(module), name, None))


@pytest.mark.parametrize("public", [n for n in caer_data.__all__ if not n.startswith("__")])
def test_types_that_public_names_take_and_return_are_public(public):
    thing = getattr(caer_data, public)
    annotations = {}
    if inspect.isfunction(thing) or dataclasses.is_dataclass(thing):
        annotations = inspect.get_annotations(thing)
        assert annotations
    named = {n for text in annotations.values() for n in own_types(str(text), thing.__module__)}
    assert named <= set(caer_data.__all__)


def test_every_public_name_is_described_on_the_page_of_the_library():
    page = (Path(__file__).parents[1] / "docs" / "library.md").read_text(encoding="utf-8")
    names = [name for name in caer_data.__all__ if not name.startswith("__")]
    assert [name for name in names if f"{name}`" not in page and f"`{name}" not in page] == []
    assert all((getattr(caer_data, name).__doc__ or "").strip() for name in names)


def test_no_public_name_is_that_of_a_module():
    # importing caer_data.x puts the module into the place of a function x
    folder = Path(caer_data.__file__).parent
    modules = {path.stem for path in folder.iterdir() if path.suffix in ("", ".py")}
    assert modules & set(caer_data.__all__) == set()


@pytest.mark.parametrize(
    ("module", "examples"), [(frames, 10), (videos, 3), (recipe, 1), (caer_data, 3)], ids=str
)
def test_the_examples_of_the_docstrings_hold(module, examples):
    found = [
        test
        for test in doctest.DocTestFinder().find(module)
        if test.name.rpartition(".")[2] not in NEED_FILES
    ]
    runner = doctest.DocTestRunner()
    for test in found:
        runner.run(test)
    result = runner.summarize()
    assert result.attempted >= examples and not result.failed


@pytest.mark.parametrize("function", NEED_FILES)
def test_the_example_holds_on_a_video(function, media_data, tmp_path, monkeypatch):
    (tmp_path / "shows").mkdir()
    video = media_data / "videos" / "man_webcam_2s.mp4"
    (tmp_path / "shows" / "pilot.mp4").symlink_to(video)
    (tmp_path / "episode.mp4").symlink_to(video)
    monkeypatch.chdir(tmp_path)
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(getattr(videos, function), function, videos)
    result = doctest.DocTestRunner().run(example)
    assert result.attempted >= 1 and not result.failed


def test_what_a_foreign_frame_lacks_is_not_measured():
    clips = pd.DataFrame({"clip_id": ["a", "b"], "split": ["train", "test"]})
    assert {verdict.verdict for verdict in caer_data.audit(clips)} == {"ok", "not measured"}
    with pytest.raises(caer_data.CaerError, match="lacks the column split"):
        caer_data.audit(clips.drop(columns="split"))
    with pytest.raises(caer_data.CaerError, match="split holds val; use train"):
        caer_data.audit(clips.assign(split="val"))


def test_classes_may_be_numbers_or_words_and_others_are_one_sentence():
    clips = pd.DataFrame({"clip_id": list("abcd"), "show": list("wxyz"), "label": [0, 1, 2, 6]})
    named = clips.drop(columns="label").assign(emotion=["anger", "disgust", "fear", "neutral"])
    shares = (50, 25, 25)
    assert caer_data.split(named, shares).equals(caer_data.split(clips, shares))
    for bad, shown in ((9, "9"), ("sad!", "sad!"), (float("nan"), "nan")):
        with pytest.raises(caer_data.CaerError, match=f"split: the column label holds {shown}; "):
            caer_data.split(clips.assign(label=[0, 1, 2, bad]))
    drawn = clips.assign(split=["train", "train", "test", "test"])
    (balance,) = [v for v in caer_data.audit(drawn) if v.check == "class balance"]
    assert balance.verdict != "not measured"


def test_persons_need_their_columns_and_one_embedding_per_track():
    tracks = pd.DataFrame({"track_id": ["a"], "shot_id": "s", "start_frame": 0, "end_frame": 9})
    with pytest.raises(caer_data.CaerError, match=r"start_s \(seconds\), end_s \(seconds\)"):
        caer_data.cluster_people(tracks, np.zeros((1, 2), np.float32))
    with pytest.raises(caer_data.CaerError, match=r"1 tracks, but embeddings of shape \(2, 2\)"):
        caer_data.cluster_people(
            tracks.assign(start_s=0.0, end_s=1.0), np.zeros((2, 2), np.float32)
        )


def test_a_script_without_a_main_guard_builds(media_data, tmp_path):
    shows = tmp_path / "shows"
    shows.mkdir()
    for name in ("man_webcam_2s.mp4", "title_noface_4s.mp4"):
        (shows / name).symlink_to(media_data / "videos" / name)
    script = tmp_path / "script.py"
    script.write_text(
        "import caer_data\n"
        "print('the script runs')\n"
        f"outcome = caer_data.build({str(shows)!r}, {str(tmp_path / 'dataset')!r}, workers=2)\n"
        "print(outcome.failed, outcome.videos)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("the script runs\n{} 2\n", "")


def test_faces_and_persons_of_one_video(media_data):
    found = caer_data.find_faces(media_data / "videos" / "man_webcam_2s.mp4")
    assert len(found.tracks) == len(found.embeddings) > 0
    assert set(found.faces["track_id"]) == set(found.tracks["track_id"])
    assert set(found.tracks["shot_id"]) <= set(found.shots["shot_id"])
    persons = caer_data.cluster_people(found.tracks, found.embeddings, found.threshold)
    assert persons.iloc[0].startswith("p0")


def test_missing_columns_are_named_in_one_sentence():
    with pytest.raises(
        caer_data.CaerError,
        match=r"lacks the columns label \(class id, 0 to 6\), show \(its show\); add them",
    ):
        caer_data.split(pd.DataFrame({"clip_id": ["a"]}))


@pytest.mark.parametrize(
    "shares",
    [[70, 30], [-1, 30, 71], [0, 0, 0], [float("nan"), 1, 1], [float("inf"), 1, 1], "abc", 70],
    ids=str,
)
def test_impossible_shares_are_one_sentence(shares):
    with pytest.raises(caer_data.CaerError, match=r"the shares are .*; give three numbers, none"):
        caer_data.split(pd.DataFrame(), shares)


def test_labels_name_clips_as_the_ratings_do():
    numbered = pd.concat([ratings().replace({"clip_id": {"a": 10, "b": 9}})], ignore_index=True)
    numbered = numbered.astype({"clip_id": "int64"})
    decided = caer_data.decide_labels(numbered)
    assert decided["clip_id"].tolist() == [9, 10]
    assert decided["clip_id"].dtype == "int64"
    assert len(decided.merge(numbered, on="clip_id")) == len(numbered)


def ratings() -> pd.DataFrame:
    rows = [
        (clip, rater, emotion, 0.9)
        for clip, emotions in {"a": ["sad", "sad", "fear"], "b": ["sad", "fear", "happy"]}.items()
        for rater, emotion in zip("xyz", emotions, strict=True)
    ]
    return pd.DataFrame(rows, columns=["clip_id", "rater", "emotion", "confidence"])


def test_labels_of_a_frame_that_is_not_ours():
    decided = caer_data.decide_labels(ratings()).set_index("clip_id")
    assert decided.loc["a", ["emotion", "status"]].tolist() == ["sad", "kept"]
    assert decided.loc["b", ["status", "reason"]].tolist() == ["dropped", "no_majority"]


def test_agreement_of_a_frame_that_is_not_ours():
    found = caer_data.agreement(ratings().drop(columns="confidence"), bootstraps=200)
    assert found.clips == 2
    assert found.low <= found.alpha <= found.high < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.drop(columns="rater"), r"lacks the column rater \(who answered\)"),
        (lambda r: r.assign(emotion="joy"), "holds joy; the emotions are anger"),
        (lambda r: pd.concat([r, r.head(1)]), "x answered clip a more than once"),
    ],
    ids=["column", "emotion", "twice"],
)
@pytest.mark.parametrize("function", [caer_data.decide_labels, caer_data.agreement])
def test_mistakes_in_ratings_are_one_sentence(function, change, message):
    with pytest.raises(caer_data.CaerError, match=message):
        function(change(ratings()))


def test_an_impossible_setting_is_one_sentence():
    with pytest.raises(caer_data.CaerError, match="rule"):
        caer_data.decide_labels(ratings(), rule="guess")


def test_shots_of_one_video(media_data):
    shots = caer_data.detect_shots(str(media_data / "shots_gt" / "street_bikes_10s.mp4"))
    assert len(shots) == 6
    assert shots["start_frame"].iloc[0] == 0
    assert shots["end_frame"].iloc[-1] == 250
