from __future__ import annotations

import json
import tracemalloc

import cv2
import numpy as np
import pytest
from fake_faces import BrightnessEmbedder, SquareDetector, scene, spooled

from caer_data.engine import tables
from caer_data.engine.recipe import Faces
from caer_data.faces import appearance
from caer_data.faces import find as faces
from caer_data.faces.models.interface import Detections
from caer_data.faces.search import Frames, Models
from caer_data.faces.tracking import Track

TIMES = np.arange(200) / 25
SHOTS = tables.frame(
    tables.SHOTS,
    [
        {
            "shot_id": f"v.s{n:04d}", "video_id": "v", "start_frame": a, "end_frame": b,
            "start_pts": a, "end_pts": b, "start_s": a / 25, "end_s": b / 25,
        }
        for n, (a, b) in enumerate([(0, 100), (100, 160), (160, 180)], 1)
    ],
)  # fmt: skip


@pytest.fixture
def found(tmp_path):
    """One face moving through the first shot, none in the second, one in a short third."""
    pictures = {n: scene((100 + n, 80, 90, 200)) for n in range(0, 100, 10)}
    pictures |= {n: scene() for n in range(100, 160, 10)}
    pictures |= {n: scene((300, 80, 90, 120)) for n in range(160, 180, 10)}
    spool, out = tmp_path / "spool", tmp_path / "out"
    spool.mkdir()
    out.mkdir()
    seconds = []
    faces.find(
        SHOTS,
        Frames(spooled(spool, pictures), TIMES, 640, 360),
        Models(SquareDetector(), BrightnessEmbedder(), 0.0, 0.0),
        Faces(detector="mmod"),
        out,
        seconds.append,
    )
    assert seconds == pytest.approx([4.0, 2.4, 0.8])
    return out


def test_tracks_carry_their_scores(found):
    track, of_short_shot = tables.read(tables.TRACKS, found / "tracks.parquet").to_dict("records")
    assert track["track_id"] == "v.s0001.t1"
    assert of_short_shot["track_id"] == "v.s0003.t1"
    assert (track["start_frame"], track["end_frame"]) == (0, 100)
    assert track["coverage"] == 1
    assert track["detections"] == 10
    assert track["face_height"] == pytest.approx(0.25, abs=0.01)
    assert track["brightness"] == pytest.approx(200 / 255, abs=0.05)


def test_there_is_a_box_for_every_frame_of_a_track(found):
    boxes = tables.read(tables.FACES, found / "faces.parquet")
    boxes = boxes[boxes["track_id"] == "v.s0001.t1"]
    assert boxes["frame"].tolist() == list(range(100))
    assert boxes["x1"].to_numpy()[5:85] == pytest.approx(np.arange(105, 185), abs=4)
    assert boxes["interpolated"].sum() == 90
    assert boxes["score"].notna().sum() == 10
    assert boxes["time_s"].tolist() == pytest.approx([n / 25 for n in range(100)])


def test_one_embedding_a_track(found):
    vectors = np.load(found / "embeddings.npy")
    assert vectors.shape == (2, 2)
    assert vectors[0, 0] == pytest.approx(200 / 255, abs=0.05)


def test_every_shot_has_a_thumbnail_and_every_track_a_portrait(found):
    frames = json.loads((found / "thumbnails.json").read_text())
    assert set(frames) == {"v.s0001", "v.s0002", "v.s0003"}
    for shot_id in frames:
        picture = cv2.imread(str(found / "thumbnails" / f"{shot_id}.jpg"))
        assert picture.shape == (180, 320, 3)
    portrait = cv2.imread(str(found / "portraits" / "v.s0001.t1.jpg"))
    assert portrait.mean() > 150


def test_blur_lowers_sharpness_and_darkness_does_not():
    rng = np.random.default_rng(0)
    sharp = cv2.GaussianBlur(rng.integers(0, 255, (360, 640, 3)).astype(np.uint8), (0, 0), 1.5)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 6)
    dark = (sharp * 0.4).astype(np.uint8)

    class One:
        def __init__(self, picture):
            self.picture = lambda frame: picture

    box = np.array([100, 100, 200, 200], np.float32)
    scores = [
        appearance.quality(appearance.crop_of(Frames(One(p), TIMES, 640, 360), 0, box))[0]
        for p in (sharp, blurred, dark)
    ]
    assert scores[1] < 0.5 * scores[0]
    assert scores[2] == pytest.approx(scores[0], rel=0.25)


def test_memory_does_not_grow_with_the_length_of_a_shot(tmp_path):
    spool, out = tmp_path / "spool", tmp_path / "out"
    spool.mkdir()
    out.mkdir()
    count, picture = 120, scene((100, 80, 90, 200))
    frames = Frames(spooled(spool, dict.fromkeys(range(count), picture)), TIMES, 640, 360)
    boxes = np.tile(np.array([100, 80, 190, 280], np.float32), (count, 1))
    track = Track(list(range(count)), list(boxes), [1.0] * count, [None] * count)
    shot = SHOTS.iloc[:1].assign(end_frame=count)
    models = Models(SquareDetector(), BrightnessEmbedder(), 0.0, 0.0)
    tracemalloc.start()
    try:
        faces.find(shot, frames, models, Faces(detector="mmod"), out, lambda _: None, [track])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(tables.read(tables.TRACKS, out / "tracks.parquet")) == 1
    assert peak < 60 * picture.nbytes  # samples keeps 32


@pytest.mark.parametrize(("brightness", "count"), [(200, 1), (120, 2)], ids=["same", "another"])
def test_a_face_that_jumps_within_its_place_is_one_track_if_it_is_alike(
    tmp_path, brightness, count
):
    spool, out = tmp_path / "spool", tmp_path / "out"
    spool.mkdir()
    out.mkdir()
    pictures = {n: scene((100, 80, 90, 200)) for n in range(0, 50, 10)}
    pictures |= {n: scene((170, 80, 90, brightness)) for n in range(50, 100, 10)}
    frames = Frames(spooled(spool, pictures), TIMES, 640, 360)
    models = Models(SquareDetector(), BrightnessEmbedder(), 0.0, 0.0)
    settings = Faces(detector="mmod", min_iou=0.5)
    faces.find(SHOTS.iloc[:1], frames, models, settings, out, lambda _: None)
    assert len(tables.read(tables.TRACKS, out / "tracks.parquet")) == count


def test_the_height_of_a_face_is_that_between_black_bars(tmp_path):
    heights = []
    for name, bars in (("whole", (0.0, 0.0)), ("wide", (0.125, 0.125))):
        spool, out = tmp_path / f"{name} spool", tmp_path / name
        spool.mkdir()
        out.mkdir()
        pictures = {n: scene((100, 80, 90, 200)) for n in range(0, 100, 10)}
        frames = Frames(spooled(spool, pictures), TIMES, 640, 360, bars)
        models = Models(SquareDetector(), BrightnessEmbedder(), 0.0, 0.0)
        settings = Faces(detector="mmod")
        faces.find(SHOTS.iloc[:1], frames, models, settings, out, lambda _: None)
        heights.append(tables.read(tables.TRACKS, out / "tracks.parquet")["face_height"][0])
    assert heights[1] == pytest.approx(heights[0] / 0.75, rel=1e-3)


@pytest.mark.parametrize(("least", "count"), [(0.0, 1), (9.0, 0)], ids=["a face", "none"])
def test_a_track_that_nobody_takes_for_a_face_is_left_out(tmp_path, least, count):
    spool, out = tmp_path / "spool", tmp_path / "out"
    spool.mkdir()
    out.mkdir()
    pictures = {n: scene((100, 80, 90, 200)) for n in range(0, 100, 10)}
    detector, embedder = SquareDetector(), BrightnessEmbedder()
    detector.sure_score, detector.close_score = 2.0, least
    frames = Frames(spooled(spool, pictures), TIMES, 640, 360)
    models = Models(detector, embedder, 0.0, 0.0)
    faces.find(SHOTS.iloc[:1], frames, models, Faces(detector="mmod"), out, lambda _: None)
    assert len(tables.read(tables.TRACKS, out / "tracks.parquet")) == count
    assert (out / "thumbnails" / "v.s0001.jpg").is_file()


class _SureOnTheLeft(SquareDetector):
    """Certain of faces in the left half of the frame only, and of nothing in a closer look."""

    sure_score = 0.7
    close_score = 9.0

    def _one(self, picture: np.ndarray) -> Detections:
        found = super()._one(picture)
        scores = np.where(found.boxes[:, 0] < 320, 1.0, 0.5).astype(np.float32)
        return Detections(found.boxes, scores)


@pytest.mark.parametrize(
    ("brightness", "together", "count"),
    [(200, False, 2), (120, False, 1), (200, True, 1)],
    ids=["same person later", "another person", "alike at the same time"],
)
def test_an_uncertain_track_counts_if_it_clearly_shows_a_person_who_was_seen_before(
    tmp_path, brightness, together, count
):
    spool, out = tmp_path / "spool", tmp_path / "out"
    spool.mkdir()
    out.mkdir()
    left, right = (100, 80, 90, 200), (450, 80, 90, brightness)
    pictures = {n: scene(*([left, right] if together else [left])) for n in range(0, 50, 10)}
    pictures |= {n: scene(*([left, right] if together else [right])) for n in range(50, 100, 10)}
    frames = Frames(spooled(spool, pictures), TIMES, 640, 360)
    models = Models(_SureOnTheLeft(), BrightnessEmbedder(), 0.0, 0.0)
    settings = Faces(detector="mmod", whole_frame_every_s=0.0)
    faces.find(SHOTS.iloc[:1], frames, models, settings, out, lambda _: None)
    assert len(tables.read(tables.TRACKS, out / "tracks.parquet")) == count
