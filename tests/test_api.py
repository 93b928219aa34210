import ast
import dataclasses
import doctest
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import caer_data
from caer_data.api import frames, models, videos
from caer_data.engine import recipe
from caer_data.engine.emotions import EMOTIONS

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


def test_the_example_of_load_model_holds_on_trained_weights(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from caer_data.benchmark import recipe as model_recipe
    from caer_data.benchmark.networks import create
    from caer_data.benchmark.training import checkpoint

    chosen = model_recipe.load("caer-net-s")
    path = tmp_path / "weights.safetensors"
    checkpoint.save_weights(path, create(chosen), chosen, EMOTIONS)
    Image.new("RGB", (320, 240), "teal").save(tmp_path / "picture.png")
    monkeypatch.chdir(tmp_path)
    (example,) = doctest.DocTestFinder(recurse=False).find(models.load_model, "load_model", models)
    result = doctest.DocTestRunner().run(example)
    assert result.attempted == 4 and not result.failed


def test_what_a_foreign_frame_lacks_is_not_measured():
    clips = pd.DataFrame({"clip_id": ["a", "b"], "split": ["train", "test"]})
    assert {verdict.verdict for verdict in caer_data.audit(clips)} == {"ok", "not measured"}
    with pytest.raises(caer_data.CaerError, match="lacks the column split"):
        caer_data.audit(clips.drop(columns="split"))
    with pytest.raises(caer_data.CaerError, match="split contains val; use train"):
        caer_data.audit(clips.assign(split="val"))


def test_classes_may_be_numbers_or_words_and_others_are_one_sentence():
    clips = pd.DataFrame({"clip_id": list("abcd"), "show": list("wxyz"), "label": [0, 1, 2, 6]})
    named = clips.drop(columns="label").assign(emotion=["anger", "disgust", "fear", "neutral"])
    shares = (50, 25, 25)
    assert caer_data.split(named, shares).equals(caer_data.split(clips, shares))
    for bad, shown in ((9, "9"), ("sad!", "sad!")):
        with pytest.raises(
            caer_data.CaerError, match=f"split: the column label contains {shown}; "
        ):
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
    page = (Path(__file__).parents[1] / "docs" / "library.md").read_text(encoding="utf-8")
    for name in ("shots", "tracks", "faces"):
        table = getattr(found, name)
        assert f"| `{name}` | `{', '.join(table)}` |" in page
    assert set(found.faces["track_id"]) == set(found.tracks["track_id"])
    assert set(found.tracks["shot_id"]) <= set(found.shots["shot_id"])
    persons = caer_data.cluster_people(found.tracks, found.embeddings, found.threshold)
    assert persons.iloc[0].startswith("p0")


def test_missing_columns_are_named_in_one_sentence():
    with pytest.raises(
        caer_data.CaerError,
        match=r"lacks the columns label \(class id, 0 to 6, or .*\), show \(its show\); add them",
    ):
        caer_data.split(pd.DataFrame({"clip_id": ["a"]}))


@pytest.mark.parametrize(
    "shares",
    [[70, 30], [-1, 30, 71], [0, 0, 0], [float("nan"), 1, 1], [float("inf"), 1, 1], "abc", 70],
    ids=str,
)
def test_impossible_shares_are_one_sentence(shares):
    with pytest.raises(caer_data.CaerError, match=r"the shares are .*; give three numbers"):
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
    page = (Path(__file__).parents[1] / "docs" / "library.md").read_text(encoding="utf-8")
    reasons = set(re.findall(r"^\| `(\w+)` \| has ", page, re.MULTILINE))
    unsure = ratings().assign(confidence=0.1, clip_id=lambda r: r.clip_id + "2")
    votes = pd.concat([ratings(), unsure, ratings().head(1).assign(clip_id="c")])
    assert set(caer_data.decide_labels(votes)["reason"].dropna()) == reasons


def test_agreement_of_a_frame_that_is_not_ours():
    found = caer_data.agreement(ratings().drop(columns="confidence"), bootstraps=200)
    assert found.clips == 2
    assert found.low <= found.alpha <= found.high < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.drop(columns="rater"), r"lacks the column rater \(who answered\)"),
        (lambda r: r.assign(emotion="joy"), "contains joy; the emotions are anger"),
        (lambda r: pd.concat([r, r.head(1)]), "x answered clip a more than once"),
    ],
    ids=["column", "emotion", "twice"],
)
@pytest.mark.parametrize("function", [caer_data.decide_labels, caer_data.agreement])
def test_mistakes_in_ratings_are_one_sentence(function, change, message):
    with pytest.raises(caer_data.CaerError, match=message):
        function(change(ratings()))


@pytest.mark.parametrize("empty", [None, float("nan"), "", " "], ids=repr)
@pytest.mark.parametrize("column", ["clip_id", "rater", "emotion"])
@pytest.mark.parametrize("function", [caer_data.decide_labels, caer_data.agreement])
def test_a_vote_with_an_empty_cell_is_refused(function, column, empty):
    votes = ratings().astype({column: object})
    votes.loc[1, column] = empty
    with pytest.raises(caer_data.CaerError, match=f": 1 of 6 rows has no {column}; fill the"):
        function(votes)


@pytest.mark.parametrize("bad", ["0.9", "0,9", 90, -0.5, float("inf"), True], ids=repr)
def test_a_confidence_is_a_number_from_0_to_1(bad):
    votes = ratings().astype({"confidence": object})
    votes.loc[1, "confidence"] = bad
    message = f"the column confidence contains {bad!r}; give numbers from 0 to 1"
    with pytest.raises(caer_data.CaerError, match=message):
        caer_data.decide_labels(votes)
    with pytest.raises(caer_data.CaerError, match="1 of 6 rows has no confidence"):
        caer_data.decide_labels(votes.assign(confidence=[float("nan"), 1, 1, 1, 1, 1]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"raters_per_clip": 2}, "clip 'a' has 3 raters, but raters_per_clip is 2; raise it"),
        ({"raters_per_clip": 1}, "min_agree is 2, but raters_per_clip is 1, so no clip could"),
        ({"raters_per_clip": "3"}, "raters_per_clip is '3'; give a whole number, 1 or more"),
        ({"rule": "guess"}, "rule"),
    ],
    ids=str,
)
def test_messages_about_labels_speak_of_the_arguments(arguments, message):
    with pytest.raises(caer_data.CaerError, match=message) as refused:
        caer_data.decide_labels(ratings(), **arguments)
    assert "recipe" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "bad"), [("bootstraps", -1), ("bootstraps", 0), ("seed", "x"), ("seed", -1)]
)
def test_agreement_takes_whole_numbers(name, bad):
    with pytest.raises(caer_data.CaerError, match=f"agreement: {name} is {bad!r}; give a whole"):
        caer_data.agreement(ratings(), **{name: bad})


@pytest.mark.parametrize("bad", ["x.csv", Path("x.csv"), None, [1]], ids=str)
@pytest.mark.parametrize("function", ["decide_labels", "agreement", "split", "audit"])
def test_what_is_no_frame_is_named(function, bad):
    with pytest.raises(
        caer_data.CaerError, match=r"'x.csv'.* is not a data frame|None is|\[1\] is"
    ):
        getattr(caer_data, function)(bad)


def twelve_shows() -> pd.DataFrame:
    clips = pd.DataFrame({"clip_id": [f"c{n}" for n in range(60)]})
    return clips.assign(
        label=[n % 7 for n in range(60)], show=[f"show {n % 12}" for n in range(60)]
    )


@pytest.mark.parametrize("empty", [None, ""], ids=repr)
def test_clips_without_a_group_are_not_split_and_not_said_to_be_well(empty):
    clips = twelve_shows()
    whole = clips.assign(split=caer_data.split(clips))
    (verdict,) = [v for v in caer_data.audit(whole) if v.check == "same show"]
    assert verdict.verdict == "ok"
    clips.loc[:5, "show"] = empty
    with pytest.raises(caer_data.CaerError, match="6 of 60 rows have no show; fill the column"):
        caer_data.split(clips)
    (verdict,) = [v for v in caer_data.audit(clips.assign(split=whole["split"]))
                  if v.check == "same show"]  # fmt: skip
    assert (verdict.verdict, verdict.count) == ("note", 6)


def test_a_known_identity_stands_for_a_missing_person():
    clips = twelve_shows().rename(columns={"show": "person_id"})
    clips["identity"] = clips["person_id"]
    drawn = caer_data.split(clips, by="person")
    clips.loc[3, "person_id"] = None
    assert caer_data.split(clips, by="person").equals(drawn)


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda c: pd.concat([c, c.head(3)]), {}, r"3 clips have more than one row \(such as 'c0'"),
        (lambda c: c.assign(emotion="sad"), {}, "label and emotion contradict .* 0 and 'sad'"),
        (lambda c: c.head(0), {}, "the frame has no rows"),
        (lambda c: c.drop(columns="label"), {}, r"label \(class id, 0 to 6, or the column emotion"),
        (lambda c: c.assign(label=None), {}, "60 of 60 rows have no label"),
        (lambda c: c, {"by": ["show", "video"]}, r"by is \['show', 'video'\]; give a text such as"),
        (lambda c: c, {"seed": "a"}, "seed is 'a'; give a whole number"),
    ],
    ids=["twice", "contradiction", "no rows", "no class", "empty class", "by", "seed"],
)
def test_mistakes_in_clips_to_split_are_one_sentence(change, arguments, message):
    with pytest.raises(caer_data.CaerError, match=f"split: .*{message}"):
        caer_data.split(change(twelve_shows()), **arguments)


def test_only_columns_of_the_frame_are_offered_to_split_by():
    two = twelve_shows().assign(
        video_id=lambda c: c.show, show=[f"show {n % 2}" for n in range(60)]
    )
    with pytest.raises(caer_data.CaerError, match=r"splits; split by video \(12 groups\), or omit"):
        caer_data.split(two)


@pytest.mark.parametrize(
    ("column", "bad", "message"),
    [
        ("emotion", "bored", "the column emotion contains bored; give one of anger"),
        ("face_height", 50, "the column face_height contains 50; give shares"),
        ("face_height", "0.5", "the column face_height contains '0.5'; give shares"),
        ("end_s", 0, r"end_s is before start_s in 1 of 60 rows \(such as of clip 'c2'"),
        ("perceptual_hash", "zzz", "the column perceptual_hash contains zzz; give hexadecimal"),
        ("split", None, "1 of 60 rows has no split"),
        ("clip_id", "", "1 of 60 rows has no clip_id"),
        ("split", "val", "the column split contains val; use train"),
    ],
    ids=str,
)
def test_mistakes_in_clips_to_audit_are_one_sentence(column, bad, message):
    clips = twelve_shows().assign(split="train", start_s=1.0)
    clips = clips.drop(columns="label") if column == "emotion" else clips
    good = clips.get(column, 9 if column == "end_s" else None)
    clips = clips.assign(**{column: good}).astype({column: object})
    caer_data.audit(clips)
    clips.loc[2, column] = bad
    with pytest.raises(caer_data.CaerError, match=f"audit: {message}"):
        caer_data.audit(clips)


def test_a_manifest_is_audited_as_by_its_export(everything):
    from caer_data.export.release import parts_of

    for part, files in parts_of(everything.manifest):
        told = [v for v in everything.verdicts[part] if v.check != "repeated footage"]
        found = [v for v in caer_data.audit(files) if v.check != "repeated footage"]
        assert found == told


def test_names_may_be_numbers_or_mixed_but_no_lists():
    clips = twelve_shows().astype(object)
    mixed = clips.assign(show=clips["show"].where(clips["show"] != "show 1", 1))
    assert caer_data.split(clips.assign(show=[n % 12 for n in range(60)])).nunique() == 3
    drawn = mixed.assign(split=caer_data.split(mixed), start_pts=0, end_pts=9)
    for name in ("video_id", "person_id", "identity"):
        drawn[name] = drawn["show"]
    found = {verdict.check: verdict.verdict for verdict in caer_data.audit(drawn)}
    assert found["overlapping time"] == found["same person in two shows"] == "ok"
    numbered = drawn.assign(person_id=range(60), identity=0)
    (line,) = [v for v in caer_data.audit(numbered) if v.check == "same person in two shows"]
    assert line.verdict == "finding"
    for name in ("clip_id", "show"):
        clips.at[1, name] = [1]
        with pytest.raises(
            caer_data.CaerError, match=rf"the column {name} contains \[1\]; give text"
        ):
            caer_data.split(clips)
        clips.at[1, name] = 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": 0}, "workers is 0; give a whole number, 1 or more"),
        ({"limit": -1}, "limit is -1; give a whole number, 1 or more"),
        ({"recipe": 3}, "recipe is 3; give a name such as 'caer'"),
        ({"output": ""}, "output is empty; give a path"),
        ({"shows": None}, "shows is None; give a path"),
    ],
    ids=str,
)
def test_impossible_arguments_of_a_build_are_one_sentence(arguments, message, tmp_path):
    with pytest.raises(caer_data.CaerError, match=f"build: {message}"):
        caer_data.build(**{"shows": tmp_path, "output": tmp_path / "dataset"} | arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("function", [caer_data.find_faces, caer_data.detect_shots])
def test_a_recipe_is_a_name_a_file_or_values(function, media_data):
    with pytest.raises(caer_data.CaerError, match="recipe is None; give a name such as"):
        function(media_data / "videos" / "title_noface_4s.mp4", None)


@pytest.mark.parametrize("function", [caer_data.find_faces, caer_data.detect_shots])
@pytest.mark.parametrize("name", ["nope.mp4", "", ".", None], ids=repr)
def test_what_is_no_video_is_one_sentence(function, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = "No such file|video is (empty|None); give a path|not a regular file"
    with pytest.raises(caer_data.CaerError, match=message):
        function(name)


def test_a_video_without_faces_has_no_persons(media_data):
    found = caer_data.find_faces(media_data / "videos" / "title_noface_4s.mp4")
    assert found.tracks.empty
    persons = caer_data.cluster_people(found.tracks, found.embeddings, found.threshold)
    assert found.tracks.assign(person=persons).groupby("person").size().empty


@pytest.mark.parametrize("bad", [-1, float("nan"), float("inf"), "0.4", None], ids=repr)
def test_a_threshold_is_a_number(bad):
    with pytest.raises(caer_data.CaerError, match=f"threshold is {bad!r}; give a number, 0"):
        caer_data.cluster_people(two_tracks(), np.eye(2, dtype=np.float32), bad)


def test_embeddings_may_be_lists_and_tracks_are_a_frame():
    vectors = np.eye(2, dtype=np.float32)
    found = caer_data.cluster_people(two_tracks(), vectors)
    assert caer_data.cluster_people(two_tracks(), vectors.tolist()).equals(found)
    with pytest.raises(caer_data.CaerError, match="the embeddings are 'x'; give an array"):
        caer_data.cluster_people(two_tracks(), "x")
    whole = caer_data.FoundFaces(two_tracks(), two_tracks(), two_tracks(), vectors, 0.4)
    with pytest.raises(
        caer_data.CaerError, match="a FoundFaces is not a data frame; give one with"
    ):
        caer_data.cluster_people(whole, vectors)
    with pytest.raises(caer_data.CaerError, match="track 'a' has several rows"):
        caer_data.cluster_people(two_tracks().assign(track_id="a"), vectors)
    with pytest.raises(caer_data.CaerError, match="1 of 2 rows has no shot_id"):
        caer_data.cluster_people(two_tracks().assign(shot_id=["s", None]), vectors)


def two_tracks() -> pd.DataFrame:
    tracks = pd.DataFrame({"track_id": ["a", "b"], "shot_id": "s", "start_frame": 0})
    return tracks.assign(end_frame=9, start_s=0.0, end_s=1.0)


def test_an_impossible_setting_is_one_sentence():
    with pytest.raises(caer_data.CaerError, match="rule"):
        caer_data.decide_labels(ratings(), rule="guess")


def test_shots_of_one_video(media_data):
    shots = caer_data.detect_shots(str(media_data / "shots_gt" / "street_bikes_10s.mp4"))
    assert len(shots) == 6
    assert shots["start_frame"].iloc[0] == 0
    assert shots["end_frame"].iloc[-1] == 250
