"""Forget, on a real dataset: nothing of it is left, nothing else is lost, nothing comes back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
import yaml
from odd_media import ffmpeg

from caer_data import Dataset
from caer_data.api import build
from caer_data.cli import main
from caer_data.curate import redact, sightings
from caer_data.engine import tables
from caer_data.engine.artifacts import Store
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.errors import CaerError
from caer_data.engine.forgotten import Forgotten
from caer_data.forget import run, traces
from caer_data.forget.selection import Selection, tombstones
from caer_data.labels import csv_import
from caer_data.labels import decide as labels

RECIPE = {
    "name": "test",
    "faces": {"detector_size": 320, "samples_per_second": 1.25, "first_look": 1},
    "clips": {"preset": "ultrafast", "max_height": 120, "max_seconds": 1.2},
    "filter": {"min_repeat_score": None},  # the wedding is part of the holiday
}
RATERS = ("ann@x.org", "bob@x.org", "cat@x.org")


@pytest.fixture(scope="module")
def shows(media_data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    for name, source in {
        "One/holiday.mov": "shots_gt/webcam_face_noface_vfr_6s.mov",
        "One/wedding.mp4": "videos/man_webcam_2s.mp4",
        "Two/copy.mp4": "videos/man_webcam_2s.mp4",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(media_data / source, folder / name)
    with_lines(folder / "One/holiday.mov")
    return folder


def with_lines(path: Path) -> None:
    """Put a line of half a second inside the video for each half second: `said at 3`, ..."""
    cues = [
        f"{n + 1}\n00:00:0{n // 2},{n % 2 * 5}10 --> "
        f"00:00:0{n // 2},{n % 2 * 5 + 4}90\nsaid at {n}."
        for n in range(12)
    ]
    lines, bare = path.with_suffix(".srt"), path.with_suffix(".bare.mov")
    lines.write_text("\n\n".join(cues))
    path.rename(bare)
    ffmpeg("-i", bare, "-i", lines, "-map", 0, "-map", 1, "-c", "copy", "-c:s", "mov_text", path)
    lines.unlink()
    bare.unlink()


@pytest.fixture(scope="module")
def rated(shows, tmp_path_factory) -> Dataset:
    """A dataset of four clips or more, all rated by three."""
    folder = tmp_path_factory.mktemp("rated")
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    build(shows, folder / "dataset", str(recipe), workers=2)
    dataset = Dataset(folder / "dataset")
    (folder / "ratings.csv").write_text(answers(dataset))
    fresh = csv_import.read(folder / "ratings.csv", dataset)
    labels.update(dataset, fresh, snapshot=False)
    return dataset


def answers(dataset: Dataset) -> str:
    kept = dataset.clips.loc[dataset.clips["status"] == "kept", "clip_id"]
    lines = [f"{clip},{rater},sad,0.9" for clip in kept for rater in RATERS]
    return "\n".join(["clip_id,rater,emotion,confidence", *lines])


@pytest.fixture
def dataset(rated, tmp_path) -> Dataset:
    shutil.copytree(rated.folder, tmp_path / "dataset")
    return Dataset(tmp_path / "dataset")


def forget(dataset: Dataset, **asked: str) -> run.Removed:
    wanted = Selection(**{what: [name] for what, name in asked.items()})
    with dataset.lock():
        return run.forget(dataset, tombstones(dataset, wanted, "me", ""))


def held(dataset: Dataset) -> pd.DataFrame:
    clips = dataset.clips
    return clips[clips["status"] == "kept"]


def contents(folder: Path) -> str:
    """All names and all bytes of a dataset, artifacts unpacked, but of pictures and clips."""
    texts = []
    for path in sorted(folder.rglob("*")):
        texts.append(path.relative_to(folder).as_posix())
        if path.suffix == ".zip":
            with ZipFile(path) as artifact:
                texts += [*artifact.namelist()]
                texts += [
                    artifact.read(name).decode("latin-1")
                    for name in artifact.namelist()
                    if name.endswith(".json")
                ]
        elif path.suffix == ".parquet":
            texts.append(pd.read_parquet(path).to_string())
        elif path.is_file() and path.suffix != ".mp4":
            texts.append(path.read_bytes().decode("latin-1"))
    return "\n".join(texts)


def state(dataset: Dataset) -> dict[str, str]:
    now = Dataset(dataset.folder)
    return {name: now.read(table).to_json() for name, table in tables.TABLES.items()
            if now.has(table)}  # fmt: skip


def test_of_a_video_no_name_row_artifact_or_file_is_left_nor_comes_back(dataset, shows, tmp_path):
    before = held(dataset)
    others = before[before["episode"] != "wedding"]
    key = dataset.videos.set_index("path").loc["One/wedding.mp4", "sha256"]
    removed = forget(dataset, videos="One/wedding.mp4")
    assert removed.clips == len(before) - len(others) > 0 and removed.bytes > 0
    for name in ("wedding", "copy", key[:16]):
        left = contents(dataset.folder).replace(f'"{key}\\"', "")
        assert name not in left.replace(key, ""), name
    assert held(Dataset(dataset.folder))["clip_key"].tolist() == others["clip_key"].tolist()
    assert set(dataset.ratings["clip_id"]) == set(others["clip_id"])
    assert len(list((dataset.folder / "generations").glob("0*"))) == 1
    told = state(dataset)
    outcome = build(shows, dataset.folder)
    assert outcome.forgotten == {"video": 1} and "1 video" in outcome.summary()
    assert "wedding" not in contents(dataset.folder)
    assert state(dataset) == told
    path = tmp_path / "again.csv"
    path.write_text(
        "clip_id,rater,emotion,confidence\n"
        + "".join(f"{clip},{RATERS[0]},sad,1\n" for clip in before["clip_id"])
    )
    said: list[str] = []
    assert set(csv_import.read(path, dataset, say=said.append)["clip_id"]) == set(others["clip_id"])
    assert "forgotten" in said[-1]


def test_of_a_person_neither_face_nor_name_is_left_nor_comes_back(dataset, shows):
    people, tracks = dataset.people, dataset.tracks
    person = held(dataset).loc[lambda c: c["episode"] == "holiday", "person_id"].iloc[0]
    about = tuple(sightings.of_dataset(dataset, tracks[tracks["person_id"] == person]).values())
    Decisions(dataset.folder).append(Decision("name", "me", about, '"Zaphod"'))
    build(shows, dataset.folder)
    dataset = Dataset(dataset.folder)
    assert set(dataset.people["name"].dropna()) == {"Zaphod"}
    before = held(dataset)
    forget(dataset, persons="Zaphod")
    now = Dataset(dataset.folder)
    assert "Zaphod" not in contents(dataset.folder)
    assert len(now.people) == len(people) - 1
    assert "holiday" not in set(held(now)["episode"])
    assert len(now.tracks) == len(tracks) - len(about)
    assert set(now.faces["track_id"]) == set(now.tracks["track_id"])
    (key,) = set(now.videos.loc[now.videos["episode"] == "holiday", "sha256"])
    (artifact,) = [p for p in Store(now.work_folder).files("faces") if p.name.startswith(key[:16])]
    with ZipFile(artifact) as opened:
        assert not [n for n in opened.namelist() if n.startswith("portraits/")]
    told = state(dataset)
    outcome = build(shows, dataset.folder)
    assert outcome.dropped["forgotten"] >= sum(before["episode"] == "holiday") > 0
    assert outcome.rated["gone"] == 0
    again = state(dataset)
    assert {name for name in told if told[name] != again[name]} <= {
        "people", "tracks", "clips", "repeats"
    }  # fmt: skip
    shutil.rmtree(dataset.work_folder)  # analysed anew, it is the same
    build(shows, dataset.folder)
    assert state(dataset) == again


def test_of_a_clip_its_span_goes_and_its_neighbours_stay(dataset, shows):
    before = held(dataset)
    own = before[before["episode"] == "holiday"]
    clip = own.iloc[0]
    said = {n for n in range(12) if clip["start_s"] <= n / 2 + 0.1 and n / 2 + 0.4 < clip["end_s"]}
    assert all(f"said at {n}." in contents(dataset.folder) for n in said) and len(said) > 1
    key = dataset.videos.set_index("video_id").loc[clip["video_id"], "sha256"][:16]
    store = Store(dataset.work_folder)  # of a stage that forgetting has never heard of
    later = store.record("later", key, "k", ["what somebody did"]).path
    forget(dataset, clips=clip["clip_key"])
    assert not later.exists()
    assert {p.parent.name for p in store.files() if p.name.startswith(key)} == {"shots", "faces"}
    now = Dataset(dataset.folder)
    assert not any(f"said at {n}." in contents(dataset.folder) for n in said)
    assert set(held(now)["clip_key"]) == set(before["clip_key"]) - {clip["clip_key"]}
    assert not (dataset.folder / clip["path"]).exists()
    assert clip["clip_key"] not in set(now.keys["clip_key"]) | set(now.ratings["clip_key"])
    inside = now.faces["time_s"].between(clip["start_s"], clip["end_s"], inclusive="left")
    assert not inside[now.faces["track_id"].str.startswith(clip["video_id"])].any()
    build(shows, dataset.folder)
    left = contents(dataset.folder)
    assert not any(f"said at {n}." in left for n in said) and "said at " in left
    rows = Dataset(dataset.folder).clips.set_index("clip_id")
    assert rows.loc[clip["clip_id"], "reason"] == "forgotten"
    assert set(held(Dataset(dataset.folder))["clip_key"]) == set(held(now)["clip_key"])


def test_of_a_rater_no_answer_is_left_nor_comes_back(dataset, tmp_path):
    log = dataset.work_folder / "log" / "20200101T000000Z-1.jsonl"
    log.write_text('{"text": "x"}\n{"text": "ann@x.org was here"}\n')
    removed = forget(dataset, raters=" Ann@x.org")
    assert removed.log_lines == 1 and log.read_text() == '{"text": "x"}\n'
    assert "ann@x" not in contents(dataset.folder).lower()
    assert set(dataset.ratings["rater"]) == set(RATERS[1:])
    assert set(dataset.labels["reason"]) == {"incomplete"}
    path = tmp_path / "again.csv"
    path.write_text(answers(dataset))
    assert set(csv_import.read(path, dataset)["rater"]) == set(RATERS[1:])


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (redact, "redact"),
        (traces, "remove_media"),
        (traces, "rewrite_logs"),
        (Dataset, "generation"),
    ],
)
def test_killed_anywhere_the_same_command_finishes(dataset, monkeypatch, owner, name):
    whole = Dataset(shutil.copytree(dataset.folder, dataset.folder.with_name("whole")))
    asked = Selection(videos=["One/wedding.mp4"], clips=[held(dataset)["clip_key"].iloc[0]])
    with whole.lock():
        run.forget(whole, tombstones(whole, asked, "me", ""))
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, _killed)
        with pytest.raises(KeyboardInterrupt), dataset.lock():
            run.forget(dataset, tombstones(dataset, asked, "me", ""))
    with dataset.lock():
        run.forget(dataset, tombstones(dataset, asked, "me", ""))
    assert len(Forgotten.of(dataset.folder).tombstones) == 2
    assert state(dataset) == state(whole)
    names = [
        {p.relative_to(d.folder) for p in d.folder.rglob("*") if p.suffix in (".mp4", ".zip")}
        for d in (dataset, whole)
    ]
    assert names[0] == names[1]


def _killed(*args, **kwargs):
    raise KeyboardInterrupt


def test_what_is_not_there_is_refused_and_nothing_is_written(dataset):
    before = contents(dataset.folder)
    for asked in (Selection(videos=["x"]), Selection(persons=["x"]), Selection(clips=["x"]),
                  Selection(raters=["x"])):  # fmt: skip
        with pytest.raises(CaerError, match="contains no"):
            tombstones(dataset, asked, "me", "")
    assert contents(dataset.folder) == before


def test_a_clip_file_that_somebody_changed_stays_and_is_named(dataset):
    clip = held(dataset).iloc[0]
    (dataset.folder / clip["path"]).write_bytes(b"mine")
    assert forget(dataset, clips=clip["clip_id"]).left == [clip["path"]]
    assert (dataset.folder / clip["path"]).read_bytes() == b"mine"


def test_the_command_asks_first_lists_and_takes_back(dataset, capsys, monkeypatch, shows):
    given = ["forget", "-d", str(dataset.folder)]
    clip = held(dataset)["clip_id"].iloc[0]
    with pytest.raises(SystemExit):
        main([*given, "--clip", clip])  # nobody answers
    with pytest.raises(SystemExit):
        main(given)
    assert not Forgotten.of(dataset.folder).tombstones
    assert held(Dataset(dataset.folder))["clip_id"].tolist().count(clip) == 1
    with pytest.raises(SystemExit):
        main([*given, "--clip", clip, "--yes", "--json"])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["clips"] == 1 and told["bytes"] > 0
    (row,) = Forgotten.of(dataset.folder).tombstones
    with pytest.raises(SystemExit):
        main([*given, "--undo", row.key])
    build(shows, dataset.folder)
    assert clip in set(held(Dataset(dataset.folder))["clip_id"])
