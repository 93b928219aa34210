from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from fake_faces import BrightnessEmbedder, SquareDetector, scene, spooled

from caer_data.faces.appearance import chip_of, frontality, is_confirmed, measure
from caer_data.faces.search import Frames, Models
from caer_data.faces.tracking import Track

FRONT = np.array([(40, 40), (60, 40), (50, 50), (43, 60), (57, 60)], np.float32)


def turned(by):
    """The points of a face whose nose is this many pixels beside the middle."""
    points = FRONT.copy()
    points[2, 0] += by
    return points


def rotated(points, degrees):
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points @ matrix.T * 3).astype(np.float32)


def test_a_face_turned_to_the_camera_is_frontal_and_a_profile_is_not():
    values = [frontality(turned(by)) for by in (0, 2, 5, 10)]
    assert values[0] == pytest.approx(1)
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.01
    assert frontality(turned(-5)) == pytest.approx(values[2])


def test_a_tilted_or_larger_face_is_as_frontal():
    for by in (0, 5):
        assert frontality(rotated(turned(by), 30)) == pytest.approx(frontality(turned(by)))


def test_points_that_fall_together_do_no_harm():
    assert 0 <= frontality(np.zeros((5, 2), np.float32)) <= 1


class LeftEmbedder(BrightnessEmbedder):
    """A vector of how bright a face's left half is: another for a mirrored one."""

    def embed(self, chips):
        return super().embed(chips[:, :, : chips.shape[2] // 2])


def models(embedder=None, sure=0.0, least=0.0):
    detector, embedder = SquareDetector(), embedder or BrightnessEmbedder()
    detector.sure_score, detector.close_score = sure, least
    return Models(detector, embedder, 0.0, 0.0)


@pytest.fixture
def frames(tmp_path):
    pictures = {n: scene((100, 80, 90, level)) for n, level in ((0, 100), (10, 200), (20, 240))}
    return Frames(spooled(tmp_path, pictures), np.arange(30) / 25, 640, 360)


def track(points=(None, None, None), score=0.9):
    boxes = [np.array([100, 80, 190, 170], np.float32)] * 3
    return Track([0, 10, 20], boxes, [score] * 3, list(points))


def test_faces_turned_to_the_camera_weigh_more(frames):
    even = measure(track(), frames, models(), 3).vector
    assert even[0] == pytest.approx(180 / 255, abs=0.03)
    points = (turned(10), FRONT, turned(10))
    seen = measure(track(points), frames, models(), 3)
    weighed = (100 + 2 * 200 + 240) / 4  # a profile counts half
    assert seen.vector[0] == pytest.approx(weighed / 255, abs=0.01)
    assert seen.best == 1


def test_only_so_many_faces_are_embedded(frames):
    points = (turned(5), FRONT, turned(10))
    assert measure(track(points), frames, models(), 1).vector[0] == pytest.approx(
        200 / 255, abs=0.03
    )


def test_mirrored_faces_count_as_much(frames):
    half = np.zeros((360, 640, 3), np.uint8)
    half[:, :145] = 200
    lit = Frames(SimpleNamespace(picture=lambda _: half), frames.times, 640, 360)
    vector = measure(track(), lit, models(LeftEmbedder()), 3).vector
    assert vector[0] == pytest.approx(100 / 255, abs=0.03)


class CropsEmbedder(BrightnessEmbedder):
    """Keeps the points by which faces are aligned; the left half of its chips is dark."""

    def __init__(self):
        super().__init__()
        self.points, self.chips = [], []

    def align(self, picture, faces):
        self.points.append(None if faces.points is None else faces.points[0])
        return np.repeat(np.uint8([0, 255]), 4)[None, None, :, None].repeat(8, 1).repeat(3, 3)

    def embed(self, chips):
        self.chips = chips
        return super().embed(chips)


def test_every_face_is_cropped_in_several_ways_around_the_same_middle(frames):
    embedder = CropsEmbedder()
    measure(track((FRONT, FRONT, FRONT)), frames, models(embedder), 3)
    for of_one in np.split(np.array(embedder.points), 3):
        assert len(of_one) == len(np.unique(of_one, axis=0)) == 4
        assert of_one.mean(axis=1) == pytest.approx(FRONT.mean(axis=0)[None].repeat(4, 0))
        across = of_one[:, 1] - of_one[:, 0]
        tilts = np.rad2deg(np.arctan2(across[:, 1], across[:, 0]))
        assert tilts == pytest.approx([0, 0, -8, 8], abs=1e-3)
        zooms = 20 / np.linalg.norm(across, axis=1)
        assert zooms == pytest.approx([1, 1.14, 1.07, 1.07], abs=1e-3)


@pytest.mark.parametrize(
    ("points", "mirrored"),
    [
        pytest.param(FRONT, [0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1], id="with points"),
        pytest.param(None, [0, 1] * 3, id="without"),
    ],
)
def test_half_of_the_crops_are_mirrored(frames, points, mirrored):
    embedder = CropsEmbedder()
    measure(track((points,) * 3), frames, models(embedder), 3)
    assert (embedder.chips[:, 0, 0, 0] > 0).tolist() == [bool(one) for one in mirrored]


@pytest.mark.parametrize(
    ("score", "least", "face"),
    [
        pytest.param(0.9, 9.0, True, id="the detector is sure"),
        pytest.param(0.5, 0.9, True, id="it is found again"),
        pytest.param(0.5, 1.1, False, id="not clearly"),
    ],
)
def test_a_doubtful_track_is_looked_at_closely(frames, score, least, face):
    used = models(sure=0.7, least=least)
    assert measure(track(score=score), frames, used, 3).confirmed is face


def test_a_close_look_must_find_the_face_itself(frames):
    empty = Track([0], [np.array([400, 80, 420, 100], np.float32)], [0.5], [None])
    assert not is_confirmed(empty, frames, models(sure=0.7, least=0.5))


def test_a_chip_is_cut_from_its_own_frame(frames):
    levels = [chip_of(track(), place, frames, models()).mean() for place in range(3)]
    assert levels == pytest.approx([100, 200, 240], abs=4)
