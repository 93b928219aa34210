from __future__ import annotations

import numpy as np
import pytest
from fake_faces import BrightnessEmbedder, SquareDetector, scene, spooled

from caer_data.engine.recipe import Faces
from caer_data.faces.models.interface import Detections
from caer_data.faces.search import Frames, Models, look

TIMES = np.arange(400) / 25


def looked(tmp_path, pictures, width=640, height=360, **settings):
    """Detections of a shot, and the detector that was asked."""
    detector = SquareDetector()
    frames = Frames(spooled(tmp_path, pictures), TIMES, width, height)
    models = Models(detector, BrightnessEmbedder(), 0.0, 0.0)
    faces = Faces(**{"detector": "mmod"} | settings)
    (found,) = look([sorted(pictures)], frames, models, faces)
    return found, detector


def test_a_shot_without_faces_is_left_after_the_first_look(tmp_path):
    found, detector = looked(tmp_path, {10 * n: scene() for n in range(12)}, first_look=3)
    assert found == {}
    assert sum(count for count, size in detector.calls if size is None) == 3
    assert sum(count for count, size in detector.calls if size is not None) == 3  # for close-ups


class NearsightedDetector(SquareDetector):
    """Is uncertain about faces of more than 300 px in the picture as it is resized."""

    min_score = 0.5

    def detect(self, pictures, min_score, size=None):
        found = super().detect(pictures, min_score, size)
        zoom = (size or 640) / pictures[0].shape[1]
        high = [(faces.boxes[:, 3] - faces.boxes[:, 1]) * zoom for faces in found]
        scores = [np.where(sides > 300, 0.4, 0.9).astype(np.float32) for sides in high]
        return [Detections(faces.boxes, sure) for faces, sure in zip(found, scores, strict=True)]


@pytest.mark.parametrize("side", [330, 100], ids=["fills the frame", "usual"])
def test_a_face_that_fills_the_frame_is_found_in_smaller_pictures(tmp_path, side):
    pictures = {10 * n: scene((100, 30, side, 200)) for n in range(12)}
    detector = NearsightedDetector()
    frames = Frames(spooled(tmp_path, pictures), TIMES, 640, 360)
    models = Models(detector, BrightnessEmbedder(), 0.5, 0.35)
    (faces,) = look([sorted(pictures)], frames, models, Faces(detector="centerface"))
    assert sum(len(one) for one in faces.values()) == 12
    assert all(one.scores.min() >= 0.5 for one in faces.values())


def test_small_objects_are_not_sought_in_smaller_pictures(tmp_path):
    class Fanciful(SquareDetector):
        def detect(self, pictures, min_score, size=None):
            found = super().detect(pictures, min_score, size)
            return [Detections(one.boxes[: size or 0], one.scores[: size or 0]) for one in found]

    pictures = {10 * n: scene((100, 80, 100, 200)) for n in range(12)}
    frames = Frames(spooled(tmp_path, pictures), TIMES, 640, 360)
    models = Models(Fanciful(), BrightnessEmbedder(), 0.5, 0.35)
    assert list(look([sorted(pictures)], frames, models, Faces(detector="centerface"))) == [{}]


def test_a_face_is_found_in_every_sample(tmp_path):
    pictures = {10 * n: scene((100 + 5 * n, 80, 60, 200)) for n in range(12)}
    found, detector = looked(tmp_path, pictures, whole_frame_every_s=1.6)
    assert sorted(found) == sorted(pictures)
    for n, frame in enumerate(sorted(found)):
        (box,) = found[frame].boxes
        assert box == pytest.approx([100 + 5 * n, 80, 160 + 5 * n, 140], abs=3)
    whole = sum(count for count, size in detector.calls if size is None)
    around = sum(count for count, size in detector.calls if size is not None)
    assert whole < 8
    assert whole + around == 12


def test_every_sample_is_searched_whole_where_the_recipe_says_so(tmp_path):
    pictures = {10 * n: scene((100, 80, 60, 200)) for n in range(12)}
    _, detector = looked(tmp_path, pictures, whole_frame_every_s=0.0)
    assert all(size is None for _, size in detector.calls)


def test_two_faces_side_by_side_are_found_once_each_in_between(tmp_path):
    pictures = {10 * n: scene((100, 80, 60, 200), (190, 85, 60, 150)) for n in range(12)}
    found, _ = looked(tmp_path, pictures)
    assert all(len(faces) == 2 for faces in found.values())


def test_a_face_at_the_edge_of_the_picture(tmp_path):
    pictures = {10 * n: scene((-20, -10, 80, 200)) for n in range(8)}
    found, _ = looked(tmp_path, pictures)
    assert found
    for faces in found.values():
        assert faces.boxes[0] == pytest.approx([0, 0, 60, 70], abs=3)


def test_large_faces_are_shrunk_for_the_region(tmp_path):
    pictures = {10 * n: scene((100, 30, 300, 200)) for n in range(8)}
    found, _ = looked(tmp_path, pictures)
    for faces in found.values():
        assert faces.boxes[0] == pytest.approx([100, 30, 400, 330], abs=6)


def test_boxes_are_in_pixels_of_the_displayed_frame(tmp_path):
    pictures = {10 * n: scene((100, 80, 60, 200)) for n in range(8)}
    found, _ = looked(tmp_path, pictures, width=1920, height=1080)
    assert found
    for faces in found.values():
        assert faces.boxes[0] == pytest.approx([300, 240, 480, 420], abs=9)


def test_faces_too_small_to_matter_are_left_out(tmp_path):
    pictures = {10 * n: scene((100, 80, 60, 200), (400, 80, 16, 200)) for n in range(8)}
    found, _ = looked(tmp_path, pictures, min_face=0.06)
    assert all(len(faces) == 1 for faces in found.values())


FACE, NOTHING = scene((100, 80, 60, 200)), scene()


def looked_at_all(folder, shots, **models):
    """Detections of shots of twelve samples each, with or without a face, and the detector."""
    pictures = {10 * n: FACE if shots[n // 12] else NOTHING for n in range(12 * len(shots))}
    detector = SquareDetector()
    frames = Frames(spooled(folder, pictures), np.arange(12_000) / 25, 640, 360)
    models = Models(detector, BrightnessEmbedder(), 0.0, 0.0, **models)
    samples = [[120 * n + 10 * k for k in range(12)] for n in range(len(shots))]
    return look(samples, frames, models, Faces(detector="mmod", first_look=3)), detector


def test_shots_that_share_batches_give_the_same_in_their_order(tmp_path):
    shots = [True, False, False, True, True, False, True, False] * 3
    alone, one_by_one = looked_at_all(tmp_path, shots)
    together, filled = looked_at_all(tmp_path, shots, filled=True)
    for expected, found, face in zip(alone, together, shots, strict=True):
        assert list(expected) == list(found)
        assert bool(found) == face
        for frame in expected:
            assert np.array_equal(expected[frame].boxes, found[frame].boxes)
    searched = [sum(count for count, _ in detector.calls) for detector in (one_by_one, filled)]
    assert searched[0] == searched[1]
    assert len(filled.calls) < 0.7 * len(one_by_one.calls)
    whole = [count for count, size in filled.calls if size is None]
    assert whole.count(8) > 0.7 * len(whole)


def test_only_as_many_shots_are_begun_as_fill_a_batch(tmp_path):
    found, detector = looked_at_all(tmp_path, [False] * 24, filled=True)
    assert next(found) == {}
    assert detector.calls == [(8, None), (6, 640)]


def test_a_batch_has_pictures_of_one_size(tmp_path):
    small = scene((50, 40, 30, 200), width=320, height=180)
    pictures = {10 * n: small if n >= 12 else FACE for n in range(24)}
    frames = Frames(spooled(tmp_path, pictures), TIMES, 640, 360)
    sizes = []

    class Strict(SquareDetector):
        def detect(self, pictures, min_score, size=None):
            sizes.append({picture.shape for picture in pictures})
            return super().detect(pictures, min_score, size)

    models = Models(Strict(), BrightnessEmbedder(), 0.0, 0.0, filled=True)
    shots = [[10 * n for n in range(12)], [10 * n for n in range(12, 24)]]
    first, second = look(shots, frames, models, Faces(detector="mmod"))
    assert all(len(shapes) == 1 for shapes in sizes)
    for found in (*first.values(), *second.values()):
        assert found.boxes[0] == pytest.approx([100, 80, 160, 140], abs=4)


@pytest.mark.parametrize(
    ("provider", "threads", "batch", "filled"),
    [("cpu", 1, 8, False), ("cpu", 3, 9, True), ("cpu", 16, 16, True), ("cuda", 1, 8, True)],
)
def test_batches_are_filled_where_it_saves_time(provider, threads, batch, filled):
    detector = SquareDetector()
    detector.provider = provider
    models = Models.of(detector, BrightnessEmbedder(), Faces(detector="mmod"), threads)
    assert (models.batch, models.filled) == (batch, filled)
