"""What is shown more than once: the table, which clip stays, episodes that are there twice."""

from __future__ import annotations

import itertools
import subprocess
from fractions import Fraction
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pandas as pd
import pytest
import yaml
from moving import EDITS, scene

from caer_data import Dataset
from caer_data.api import build
from caer_data.curate import repeating, repeats
from caer_data.engine import tables
from caer_data.engine.artifacts import Store
from caer_data.engine.progress import Reporter
from caer_data.media import fingerprints

SECONDS = 4  # of every scene
STEP = 125  # timestamps from one picture to the next


def video(work: Path, name: str, scenes: list[np.ndarray], earlier: bool = False) -> repeats.Known:
    """A video of some scenes, each a shot; timestamps in thousandths of a second from 100 on."""
    writer = fingerprints.Writer(Fraction(1, 1000))
    for picture in np.concatenate(scenes):
        writer.add(fingerprints.Look.of(cv2.resize(picture, (128, 72))))
    pictures = writer.finish()[1]
    pts = 100 + STEP * np.arange(len(pictures))
    made = fingerprints.Fingerprints(
        pts, pictures, np.zeros((len(pts), 4), np.uint8), np.zeros(0, np.uint32)
    )
    artifact = Store(work).make("prints", name.ljust(16, "0"), "0", made.save)
    edges = np.cumsum([0, *map(len, scenes)]) * STEP
    rows = [
        {"shot_id": f"{name}.s{n:04d}", "video_id": name, "start_frame": a, "end_frame": b,
         "start_pts": 100 + a, "end_pts": 100 + b, "start_s": a / 1000, "end_s": b / 1000}
        for n, (a, b) in enumerate(itertools.pairwise(edges), 1)
    ]  # fmt: skip
    shots = tables.frame(tables.SHOTS, rows)
    return repeats.Known(name, name * 8, artifact, shots, 100, Fraction(1, 1000), earlier)


def shot(seed: int) -> np.ndarray:
    return scene(seed, SECONDS * fingerprints.RATE)


def clips_of(*videos: repeats.Known) -> pd.DataFrame:
    rows = [
        {"clip_id": f"{s.shot_id}.c1", "shot_id": s.shot_id, "video_id": s.video_id, "show": "x",
         "episode": "x", "start_frame": s.start_frame, "end_frame": s.end_frame,
         "start_pts": s.start_pts, "end_pts": s.end_pts, "start_s": s.start_s, "end_s": s.end_s,
         "status": "kept", "clip_key": s.shot_id}
        for v in videos for s in v.shots.itertuples()
    ]  # fmt: skip
    return tables.frame(tables.CLIPS, rows)


@pytest.fixture
def episodes(tmp_path) -> tuple[repeats.Known, repeats.Known]:
    """Two episodes with one title; the second begins with a recap of the first."""
    one = video(tmp_path, "one", [shot(1), shot(2), shot(3)])
    two = video(tmp_path, "two", [EDITS["recap"](shot(3)), shot(1), shot(4), shot(5)])
    return one, two


def dropped(clips: pd.DataFrame) -> dict[str, str]:
    rows = clips[clips["reason"] == "repeated"]
    return dict(zip(rows["clip_id"], rows["repeat_of"], strict=True))


def test_the_table_says_what_repeats_what_from_when_to_when(tmp_path, episodes):
    found = repeats.find(tmp_path, episodes).set_index("shot_id")
    assert found["of_shot_id"].to_dict() == {"two.s0001": "one.s0003", "two.s0002": "one.s0001"}
    recap = found.loc["two.s0001"]
    assert recap["start_s"] == pytest.approx(0, abs=0.3)
    assert recap["of_start_s"] == pytest.approx(2 * SECONDS + 5 / fingerprints.RATE, abs=0.3)
    assert recap["of_end_pts"] == 100 + round(recap["of_end_s"] * 1000)
    assert found["score"].between(0.8, 1.001).all()


def test_which_comes_first_does_not_depend_on_what_the_videos_are(tmp_path, episodes):
    one, two = episodes
    found = repeats.find(tmp_path, [two, one])
    assert set(found["video_id"]) == {"one"}
    later = repeats.Known(**{**vars(one), "earlier": True})
    assert set(repeats.find(tmp_path, [two, later])["video_id"]) == {"two"}


def test_what_the_last_build_called_the_copy_stays_the_copy(tmp_path, episodes):
    one, two = episodes
    videos = pd.DataFrame({"video_id": ["one", "two"], "sha256": [one.sha256, two.sha256]})
    added = repeats.Known(**{**vars(two), "earlier": True})  # "one" was added to "two" later
    second = repeats.find(tmp_path, [one, added])
    assert set(second["video_id"]) == {"one"}
    both = [repeats.Known(**{**vars(known), "earlier": True}) for known in episodes]
    assert set(repeats.find(tmp_path, both)["video_id"]) == {"two"}  # by their names alone
    standing = repeats.standing(videos, second)
    assert standing == {(one.sha256, two.sha256)}
    assert set(repeats.find(tmp_path, both, standing)["video_id"]) == {"one"}


def test_one_of_them_stays(tmp_path, episodes):
    found, clips = repeats.find(tmp_path, episodes), clips_of(*episodes)
    nothing = tables.empty(tables.CLIPS)
    told = repeats.drop(clips, nothing, found, set(), set())
    assert dropped(told) == {"two.s0001.c1": "one.s0003.c1", "two.s0002.c1": "one.s0001.c1"}
    rows = told[told["reason"] == "repeated"]
    assert (rows["status"] == "dropped").all()
    assert rows["clip_key"].isna().all()
    assert rows["repeat_score"].notna().all()


def test_the_rated_one_stays_and_so_does_what_was_kept_before(tmp_path, episodes):
    found, clips = repeats.find(tmp_path, episodes), clips_of(*episodes)
    nothing = tables.empty(tables.CLIPS)
    rated, kept = {"two.s0001"}, {"two.s0002"}
    told = dropped(repeats.drop(clips, nothing, found, rated, kept))
    assert told == {"one.s0003.c1": "two.s0001.c1", "one.s0001.c1": "two.s0002.c1"}
    everything = set(clips["clip_key"])
    assert dropped(repeats.drop(clips, nothing, found, everything, set())) == {}


def test_of_copies_added_together_the_best_picture_stays(tmp_path):
    scenes = [shot(seed) for seed in range(4)]
    known = [
        video(tmp_path, "a", [*map(EDITS["crop 5 %"], scenes)]),  # a poor copy of "c"
        video(tmp_path, "b", [shot(8), shot(9), EDITS["recap"](scenes[0])]),
        video(tmp_path, "c", scenes),
        video(tmp_path, "d", [shot(8), shot(10), shot(11), shot(12)]),  # shares one shot with "b"
    ]
    pictures = [(100.0, 9.0), (100.0, 5.0), (400.0, 3.0), (900.0, 9.0)]
    known = [
        repeats.Known(**{**vars(v), "picture": p}) for v, p in zip(known, pictures, strict=True)
    ]
    ordered = repeats.best_first(tmp_path, known)
    assert [v.video_id for v in ordered] == ["c", "b", "a", "d"]
    found = repeats.find(tmp_path, ordered)
    of_copies = found[found["video_id"].isin(["a", "c"]) & found["of_video_id"].isin(["a", "c"])]
    assert set(of_copies["video_id"]) == {"a"}
    order = [v.video_id for v in ordered]
    told = repeats.drop(clips_of(*known), tables.empty(tables.CLIPS), found, set(), set(), order)
    assert {name[0] for name in dropped(told)} == {"a", "b", "d"}
    assert {name[0] for name in dropped(told).values()} == {"b", "c"}
    sizes = [(100.0, 3.0), (0.0, 0.0), (100.0, 9.0), (0.0, 0.0)]  # equally large: by compression
    equal = [repeats.Known(**{**vars(v), "picture": p}) for v, p in zip(known, sizes, strict=True)]
    assert [v.video_id for v in repeats.best_first(tmp_path, equal)] == ["c", "b", "a", "d"]
    earlier = [repeats.Known(**{**vars(v), "earlier": v.video_id == "a"}) for v in known]
    assert [v.video_id for v in repeats.best_first(tmp_path, earlier)] == ["a", "c", "b", "d"]


def test_clips_of_absent_videos_stay_where_they_are(tmp_path, episodes):
    found = repeats.find(tmp_path, episodes)
    one, two = (clips_of(v) for v in episodes)
    told = repeats.drop(one, two.assign(status="absent"), found, set(), set())
    assert dropped(told) == {"one.s0003.c1": "two.s0001.c1", "one.s0001.c1": "two.s0002.c1"}


def test_each_episode_that_is_there_again_is_named_once():
    found = [("c", "a", 0.7), ("b", "a", 0.9), ("c", "b", 0.8), ("d", "b", 0.55), ("e", "a", 0.85),
             ("e", "b", 0.9)]  # fmt: skip
    assert list(repeating._twice(found)) == [
        "b: is the same episode as a (90% of it)",
        "c: is the same episode as b (80% of it)",
        "d: shares footage with b (55% of the shorter one)",
        "e: is the same episode as b, and 1 more (90% of it)",
    ]


def test_what_was_found_is_not_looked_for_again(tmp_path, episodes, monkeypatch):
    before = repeats.find(tmp_path, episodes)
    monkeypatch.setattr(repeats.passages, "shared", lambda *_: pytest.fail("looked again"))
    pd.testing.assert_frame_equal(repeats.find(tmp_path, episodes), before)


def test_an_episode_that_is_there_twice_is_named(tmp_path):
    scenes = [shot(seed) for seed in range(5)]
    one = video(tmp_path, "one", scenes)
    two = video(tmp_path, "two", [EDITS["crop 5 %"](s) for s in scenes[:4]])
    videos = pd.DataFrame({"video_id": ["one", "two"], "duration_s": [20.0, 16.0]})
    [(later, first, share)] = repeats.repeated_episodes(videos, repeats.find(tmp_path, [one, two]))
    assert (later, first) == ("two", "one")
    assert share > 0.8


def test_absent_videos_are_found_by_their_content(tmp_path):
    known = video(tmp_path, "one", [shot(1)])
    row = {"video_id": "one", "sha256": "one".ljust(16, "0") + "f" * 48, "time_base": "1/1000",
           "first_pts": 100, "width": 640, "height": 360, "duration_s": 4.0,
           "bytes": 1000}  # fmt: skip
    [again] = repeats.absent(Store(tmp_path), pd.DataFrame([row]), known.shots)
    assert again.earlier
    assert again.picture == (640 * 360, 250)
    assert again.prints.path == known.prints.path
    gone = pd.DataFrame([row | {"sha256": "e" * 64}])
    assert repeats.absent(Store(tmp_path), gone, known.shots) == []


@pytest.mark.slow
def test_a_second_rip_is_named_and_rated_once(media_data, tmp_path, capsys):
    film = media_data / "videos" / "portrait_d19_man_smile.mp4"
    shows = tmp_path / "raw"
    for name, filters in (("e2", "null"), ("e1", "crop=iw*0.92:ih*0.92,scale=-2:240")):
        (shows / "Show").mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", film, "-t", "4",
             "-vf", filters, "-an", "-preset", "ultrafast", shows / "Show" / f"{name}.mp4"],
            check=True,
        )  # fmt: skip
    recipe = {
        "faces": {"detector": "hog", "detector_size": 480, "samples_per_second": 1.25},
        "clips": {"preset": "ultrafast", "max_height": 180},
    }
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe))
    outcome = build(shows, tmp_path / "d", tmp_path / "r.yaml", workers=1, reporter=Reporter())
    assert "show.e1: is the same episode as show.e2" in capsys.readouterr().err
    assert outcome.dropped == {"repeated": 1}
    dataset = Dataset(tmp_path / "d")
    assert dataset.read(tables.REPEATS)["shot_id"].tolist() == ["show.e1.s0001"]
    (tmp_path / "r.yaml").write_text(
        yaml.safe_dump(recipe | {"filter": {"min_repeat_score": None}})
    )
    assert build(shows, tmp_path / "d", tmp_path / "r.yaml", workers=1).kept == 2
