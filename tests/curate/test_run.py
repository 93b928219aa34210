"""The build as a whole, on real video: what it leaves, what it makes again, what stops it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import worker_tasks
import yaml
from small_disk import enlarge, small_disk

from caer_data import Dataset
from caer_data.api import build
from caer_data.curate import intake, keeping
from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.engines import LocalEngine
from caer_data.engine.errors import BusyError, CaerError, PartialFailure
from caer_data.engine.identity import Anchor
from caer_data.engine.pool import Limits, Outcome
from caer_data.export import labelled
from caer_data.labels import csv_import
from caer_data.labels import decide as labels

# fewer and smaller looks than any shipped recipe takes, so that the tests are quick
RECIPE = {
    "name": "test",
    "faces": {"detector_size": 480, "samples_per_second": 1.25, "first_look": 1},
    "clips": {"preset": "ultrafast", "max_height": 180},
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("recipe") / "test.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return str(path)


@pytest.fixture(scope="module")
def shows(media_data, tmp_path_factory) -> Path:
    """Two shows: three good videos, one twice, one broken."""
    folder = tmp_path_factory.mktemp("raw")
    films = media_data / "videos"
    places = {
        "Show One/e1.mp4": films / "woman_sad_then_happy_20s.mp4",
        "Show One/e2.mp4": films / "portrait_d19_man_smile.mp4",
        "Show Two/deep/er/pilot.mov": media_data / "shots_gt" / "webcam_face_noface_vfr_6s.mov",
        "Show Two/again.mp4": films / "portrait_d19_man_smile.mp4",
        "Show Two/broken.mp4": media_data / "odd" / "broken.mp4",
        "Show Two/notes.txt": media_data / "INDEX.md",
    }
    for name, source in places.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / name)
    (folder / "Show One" / "e1.de.srt").write_text("00:00:01,000 --> 00:00:02,000\nTräne\n")
    return folder


@pytest.fixture(scope="module")
def built(shows, recipe, tmp_path_factory) -> Dataset:
    folder = tmp_path_factory.mktemp("built") / "dataset"
    build(shows, folder, recipe, workers=2)
    return Dataset(folder)


def test_what_is_said_and_every_sound_track_are_tables_of_a_build(built) -> None:
    (line,) = built.lines.itertuples()
    assert (line.track, line.text, line.language) == ("Show One/e1.de.srt", "Träne", "deu")
    clips = built.clips
    (own,) = clips[clips["clip_key"] == line.clip_key].itertuples()
    assert own.start_s <= 1.0 < own.end_s
    assert set(built.audio_tracks["video_id"]) >= set(built.clips["video_id"])
    # their sound is digital silence throughout
    assert clips.loc[clips["video_id"] == "show-one.e1", "speech"].isna().all()
    if built.recipe.speech.voice == "silero":
        assert "unknown" in set(built.speech["state"])


def digests(dataset: Dataset) -> dict[str, str]:
    """Hash of every table and clip."""
    files = [*dataset.tables_folder.iterdir(), *dataset.clips_folder.rglob("*.mp4")]
    return {
        p.relative_to(dataset.folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(files)
    }


def copy_of(built: Dataset, tmp_path: Path) -> Dataset:
    shutil.copytree(built.folder, tmp_path / "dataset")
    return Dataset(tmp_path / "dataset")


def test_every_file_has_a_row_and_the_broken_one_its_reason(built):
    videos = built.videos.set_index("path")
    assert videos["status"].to_dict() == {
        "Show One/e1.mp4": "ok",
        "Show One/e2.mp4": "ok",
        "Show Two/again.mp4": "duplicate",
        "Show Two/broken.mp4": "failed",
        "Show Two/deep/er/pilot.mov": "ok",
    }
    assert "e2.mp4" in videos.loc["Show Two/again.mp4", "reason"]
    assert videos.loc["Show Two/broken.mp4", "reason"]
    pilot = videos.loc["Show Two/deep/er/pilot.mov"]
    assert (pilot["show"], pilot["episode"]) == ("Show Two", "deep/er/pilot")
    assert pilot["frames"] == 169
    assert pilot["variable_rate"]
    assert videos.loc["Show One/e1.mp4", "fps"] == "24000/1001"


def test_shots_cover_every_frame(built):
    frames = built.videos.set_index("video_id")["frames"]
    for video_id, shots in built.shots.groupby("video_id"):
        assert shots["start_frame"].tolist() == [0, *shots["end_frame"].tolist()[:-1]]
        assert shots["end_frame"].iloc[-1] == frames[video_id]


def test_tables_hang_together(built):
    tracks, faces, clips = built.tracks, built.faces, built.clips
    assert set(faces["track_id"]) == set(tracks["track_id"])
    assert set(tracks["shot_id"]) <= set(built.shots["shot_id"])
    assert set(tracks["person_id"]) == set(built.people["person_id"])
    assert set(clips["shot_id"]) == set(built.shots["shot_id"])
    lengths = faces.groupby("track_id")["frame"].agg(["min", "max", "size"])
    lengths = lengths.loc[tracks["track_id"]]
    assert (lengths["min"].to_numpy() == tracks["start_frame"].to_numpy()).all()
    assert (lengths["max"].to_numpy() == tracks["end_frame"].to_numpy() - 1).all()
    assert (lengths["size"] == lengths["max"] - lengths["min"] + 1).all()
    sizes = built.videos.set_index("video_id")
    own = faces.merge(tracks[["track_id", "video_id"]])
    assert (own["x2"].to_numpy() <= sizes.loc[own["video_id"], "width"].to_numpy()).all()
    assert ((faces["x1"] < faces["x2"]) & (faces["y1"] < faces["y2"])).all()


def test_the_clips_on_disk_are_the_kept_rows(built):
    kept = built.clips[built.clips["status"] == "kept"]
    assert len(kept) >= 4
    on_disk = {p.relative_to(built.folder).as_posix() for p in built.clips_folder.rglob("*.mp4")}
    assert on_disk == set(kept["path"])
    for row in kept.to_dict("records"):
        data = (built.folder / row["path"]).read_bytes()
        assert len(data) == row["bytes"]
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
    constant = kept[~kept["video_id"].str.startswith("show-two")]
    assert (constant["frames"] == constant["end_frame"] - constant["start_frame"]).all()
    assert kept["has_audio"].all()


def test_the_same_woman_is_one_person(built):
    clips = built.clips.query("video_id == 'show-one.e1' and status == 'kept'")
    assert clips["person_id"].nunique() == 1
    other = built.clips.query("video_id == 'show-one.e2' and status == 'kept'")
    assert set(other["person_id"]).isdisjoint(clips["person_id"])


def test_the_faceless_shot_is_dropped_for_that(built):
    pilot = built.clips[built.clips["video_id"] == "show-two.deep-er-pilot-mov-f35126"]
    assert pilot["reason"].tolist()[-1] == "no_face"
    assert pilot["status"].tolist()[0] == "kept"


def test_the_report_is_written(built):
    page = built.report_path.read_text()
    assert "broken.mp4" in page
    assert "data:image/jpeg" in page
    assert "no picture kept" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_running_again_changes_nothing_and_works_on_nothing(
    built, shows, recipe, tmp_path, monkeypatch
):
    dataset = copy_of(built, tmp_path)
    before = digests(dataset)
    monkeypatch.setattr(LocalEngine, "run", _no_analysis(LocalEngine.run))
    build(shows, dataset.folder, recipe)
    assert digests(dataset) == before


def _no_analysis(run):
    def checked(engine, stage, tasks, *rest):
        names = [task.function.__name__ for task in tasks]
        assert set(names) <= {"describe"}, f"worked again: {names}"
        return run(engine, stage, tasks, *rest)

    return checked


def test_a_filter_threshold_changes_clips_alone(built, shows, tmp_path, monkeypatch):
    dataset = copy_of(built, tmp_path)
    strict = tmp_path / "strict.yaml"
    strict.write_text(yaml.safe_dump(RECIPE | {"filter": {"min_face_height": 0.95}}))
    before = digests(dataset)
    monkeypatch.setattr(LocalEngine, "run", _no_analysis(LocalEngine.run))
    outcome = build(shows, dataset.folder, str(strict))
    assert outcome.kept == 0
    assert outcome.dropped["too_small"] >= 3
    after = digests(dataset)
    changed = {name for name in before if before[name] != after.get(name)}
    # lines name the clip that has them
    tables_changed = {n for n in changed if n.startswith("tables")}
    assert tables_changed == {"tables/clips.parquet", "tables/lines.parquet"}
    assert not [n for n in after if n.startswith("clips")]


def test_a_lower_least_length_judges_short_shots_without_looking_again(
    built, shows, tmp_path, monkeypatch
):
    dataset, worked = copy_of(built, tmp_path), []
    run = LocalEngine.run

    def noted(engine, stage, tasks, *rest):
        worked.extend(task.function.__name__ for task in tasks)
        return run(engine, stage, tasks, *rest)

    monkeypatch.setattr(LocalEngine, "run", noted)
    clips = {}
    for frames in (90, 60):  # between the lengths of the pilot's two shots, and below both
        path = tmp_path / f"{frames}.yaml"
        limits = {"min_seconds": None, "min_frames": frames}
        path.write_text(yaml.safe_dump(RECIPE | {"clips": RECIPE["clips"] | limits}))
        worked.clear()
        build(shows, dataset.folder, str(path))
        clips[frames] = Dataset(dataset.folder).clips.set_index("clip_id")
    short = clips[90].loc[clips[90]["reason"] == "too_short"]
    assert short["episode"].tolist() == ["deep/er/pilot"]
    assert short["n_people"].isna().all(), "nobody counted them"
    now = clips[60].loc[short.index]
    assert now["status"].tolist() == ["kept"] and now["n_people"].tolist() == [1]
    assert [name for name in worked if name != "describe"] == ["cut"], "one clip, and no face"


def test_without_a_recipe_the_datasets_own_is_taken(built, shows, tmp_path):
    dataset = copy_of(built, tmp_path)
    before = digests(dataset)
    build(shows, dataset.folder)
    assert dataset.recipe.name == "test"
    assert digests(dataset) == before


def test_cuts_decided_by_hand_are_applied_and_undone(media_data, recipe, tmp_path):
    video = media_data / "shots_gt" / "webcam_face_noface_vfr_6s.mov"
    dataset = Dataset(tmp_path / "dataset")
    build(video, dataset.folder, recipe, workers=1)
    before, store = Dataset(dataset.folder), Decisions(dataset.folder)
    shots, key = before.shots, before.videos["sha256"].iloc[0]
    (pts,) = before.keys["start_pts"].head(1) + 30 * (shots["end_pts"][0] // shots["end_frame"][0])
    cut = store.append(
        Decision("cut_add", "ann", (Anchor(key, int(pts), int(pts), 0, None),), why="a jump cut")
    )
    build(video, dataset.folder, recipe, workers=1)
    after = Dataset(dataset.folder)
    assert len(after.shots) == len(shots) + 1
    assert int(pts) in set(after.shots["start_pts"])
    assert set(after.tracks["shot_id"]) <= set(after.shots["shot_id"])
    store.append(Decision("undo", "ann", value=json.dumps(cut.key)))
    build(video, dataset.folder, recipe, workers=1)
    assert Dataset(dataset.folder).shots.equals(shots)
    assert Dataset(dataset.folder).clips.equals(before.clips)


def test_an_edited_video_is_noticed(built, shows, recipe, media_data, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(shows, raw)
    dataset = copy_of(built, tmp_path)
    shutil.copy(media_data / "videos" / "man_webcam_2s.mp4", raw / "Show One" / "e1.mp4")
    build(raw, dataset.folder, recipe)
    video = dataset.videos.set_index("path").loc["Show One/e1.mp4"]
    assert video["frames"] == 72
    assert len(dataset.shots.query("video_id == 'show-one.e1'")) == 1


@pytest.mark.slow
def test_killed_at_random_moments_and_run_again(built, shows, recipe, tmp_path):
    """Kills come at moments spread over the whole run; each run goes on where the last was."""
    folder = tmp_path / "dataset"
    command = [sys.executable, "-m", "caer_data", "build", "--shows", str(shows), "-o",
               str(folder), "--recipe", recipe, "--workers", "2", "--quiet"]  # fmt: skip
    rng = random.Random(7)
    kills = 0
    while kills < 6:
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            try:
                process.wait(rng.uniform(1.0, 6.0))
                break
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
    assert kills, "the build was never killed"
    time.sleep(1)
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 3, done.stderr
    assert digests(Dataset(folder)) == digests(built)
    assert not list(folder.rglob("*.part"))


def test_results_of_pyannote_video_take_the_place_of_ours(shows, recipe, tmp_path):
    results = tmp_path / "results" / "Show One"
    results.mkdir(parents=True)
    segments = [{"segment": {"start": a, "end": b}} for a, b in ((0, 3), (3, 8.4))]
    (results / "e2.shots.json").write_text(
        json.dumps({"pyannote": "Annotation", "content": segments})
    )
    lines = [f"{n / 30:.3f} 4 0.2 0.1 0.6 0.7 detection" for n in range(120)]
    (results / "e2.track.txt").write_text("\n".join(lines))
    folder = tmp_path / "dataset"
    build(shows / "Show One", folder, recipe, pyannote=tmp_path / "results" / "Show One")
    dataset = Dataset(folder)
    video_id = dataset.videos.set_index("path").loc["e2.mp4", "video_id"]
    shots = dataset.shots[dataset.shots["video_id"] == video_id]
    assert shots["start_frame"].tolist() == [0, 90]
    tracks = dataset.tracks[dataset.tracks["video_id"] == video_id]
    assert tracks["shot_id"].tolist() == shots["shot_id"].tolist()
    boxes = dataset.faces[dataset.faces["track_id"] == tracks["track_id"].iloc[0]]
    assert boxes[["x1", "y1", "x2", "y2"]].iloc[0].tolist() == [96, 48, 288, 336]
    with pytest.raises(CaerError, match="contains no results for these videos"):
        build(shows, folder, recipe, pyannote=tmp_path)


def test_two_builds_on_one_folder(built, shows, recipe):
    with built.lock(), pytest.raises(BusyError, match="another caer-data command"):
        build(shows, built.folder, recipe)


def test_limit_takes_the_first_videos(shows, recipe, tmp_path):
    outcome = build(shows / "Show Two", tmp_path / "d", recipe, limit=1)
    assert outcome.videos == 1
    assert Dataset(tmp_path / "d").videos["path"].tolist() == ["again.mp4"]


def test_a_video_that_is_stopped_costs_itself_alone(shows, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "analyse", worker_tasks.analyse_but_hoard_over_one)
    limits = Limits(memory=1_500_000_000)
    outcome = build(shows / "Show One", tmp_path / "d", recipe, limits=limits, workers=2)
    assert outcome.videos == 1
    assert "needed more than" in outcome.failed["e1.mp4"]
    dataset = Dataset(tmp_path / "d")
    assert dataset.videos.set_index("path")["status"].to_dict() == {
        "e1.mp4": "failed",
        "e2.mp4": "ok",
    }
    assert set(dataset.clips["episode"]) == {"e2"}


def test_a_worker_lost_after_its_work_was_done_costs_nothing(
    built, shows, recipe, tmp_path, monkeypatch
):
    run = LocalEngine.run

    def lost(engine, stage, tasks, *rest):
        for outcome in run(engine, stage, tasks, *rest):
            known = outcome.task.function.__name__ != "analyse"
            yield outcome if known else replace(outcome, value=None, error="lost")

    monkeypatch.setattr(LocalEngine, "run", lost)
    outcome = build(shows, tmp_path / "d", recipe)
    assert list(outcome.failed) == ["Show Two/broken.mp4"]
    assert digests(Dataset(tmp_path / "d")) == digests(built)


def test_every_clip_of_a_lost_cutting_worker_is_named(built, shows, recipe, tmp_path, monkeypatch):
    dataset = copy_of(built, tmp_path)
    shutil.rmtree(dataset.clips_folder)
    run = LocalEngine.run

    def lost(engine, stage, tasks, *rest):
        cutting = [task for task in tasks if task.function.__name__ == "cut"]
        yield from (Outcome(task, error="its process ended unexpectedly") for task in cutting)
        others = [task for task in tasks if task not in cutting]
        yield from run(engine, stage, others, *rest)

    monkeypatch.setattr(LocalEngine, "run", lost)
    outcome = build(shows, dataset.folder, recipe)
    clips = dataset.clips
    failed = clips.loc[clips["reason"] == "failed", "clip_id"].tolist()
    assert failed == built.clips.loc[built.clips["status"] == "kept", "clip_id"].tolist()
    told = {what: why for what, why in outcome.failed.items() if what in failed}
    assert told == dict.fromkeys(failed, "its process ended unexpectedly")
    with pytest.raises(PartialFailure, match="its process ended unexpectedly"):
        outcome.raise_if_failed()


def test_names_of_files_do_not_steer_the_terminal(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "evil\x1b]0;owned\x07\nError: fake.mp4").write_bytes(b"no video")
    command = [sys.executable, "-m", "caer_data", "build", "--shows", str(raw), "-o",
               str(tmp_path / "d")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "evil?]0;owned??Error: fake.mp4" in done.stderr
    assert "\x1b]0;" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda f: f / "absent", "no such folder"),
        (lambda f: (f / "empty").mkdir() or f / "empty", "contains no video"),
    ],
    ids=["missing", "empty"],
)
def test_a_folder_without_videos(make, words, tmp_path):
    with pytest.raises(CaerError, match=words):
        build(make(tmp_path), tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_a_full_disk_is_one_sentence_and_nothing_is_lost(built, shows, recipe, tmp_path):
    with small_disk(tmp_path / "disk", "600k") as disk:
        try:
            outcome = build(shows, disk / "d", recipe)
            assert any("no space left" in why for why in outcome.failed.values())
        except CaerError as error:
            assert "no space left" in str(error)
        enlarge(disk)
        build(shows, disk / "d", recipe)
        assert digests(Dataset(disk / "d")) == digests(built)


def test_an_output_that_cannot_be_written(shows, recipe, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CaerError, match="file"):
        build(shows, tmp_path / "file" / "dataset", recipe)


def test_the_command_lists_failures_and_ends_with_three(built, shows, recipe):
    command = [sys.executable, "-m", "caer_data", "build", "--shows", str(shows), "-o",
               str(built.folder), "--recipe", recipe, "--json"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "Show Two/broken.mp4" in done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    (result,) = [event for event in events if event["event"] == "result"]
    assert result["videos"] == 3


def test_every_table_reads_with_one_line(built):
    for name in ("videos", "shots", "tracks", "faces", "people", "clips"):
        assert len(pd.read_parquet(built.tables_folder / f"{name}.parquet"))
        assert list(getattr(built, name).columns) == tables.TABLES[name].names


def test_another_recipe_removes_its_clips_and_no_other_file(built, shows, recipe, tmp_path):
    dataset = copy_of(built, tmp_path)
    ours = sorted(dataset.clips_folder.rglob("*.mp4"))
    assert ours
    foreign = [
        dataset.clips_folder / "holiday" / "beach.mp4",
        ours[0].with_name("mine.s0001.c1.mp4"),
        dataset.folder / ".download.part",
        dataset.folder / "NOTES.md",
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    stricter = tmp_path / "stricter.yaml"
    stricter.write_text(yaml.safe_dump(RECIPE | {"filter": {"min_face_height": 0.99}}))
    with pytest.raises(PartialFailure):
        build(shows, dataset.folder, str(stricter), workers=2).raise_if_failed()
    assert not any(path.exists() for path in ours)
    assert all(path.read_text() == "mine" for path in foreign)
    assert (dataset.folder / "caer-data.json").is_file()


def test_labels_stay_with_the_clips_that_were_rated(built, shows, recipe, tmp_path):
    """Another recipe gives the same names to other frames; back again, all is as it was."""
    dataset = copy_of(built, tmp_path)
    assert dataset.clips.loc[dataset.clips["status"] == "kept", "clip_key"].notna().all()
    kept = dataset.clips[dataset.clips["status"] == "kept"]
    file = tmp_path / "ratings.csv"
    rows = [f"{clip},r{n},sad,1" for clip in kept["clip_id"] for n in range(3)]
    file.write_text("\n".join(["clip_id,rater,emotion,confidence", *rows]))
    labels.update(dataset, csv_import.read(file, dataset), snapshot=False)
    assert len(labelled.read(dataset)) == len(kept)

    shorter = tmp_path / "shorter.yaml"
    shorter.write_text(yaml.safe_dump(RECIPE | {"clips": RECIPE["clips"] | {"max_seconds": 4}}))
    before = {p: p.read_bytes() for p in dataset.folder.rglob("*.parquet")}
    with pytest.raises(keeping.RatedClipsError, match=r"would change and .* --drop-rated"):
        build(shows, dataset.folder, str(shorter), workers=2)
    assert all(path.read_bytes() == content for path, content in before.items())
    assert recipes.load(dataset.recipe_path) == recipes.load(recipe)

    outcome = build(shows, dataset.folder, str(shorter), workers=2, drop_rated=True)
    dataset = Dataset(dataset.folder)
    now = dataset.clips.set_index("clip_key")
    lost = [key for key in kept["clip_key"] if key not in now.index]
    assert lost
    assert outcome.rated["same"] == len(kept) - len(lost)
    assert outcome.rated["changed"] + outcome.rated["gone"] == len(lost)
    assert f"{outcome.rated['changed']} changed" in outcome.summary()
    ratings = dataset.ratings
    assert len(ratings) == 3 * len(kept)
    refused = ratings[ratings["status"] == "refused"]
    assert set(refused["clip_key"]) == set(lost)
    assert set(refused["reason"]) <= {"clip_changed", "dropped_clip"}
    assert set(dataset.labels["clip_key"]) == set(kept["clip_key"]) - set(lost)

    build(shows, dataset.folder, recipe, workers=2)
    dataset = Dataset(dataset.folder)
    assert set(dataset.ratings["status"]) == {"accepted"}
    assert len(labelled.read(dataset)) == len(kept)


def test_clips_of_absent_videos_stay(built, shows, recipe, tmp_path):
    """Footage archived after rating, or another folder of shows into the same dataset."""
    dataset = copy_of(built, tmp_path)
    kept = dataset.clips[dataset.clips["status"] == "kept"]
    file = tmp_path / "ratings.csv"
    rows = [f"{clip},r{n},sad,1" for clip in kept["clip_id"] for n in range(3)]
    file.write_text("\n".join(["clip_id,rater,emotion,confidence", *rows]))
    labels.update(dataset, csv_import.read(file, dataset), snapshot=False)
    files = {p: p.read_bytes() for p in dataset.clips_folder.rglob("*.mp4")}
    boxes = dataset.faces.sort_values(["track_id", "frame"], ignore_index=True)
    fewer = tmp_path / "fewer"
    shutil.copytree(shows, fewer)
    path = dataset.videos.set_index("video_id")["path"][kept["video_id"].iloc[0]]
    archived = tmp_path / "archived.mp4"
    (fewer / path).rename(archived)
    assert any(p.is_file() for p in fewer.rglob("*.mp4"))
    for _ in range(2):
        outcome = build(fewer, dataset.folder, recipe, workers=2)
        assert outcome.absent == 1 and "not found" in outcome.summary()
        dataset = Dataset(dataset.folder)
        now = dataset.clips
        assert set(now.loc[now["status"] == "absent", "video_id"]) == {kept["video_id"].iloc[0]}
        assert set(labelled.read(dataset)["clip_key"]) == set(kept["clip_key"])
        assert files == {p: p.read_bytes() for p in dataset.clips_folder.rglob("*.mp4")}

    (fewer / path).with_name("renamed.mp4").write_bytes(archived.read_bytes())
    outcome = build(fewer, dataset.folder, recipe, workers=2)
    dataset = Dataset(dataset.folder)
    assert outcome.absent == 0
    assert outcome.rated == {"same": len(kept), "changed": 0, "gone": 0}
    assert set(labelled.read(dataset)["clip_key"]) == set(kept["clip_key"])
    assert len(dataset.faces) == len(boxes)


def test_plots_are_prepared_while_videos_are_worked_on(shows, recipe, tmp_path, monkeypatch):
    began, prepared, seen = threading.Event(), threading.Event(), []

    def preload():
        if began.wait(60):
            prepared.set()

    def run_stages(setup, found):
        began.set()
        seen.append(prepared.wait(60))
        raise CaerError("enough")

    monkeypatch.setattr("caer_data.report.pages.preload", preload)
    monkeypatch.setattr("caer_data.curate.run.run_stages", run_stages)
    with pytest.raises(CaerError, match="enough"):
        build(shows, tmp_path / "d", recipe)
    assert seen == [True]
