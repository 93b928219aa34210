"""The embedded pair against dlib itself, whose results it must give."""

import functools

import cv2
import numpy as np
import pytest
from box_overlap import overlap

from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Faces
from caer_data.faces.models import (
    Detections,
    create_detector,
    create_embedder,
    embedded,
    weights,
)
from caer_data.faces.models.mmod import MmodDetector

dlib = pytest.importorskip("dlib")


@functools.cache
def _dlibs_detector():
    path = weights.embedded("mmod_human_face_detector.dat")
    return dlib.cnn_face_detection_model_v1(str(path))


def dlibs_boxes(picture):
    found = _dlibs_detector()(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), 0)
    rows = [
        (f.rect.left(), f.rect.top(), f.rect.right() + 1, f.rect.bottom() + 1, f.confidence)
        for f in found
    ]
    return np.array(sorted(rows))


@pytest.fixture(scope="module")
def group(media_data):
    """Three people of a group photo."""
    picture = cv2.imread(str(media_data / "identities/dlib_faces/2007_007763.jpg"))
    return cv2.resize(picture[50:310, 270:460], None, fx=1.7, fy=1.7)


def looking_at(size, **options):
    return MmodDetector(embedded.load(embedded.DETECTOR, "cpu", 1), size, **options)


def sorted_rows(faces):
    rows = np.concatenate([faces.boxes, faces.scores[:, None]], axis=1)
    return rows[np.argsort(rows[:, 0])]


@pytest.mark.parametrize("name", ["two_people", "group"])
def test_on_its_pyramid_the_detector_finds_dlibs_boxes(name, request):
    picture = request.getfixturevalue(name)
    detector = looking_at(max(picture.shape), step=5 / 6)
    expected = dlibs_boxes(picture)
    found = sorted_rows(detector.detect([picture], 0.0)[0])
    assert len(found) == len(expected) > 0
    for ours, theirs in zip(found, expected, strict=True):
        assert overlap(ours[:4], theirs[:4]) > 0.75
        assert ours[4] == pytest.approx(theirs[4], abs=0.2)


def test_at_full_size_the_scores_are_dlibs(group):
    detector = looking_at(max(group.shape), step=0.01)  # one level: no resizing differs
    found = sorted_rows(detector.detect([group], 0.0)[0])
    expected = dlibs_boxes(group)
    same = [
        (ours, theirs)
        for ours in found
        for theirs in expected
        if np.abs(ours[:4] - theirs[:4]).max() <= 1 and theirs[2] - theirs[0] <= 81
    ]
    assert len(same) >= 2
    for ours, theirs in same:
        # Near the edge, dlib sees the neighbouring level of its one-picture pyramid.
        assert ours[4] == pytest.approx(theirs[4], abs=0.02)


def test_skipping_pyramid_levels_loses_no_face(group):
    fine = sorted_rows(looking_at(max(group.shape), step=5 / 6).detect([group], 0.0)[0])
    coarse = sorted_rows(looking_at(max(group.shape)).detect([group], 0.0)[0])
    assert len(coarse) == len(fine)
    assert all(overlap(a[:4], b[:4]) > 0.5 for a, b in zip(coarse, fine, strict=True))


def test_a_batch_gives_what_single_pictures_give(mmod, portrait):
    mirrored = np.ascontiguousarray(portrait[:, ::-1])
    batch = mmod.detect([portrait, mirrored, np.zeros_like(portrait)], 0.0)
    singles = [mmod.detect([p], 0.0)[0] for p in (portrait, mirrored)]
    assert len(batch) == 3
    assert len(batch[2]) == 0
    for together, alone in zip(batch, singles, strict=False):
        np.testing.assert_allclose(together.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(together.scores, alone.scores, atol=2e-2)


def test_the_same_call_gives_the_same_bytes(mmod, portrait):
    first, second = (mmod.detect([portrait], -0.5)[0] for _ in range(2))
    assert first.boxes.tobytes() == second.boxes.tobytes()
    assert first.scores.tobytes() == second.scores.tobytes()


@pytest.mark.parametrize("factor", [0.5, 1, 2], ids=["half", "same", "double"])
def test_boxes_are_in_pixels_of_the_given_picture(mmod, portrait, factor):
    picture = cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    box = mmod.detect([picture], 0.0)[0].boxes[0] / factor
    assert overlap(box, np.array((169, 60, 280, 171))) > 0.5


def test_a_region_can_be_looked_at_in_a_small_size(mmod, portrait):
    region = portrait[20:220, 120:320]
    faces = mmod.detect([region], 0.0, size=200)
    assert overlap(faces[0].boxes[0], np.array((169 - 120, 60 - 20, 280 - 120, 171 - 20))) > 0.5


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (900, 3), (39, 64), (40, 40)], ids=str)
@pytest.mark.parametrize("name", ["mmod", "hog"])
def test_tiny_and_narrow_pictures_hold_no_face(name, shape, request):
    picture = np.full((*shape, 3), 90, np.uint8)
    faces = request.getfixturevalue(name).detect([picture], 0.0, size=160)[0]
    assert faces.boxes.shape == (0, 4)
    assert faces.scores.shape == (0,)


def test_no_pictures_no_results(mmod):
    assert mmod.detect([], 0.0) == []


def test_hog_finds_an_upright_face(hog, portrait):
    faces = hog.detect([portrait], hog.min_score)[0]
    assert overlap(faces.boxes[0], np.array((169, 60, 280, 171))) > 0.5


@pytest.mark.parametrize("name", ["mmod", "dlib_embedder"])
def test_the_number_of_threads_changes_no_byte(name, mmod, portrait):
    def look(threads):
        if name == "mmod":
            detector = create_detector(Faces(detector="mmod"), threads)
            return detector.detect([portrait], -0.5)[0].boxes
        faces = mmod.detect([portrait], 0.0)[0]
        embedder = create_embedder(Faces(), threads)
        return embedder.embed(embedder.align(portrait, faces))

    assert look(1).tobytes() == look(2).tobytes()


def test_embeddings_are_dlibs(mmod, dlib_embedder, portrait, two_people):
    model = dlib.face_recognition_model_v1(
        str(weights.embedded("dlib_face_recognition_resnet_model_v1.dat"))
    )
    predictor = dlib.shape_predictor(str(weights.embedded("shape_predictor_5_face_landmarks.dat")))
    compared = 0
    for picture in (portrait, two_people):
        faces = mmod.detect([picture], 0.0)[0]
        rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        vectors = dlib_embedder.embed(dlib_embedder.align(picture, faces))
        for box, ours in zip(faces.boxes, vectors, strict=True):
            x1, y1, x2, y2 = (int(edge) for edge in box.round())
            shape = predictor(rgb, dlib.rectangle(x1, y1, x2 - 1, y2 - 1))
            theirs = np.array(model.compute_face_descriptor(rgb, shape))
            assert np.linalg.norm(ours - theirs) < 1e-4
            compared += 1
    assert compared == 3


def test_one_person_is_closer_than_the_threshold_and_two_are_not(
    mmod, dlib_embedder, portrait, two_people
):
    def vectors(picture):
        return dlib_embedder.embed(dlib_embedder.align(picture, mmod.detect([picture], 0.0)[0]))

    (collins,) = vectors(portrait)
    (darker,) = vectors((portrait * 0.6).astype(np.uint8))
    first, second = vectors(two_people)
    assert np.linalg.norm(collins - darker) < dlib_embedder.threshold / 2
    assert np.linalg.norm(first - second) > dlib_embedder.threshold
    assert np.linalg.norm(first - collins) > dlib_embedder.threshold


def test_no_faces_no_vectors(dlib_embedder, portrait):
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    assert dlib_embedder.embed(dlib_embedder.align(portrait, nothing)).shape == (0, 128)


def test_a_box_that_leaves_the_picture_is_embedded(dlib_embedder, portrait):
    faces = Detections(np.array([[-40, -40, 90, 90]], np.float32), np.ones(1, np.float32))
    assert np.isfinite(dlib_embedder.embed(dlib_embedder.align(portrait, faces))).all()


@pytest.mark.parametrize(
    "make", [lambda: create_embedder(Faces(), 1), lambda: create_detector(Faces(detector="hog"), 1)]
)
def test_without_dlib_the_error_says_what_to_install(make, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dlib", None)
    with pytest.raises(CaerError, match="pip install dlib-bin"):
        make()


def test_without_the_weights_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CaerError, match="pip install face_recognition_models"):
        create_detector(Faces(), threads=1)
    with pytest.raises(CaerError, match="pip install face_recognition_models"):
        create_embedder(Faces(), threads=1)
