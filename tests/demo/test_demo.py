"""The demo: known truth, equal bytes, and a build that finds what was put in."""

from __future__ import annotations

import csv
import importlib.metadata
import itertools
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import built_dataset
import click
import numpy as np
import pytest
from click.testing import CliRunner

from caer_data import Dataset
from caer_data.cli import cli
from caer_data.cli.demo import command
from caer_data.demo import alive as demo_alive
from caer_data.demo import film as demo_film
from caer_data.demo import ratings as demo_ratings
from caer_data.demo import shows as demo
from caer_data.demo import storyboards as demo_show
from caer_data.demo.storyboards import CAST, PICTURES, STAND_IN, Role, Shot
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.media.decode import frames
from caer_data.media.probe import probe

SHORT = [
    Shot("place", "neutral", place="coffee", frames=32, effect="fade-in"),
    Shot("close-up", "happy", (Role("collins"),), place="pavilion", frames=34),
    Shot("insert", "sad", (Role("hopper"),), place="rocket", frames=14),
    Shot(
        "group",
        "happy",
        (Role(STAND_IN, 0.5, 0.21), Role("collins", 0.2, 0.21), Role("hopper", 0.77, 0.28)),
        place="flower",
        frames=32,
    ),
    Shot("close-up", "fear", (Role("hopper", 0.45),), "left", place="cat", frames=36),
]
ALL = [
    (show, episode, demo_show.storyboard(show, episode))
    for show in demo_show.SHOWS
    for episode in demo_show.EPISODES
]


@pytest.fixture
def short(monkeypatch):
    """One show of one episode of six seconds."""
    monkeypatch.setattr(demo_show, "SHOWS", ("First Light",))
    monkeypatch.setattr(demo_show, "EPISODES", ("s01e01",))
    monkeypatch.setattr(demo_show, "storyboard", lambda show, episode: SHORT)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_lie_in_installed_packages(name) -> None:
    source = PICTURES[name]
    (distribution,) = importlib.metadata.packages_distributions()[source.package]
    shipped = {str(file) for file in importlib.metadata.files(distribution)}
    assert f"{source.package}/{source.path}" in shipped
    assert source.locate().stat().st_size > 10_000
    assert source.licence in ("public domain", "CC0 1.0", "CC BY 2.0")
    assert source.author in demo_show.credits_text()


def test_a_missing_picture_is_one_sentence() -> None:
    source = demo_show.Source("skimage", "data/none.png", "", "", "")
    with pytest.raises(CaerError, match=r"skimage/data/none.png: .* install caer-data again"):
        source.locate()


@pytest.mark.parametrize(("show", "episode", "shots"), ALL)
def test_storyboard_holds_every_kind_of_shot(show, episode, shots) -> None:
    kinds = Counter(shot.kind for shot in shots)
    assert kinds["close-up"] == 8
    assert kinds["place"] == 3
    assert {"two-shot", "two equals", "group", "insert"} <= set(kinds)
    assert all(a.place != b.place for a, b in itertools.pairwise(shots))
    assert all(shot.frames >= 30 for shot in shots if shot.kind != "insert")
    assert {role.person for shot in shots for role in shot.cast} == {*CAST, STAND_IN}
    assert demo_show.storyboard(show, episode) == shots


def test_every_emotion_occurs_in_every_show() -> None:
    for show in demo_show.SHOWS:
        moods = [s.mood for name, _, shots in ALL if name == show for s in shots if s.cast]
        assert set(moods) == set(EMOTIONS)


def test_truth_adds_up() -> None:
    truth = demo_show.truth()
    assert len(truth["videos"]) == 6
    for video in truth["videos"].values():
        shots = video["shots"]
        assert shots[0]["start"] == 0
        assert shots[-1]["end"] == video["frames"]
        assert [shot["start"] for shot in shots[1:]] == video["cuts"]
        assert all(a["end"] == b["start"] for a, b in itertools.pairwise(shots))


def test_film_has_the_frames_the_cuts_and_the_sound(tmp_path) -> None:
    path = tmp_path / "film.mp4"
    demo_film.film(SHORT[:3], path, 0)
    info = probe(path)
    assert (info.width, info.height, str(info.fps)) == (demo_show.WIDTH, demo_show.HEIGHT, "25")
    assert info.has_audio
    small = [frame.small(64, 36).astype(int) for frame in frames(path, info)]
    assert len(small) == 80
    steps = [float(np.abs(b - a).mean()) for a, b in itertools.pairwise(small)]
    cuts = sorted(sorted(range(len(steps)), key=lambda i: -steps[i])[:2])
    assert [cut + 1 for cut in cuts] == [32, 66]
    assert small[0].mean() < 5 < small[16].mean()  # fades in from black


def test_equal_storyboards_give_equal_bytes(tmp_path) -> None:
    for name in ("a.mp4", "b.mp4"):
        demo_film.film(SHORT[1:3], tmp_path / name, 3)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_stopped_film_leaves_nothing(tmp_path) -> None:
    broken = [SHORT[0], Shot("place", "neutral", place="nowhere", frames=3)]
    with pytest.raises(KeyError):
        demo_film.film(broken, tmp_path / "film.mp4", 0)
    assert list(tmp_path.iterdir()) == []


def test_sound_is_as_long_as_the_shot_and_does_not_clip() -> None:
    for shot in SHORT:
        sound = demo_film.sound_of(shot, 1)
        assert len(sound) == shot.frames * demo_film.SAMPLE_RATE // demo_show.FPS
        assert 0.02 < np.abs(sound).max() < 1


def test_shows_are_filmed_once_and_again_when_the_story_changes(
    tmp_path, short, monkeypatch
) -> None:
    folder = tmp_path / "demo"
    shows = demo.make_shows(folder, Reporter("quiet"))
    video = shows / "First Light" / "s01e01.mp4"
    before = video.stat().st_mtime_ns
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["videos"]["First Light/s01e01.mp4"]["cuts"] == [32, 66, 80, 112]
    assert "danielbuechele" in (folder / "CREDITS.md").read_text()
    demo.make_shows(folder, Reporter("quiet"))
    assert video.stat().st_mtime_ns == before
    video.unlink()
    demo.make_shows(folder, Reporter("quiet"))
    before = video.stat().st_mtime_ns
    monkeypatch.setattr(demo_show, "storyboard", lambda show, episode: SHORT[:2])
    demo.make_shows(folder, Reporter("quiet"))
    assert video.stat().st_mtime_ns > before


def test_somebody_elses_dataset_is_left_alone(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", pictures=False)
    with pytest.raises(CaerError, match="is a dataset of other shows"):
        demo.check_output(tmp_path / "demo", dataset.folder)
    (dataset.tables_folder / "videos.parquet").unlink()
    with pytest.raises(CaerError, match="is a dataset of other shows"):
        demo.check_output(tmp_path / "demo", dataset.folder)


def test_its_own_dataset_is_gone_on_with(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", show="First Light", pictures=False)
    demo.check_output(tmp_path / "demo", dataset.folder)
    demo.check_output(tmp_path / "demo", tmp_path / "nothing-yet")


def test_ratings_without_a_build_are_refused() -> None:
    result = CliRunner().invoke(command, ["--ratings", "--no-build"])
    assert result.exit_code == 2
    assert "omit --no-build" in result.output


def test_ratings_are_made_up_plausible_and_marked(tmp_path, monkeypatch) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", 240, "First Light", pictures=False)
    length = built_dataset.FRAMES
    moods = [EMOTIONS[i % 7] for i in range(240)]
    shots = [
        {"start": i * length, "end": (i + 1) * length, "mood": mood} for i, mood in enumerate(moods)
    ]
    (tmp_path / "truth.json").write_text(
        json.dumps({"videos": {"First Light/e1.mp4": {"shots": shots}}})
    )
    path = demo_ratings.write_ratings(dataset.folder, tmp_path)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert tuple(rows[0]) == demo_ratings.COLUMNS
    assert {row["source"] for row in rows} == {"made-up"}
    assert {row["emotion"] for row in rows} == set(EMOTIONS)
    assert all(0 <= float(row["confidence"]) <= 1 for row in rows)
    clips = dataset.clips[dataset.clips["status"] == "kept"]
    by_clip = Counter(row["clip_id"] for row in rows)
    assert by_clip == dict.fromkeys(clips["clip_id"], 3)
    assert len({(row["clip_id"], row["rater"]) for row in rows}) == len(rows)
    load = Counter(row["rater"] for row in rows)
    assert set(load) == set(demo_ratings.RATERS)
    assert max(load.values()) - min(load.values()) <= 4
    mood = dict(zip(dataset.clips["clip_id"], moods, strict=True))
    right = np.mean([row["emotion"] == mood[row["clip_id"]] for row in rows])
    assert 0.7 < right < 0.95
    first = path.read_bytes()
    assert demo_ratings.write_ratings(dataset.folder, tmp_path).read_bytes() == first


def test_ratings_of_other_clips_are_refused(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", pictures=False)
    (tmp_path / "truth.json").write_text(json.dumps({"videos": {}}))
    with pytest.raises(CaerError, match="not a clip of the demo's shows"):
        demo_ratings.write_ratings(dataset.folder, tmp_path)


@pytest.mark.slow
def test_demo_from_nothing_to_imported_ratings(tmp_path, short, monkeypatch) -> None:
    from caer_data.labels import csv_import

    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(
        command, ["--workers", "1", "--ratings", "--json"], catch_exceptions=False
    )
    assert result.exit_code == 0
    events = [json.loads(line) for line in result.stdout.splitlines()]
    steps = [line.strip() for line in events[-2]["text"].splitlines()]
    assert steps[-2:] == ["caer-data annotate import demo/ratings.csv", "caer-data view"]
    assert (events[-1]["event"], events[-1]["kept"]) == ("result", 2)
    dataset = Dataset("dataset")
    clips = dataset.clips
    truth = demo_show.truth()["videos"]["First Light/s01e01.mp4"]
    assert list(clips["start_frame"]) == [0, *truth["cuts"]]
    assert list(clips["reason"].fillna("kept")) == ["no_face", "kept", "too_short", "group", "kept"]
    assert list(clips["n_people"].fillna(-1)) == [0, 1, -1, 3, 1]
    assert clips["person_id"].dropna().nunique() == 2
    assert len(dataset.people) == 3
    assert dataset.report_path.is_file()
    ratings = csv_import.read(tmp_path / "demo" / "ratings.csv", dataset)
    assert len(ratings) == 6
    assert set(ratings["source"]) == {"made-up"}


def test_finding_a_picture_does_not_import_its_package() -> None:
    code = (
        "import sys; from caer_data.demo.storyboards import PICTURES; "
        "[source.locate() for source in PICTURES.values()]; "
        "print({'skimage', 'sklearn', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_file_in_place_of_the_folder_is_one_sentence(tmp_path) -> None:
    (tmp_path / "demo").write_text("a file")
    with pytest.raises(CaerError, match="not a folder"):
        demo.make_shows(tmp_path / "demo", Reporter("quiet"))


@pytest.mark.parametrize("name", ["truth.json", "CREDITS.md", "raw/First Light/s01e01.mp4"])
def test_a_file_of_somebodys_is_not_written_over(short, tmp_path, name):
    mine = tmp_path / name
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(CaerError, match="was not written by a demo"):
        demo.make_shows(tmp_path, Reporter("quiet"))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [mine]
    assert mine.read_text() == "mine"


def test_heads_move_and_what_stands_behind_them_does_not() -> None:
    shot = demo_show.Shot(
        "close-up", "neutral", (demo_show.Role("collins"),), place="rocket", frames=30
    )
    scene = demo_film._Scene(shot)
    first, later = (scene.at(time).astype(int) for time in (0.0, 0.6))
    changed = np.abs(first - later).max(2) > 12
    columns = np.nonzero(changed)[1]
    height, width = changed.shape
    middle = 0.5 * width
    assert changed.mean() > 0.002
    assert np.abs(columns - middle).max() < 2 * 0.34 * demo_show.HEIGHT
    assert not changed[int(0.9 * height) :].any()  # the body stands


def test_who_stands_in_front_speaks_and_everybody_blinks() -> None:
    face = demo_alive.Face(100.0, 100.0, 60.0, 7, speaks=True)
    speaker = demo_alive.Mover(face, face.square(300, 300))
    silent = demo_alive.Mover(replace(face, speaks=False), face.square(300, 300))
    times = np.arange(0, 4, 0.04)
    assert max(map(speaker._opened, times)) > 0.3 and max(map(silent._opened, times)) == 0
    closed = [silent._closed(time) for time in times]
    assert max(closed) > 0.5 and np.mean(np.array(closed) > 0) < 0.35


def test_the_whole_chain_is_walked_and_says_where_it_stops_without_torch(
    tmp_path, monkeypatch
) -> None:
    from caer_data.cli import demo as verb
    from caer_data.engine import extras

    walked: list[list[str]] = []
    monkeypatch.setattr(cli, "main", lambda args, **_: walked.append(args))
    for missing in ([], ["torch"]):
        monkeypatch.setattr(extras, "missing", lambda extra, found=missing: found)
        walked.clear()
        verb._walk(verb._rest(["-d", "mine"], Reporter("quiet")), Reporter("quiet"))
        assert [step[0] for step in walked] == (
            ["export", "report"] if missing else ["export", "benchmark", "report"]
        )
        assert all(step[-1] == "--quiet" for step in walked)
    monkeypatch.setattr(cli, "main", lambda args, **_: 1)
    with pytest.raises(click.exceptions.Exit):
        verb._walk([["export"]], Reporter("quiet"))
