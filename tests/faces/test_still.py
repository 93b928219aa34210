from __future__ import annotations

import cv2
import numpy as np
import pytest
from fake_faces import BrightnessEmbedder, SquareDetector, scene, spooled

from caer_data.engine import tables
from caer_data.engine.recipe import Faces
from caer_data.faces import find as faces
from caer_data.faces.search import Frames, Models

TIMES = np.arange(101) / 25
PICTURE = (60, 60, 80)  # x, y, side
PERSON = (400, 100, 100)
SLOW = 8  # frames between samples, of which six take 1.6 s


def _textured(picture: np.ndarray, place: tuple[int, int, int], seed: int) -> np.ndarray:
    """A face with structure, all of it bright enough for the detector."""
    x, y, side = place
    values = np.random.default_rng(seed).integers(100, 250, (8, 8, 1)).astype(np.uint8)
    face = cv2.resize(values, (side, side), interpolation=cv2.INTER_CUBIC)
    picture[y : y + side, x : x + side] = np.clip(face, 95, 250)[:, :, None]
    return picture


def _grain(picture: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 3, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def _tracks(tmp_path, pictures: list[np.ndarray], step: int = 8) -> list[float]:
    """Left edges of the faces that remain in a shot of these samples, `step` frames apart."""
    spool, out = tmp_path / "spool", tmp_path / "out"
    spool.mkdir()
    out.mkdir()
    end = len(pictures) * step
    shot = {
        "shot_id": "v.s0001", "video_id": "v", "start_frame": 0, "end_frame": end,
        "start_pts": 0, "end_pts": end, "start_s": 0.0, "end_s": end / 25,
    }  # fmt: skip
    samples = spooled(spool, {n * step: picture for n, picture in enumerate(pictures)})
    faces.find(
        tables.frame(tables.SHOTS, [shot]),
        Frames(samples, TIMES, 640, 360),
        Models(SquareDetector(), BrightnessEmbedder(), 0.0, 0.0),
        Faces(detector="mmod", samples_per_second=25 / step),
        out,
        lambda _: None,
    )
    tracks = tables.read(tables.TRACKS, out / "tracks.parquet")
    boxes = tables.read(tables.FACES, out / "faces.parquet").groupby("track_id", observed=True)
    return sorted(float(boxes.get_group(name)["x1"].median()) for name in tracks["track_id"])


def _speaking(n: int) -> np.ndarray:
    """A person whose face changes, and beside them one that does not."""
    return _textured(_textured(scene(), PICTURE, 1), PERSON, 100 + n)


@pytest.mark.parametrize("grainy", [False, True], ids=["clean", "grainy"])
def test_a_picture_beside_a_person_is_no_face(tmp_path, grainy):
    shown = [_speaking(n) for n in range(6)]
    shown = [_grain(picture, n) for n, picture in enumerate(shown)] if grainy else shown
    assert _tracks(tmp_path, shown) == [pytest.approx(PERSON[0], abs=3)]


def test_faces_of_a_still_remain(tmp_path):
    assert len(_tracks(tmp_path, [_speaking(0)] * 6)) == 2


def test_a_picture_alone_remains(tmp_path):
    assert len(_tracks(tmp_path, [_textured(scene(), PICTURE, 1)] * 6)) == 1


def test_less_than_a_second_says_nothing(tmp_path):
    assert len(_tracks(tmp_path, [_speaking(n) for n in range(3)], step=12)) == 2


def test_a_person_who_only_moves_the_mouth_remains(tmp_path):
    shown = [_speaking(n) for n in range(6)]
    x, y, side = PICTURE
    for n, picture in enumerate(shown):
        mouth = picture[y + 3 * side // 4 : y + 7 * side // 8, x + side // 3 : x + 2 * side // 3]
        mouth[:] = 100 if n % 2 else 240
    assert len(_tracks(tmp_path, shown)) == 2


@pytest.mark.parametrize("step", [3, 15], ids=["slow", "fast"])
def test_a_picture_past_which_the_camera_moves_is_no_face(tmp_path, step):
    wall, person = PICTURE, PERSON
    shown = []
    for n in range(6):
        side = wall[2] + 2 * n  # the camera comes nearer, too
        there = _textured(scene(), (wall[0] + step * n, wall[1] + n, side), 1)
        shown.append(_grain(_textured(there, person, 100 + n), n))
    assert _tracks(tmp_path, shown, SLOW) == [pytest.approx(person[0], abs=3)]


def test_less_than_one_and_a_half_seconds_of_a_moving_face_say_nothing(tmp_path):
    shown = [
        _textured(_textured(scene(), (60 + 8 * n, 60, 80), 1), PERSON, 100 + n) for n in range(6)
    ]
    assert len(_tracks(tmp_path, shown, SLOW - 1)) == 2


def test_a_person_past_whom_the_camera_moves_remains(tmp_path):
    shown = []
    for n in range(6):
        there = _textured(scene(), (60 + 10 * n, 60, 80), 1)
        x, y, side = 60 + 10 * n, 60, 80
        there[y + 3 * side // 4 : y + 7 * side // 8, x + side // 3 : x + 2 * side // 3] = (
            100 if n % 2 else 240
        )
        shown.append(_textured(there, PERSON, 100 + n))
    assert len(_tracks(tmp_path, shown, SLOW)) == 2


@pytest.mark.parametrize("change", [6.0, 45.0], ids=["hardly", "clearly"])
def test_a_calm_person_past_whom_the_camera_moves_remains(tmp_path, change):
    shown = []
    for n in range(6):
        x, y, side = 60 + 10 * n, 60, 80
        there = _textured(scene(), (x, y, side), 1)
        eye = there[y + 20 : y + 40, x + 20 : x + 40]
        eye[:] = np.clip(eye + change * n / 5, 0, 250)  # a sixteenth of the face
        shown.append(_textured(there, PERSON, 100 + n))
    assert len(_tracks(tmp_path, shown, SLOW)) == 2


def test_pictures_past_which_the_camera_moves_remain_if_there_is_nobody_else(tmp_path):
    shown = [
        _textured(_textured(scene(), (60 + 8 * n, 60, 80), 1), (400 + 8 * n, 100, 80), 2)
        for n in range(6)
    ]
    assert len(_tracks(tmp_path, shown, SLOW)) == 2


@pytest.mark.parametrize(("step", "moves"), [(9, 0), (SLOW, 8)], ids=["frozen", "camera moves"])
def test_a_still_face_that_is_seen_briefly_is_no_person_beside_the_other(tmp_path, step, moves):
    shown = [_textured(scene(), (60 + moves * n, 60, 80), 1) for n in range(6)]
    for n, picture in enumerate(shown[:3]):
        _textured(picture, (400 + moves * n, 100, 80), 2)
    assert len(_tracks(tmp_path, shown, step)) == 2


def test_a_person_who_is_seen_briefly_tells_a_picture(tmp_path):
    shown = [_textured(scene(), PICTURE, 1) for _ in range(6)]
    for n, picture in enumerate(shown[:3]):
        _textured(picture, PERSON, 100 + n)
    assert _tracks(tmp_path, shown, 9) == [pytest.approx(PERSON[0], abs=3)]
