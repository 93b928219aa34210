"""SCRFD, YuNet and ArcFace: their real weights where they are to be had, else a stand-in."""

import hashlib

import cv2
import numpy as np
import pytest
import tiny_onnx
from box_overlap import overlap

from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Faces
from caer_data.faces.models import Detections, create_detector, create_embedder, embedded
from caer_data.faces.models.align import chip, similarity
from caer_data.faces.models.arcface import _PLACES

FACE = np.array((178, 62, 268, 186))


def vouched_folder(folder, name, content):
    (folder / name).write_bytes(content)
    return {"weights": str(folder), "weights_sha256": (hashlib.sha256(content).hexdigest(),)}


@pytest.fixture(scope="module", params=["scrfd", "yunet"])
def detector(request, weights_folder):
    name = "scrfd_500m.onnx" if request.param == "scrfd" else "yunet_n_640_640.onnx"
    path = str(weights_folder / name)
    return create_detector(Faces(detector=request.param, weights=path, detector_size=320), 1)


@pytest.mark.parametrize("factor", [0.5, 1, 2], ids=["half", "same", "double"])
def test_a_face_and_its_points_are_found(detector, portrait, factor):
    picture = cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    faces = detector.detect([picture], detector.min_score)[0]
    assert len(faces) == 1
    assert overlap(faces.boxes[0] / factor, FACE) > 0.7
    eye, other_eye, nose, corner, other_corner = faces.points[0] / factor
    assert eye[0] < nose[0] < other_eye[0]
    assert corner[0] < other_corner[0]
    assert max(eye[1], other_eye[1]) < nose[1] < min(corner[1], other_corner[1])


def test_faces_are_found_best_first_and_none_in_an_empty_picture(detector, two_people):
    faces, nothing = detector.detect([two_people, np.zeros_like(two_people)], 0.3)
    assert len(faces) >= 2
    assert (np.diff(faces.scores) <= 0).all()
    assert len(nothing) == 0
    assert nothing.points.shape == (0, 5, 2)


def test_a_higher_min_score_keeps_fewer(detector, two_people):
    every = detector.detect([two_people], 0.2)[0]
    few = detector.detect([two_people], float(every.scores[0]) - 1e-4)[0]
    assert len(few) == 1
    np.testing.assert_array_equal(few.boxes[0], every.boxes[0])


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (33, 65)], ids=str)
def test_tiny_and_narrow_pictures_hold_no_face(detector, shape):
    assert len(detector.detect([np.full((*shape, 3), 99, np.uint8)], 0.6)[0]) == 0


def test_scrfd_sees_a_face_that_fills_the_picture(portrait, weights_folder):
    faces = Faces(detector="scrfd", weights=str(weights_folder), detector_size=1280)
    scrfd = create_detector(faces, 1)
    close = portrait[40:210, 140:310]
    found = scrfd.detect([close], scrfd.min_score)[0]
    assert len(found) == 1
    assert overlap(found.boxes[0], FACE - (140, 40, 140, 40)) > 0.7


def test_scrfd_with_other_outputs_is_refused(tmp_path):
    choices = vouched_folder(tmp_path, "det_odd.onnx", tiny_onnx.identity(outputs=6))
    with pytest.raises(CaerError, match="five points"):
        create_detector(Faces(detector="scrfd", **choices), 1)


def test_scrfd_with_other_anchors_is_refused(tmp_path):
    choices = vouched_folder(tmp_path, "det_odd.onnx", tiny_onnx.identity(outputs=9))
    odd = create_detector(Faces(detector="scrfd", **choices), 1)
    with pytest.raises(CaerError, match="unsupported number of anchors"):
        odd.detect([np.zeros((64, 64, 3), np.uint8)], 0.5)


@pytest.mark.parametrize("model", ["scrfd", "yunet"])
def test_a_file_that_is_no_network_is_refused(model, tmp_path):
    name = "det_x.onnx" if model == "scrfd" else "yunet.onnx"
    choices = vouched_folder(tmp_path, name, b"no network at all")
    with pytest.raises(CaerError, match="cannot load this"):
        create_detector(Faces(detector=model, **choices), 1)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_fall_back_to_the_processor_is_said(provider, weights_folder):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has the GPU provider")
    faces = Faces(detector="scrfd", weights=str(weights_folder), provider=provider)
    scrfd = create_detector(faces, 1)
    assert scrfd.provider == "cpu"
    assert f"{provider} was requested, but ONNX Runtime runs on cpu" in scrfd.warnings[0]


@pytest.mark.parametrize("provider", ["auto", "cpu"])
def test_running_on_the_processor_as_asked_needs_no_warning(provider, weights_folder):
    faces = Faces(detector="scrfd", weights=str(weights_folder), provider=provider)
    assert create_detector(faces, 1).warnings == []


def test_a_session_has_no_threads_of_its_own():
    options = embedded.load(embedded.DETECTOR, "cpu", threads=2).session.get_session_options()
    assert options.intra_op_num_threads == 1
    assert options.get_session_config_entry("session.inter_op.allow_spinning") == "0"


@pytest.fixture(params=["N", 1], ids=["any batch", "batch of one"])
def arcface(request, tmp_path):
    choices = vouched_folder(tmp_path, "w600k_mbf.onnx", tiny_onnx.arcface(batch=request.param))
    return create_embedder(Faces(detector="scrfd", embedder="arcface", **choices), 1)


def placed(turn, scale, shift):
    """Points of a face that is turned, scaled and shifted, and the map from chip to picture."""
    a = scale * np.exp(1j * np.deg2rad(turn))
    mapped = (_PLACES[:, 0] + 1j * _PLACES[:, 1]) * a + complex(*shift)
    matrix = np.array([[a.real, -a.imag, shift[0]], [a.imag, a.real, shift[1]]])
    return np.stack([mapped.real, mapped.imag], axis=1).astype(np.float32), matrix


def test_arcface_vectors_have_length_one_and_do_not_depend_on_pose(arcface, portrait):
    face = cv2.resize(portrait[70:182, 170:282], (112, 112))
    picture = np.full((600, 600, 3), 127, np.uint8)
    everything = []
    for turn, scale, shift in ((0, 1, (50, 50)), (25, 2, (250, 100)), (-40, 1.5, (100, 250))):
        points, matrix = placed(turn, scale, shift)
        drawn = cv2.warpAffine(face, matrix, (600, 600), flags=cv2.INTER_CUBIC)
        everything.append((np.where(drawn > 0, drawn, picture), points))
    chips = [
        arcface.align(p, Detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32), q[None]))
        for p, q in everything
    ]
    vectors = [arcface.embed(chip) for chip in chips]
    assert vectors[0].shape == (1, 512)
    for vector in vectors:
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        assert np.linalg.norm(vector - vectors[0]) < 0.2
    other = np.random.default_rng(0).integers(0, 255, (600, 600, 3)).astype(np.uint8)
    faces = Detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32), everything[0][1][None])
    assert np.linalg.norm(arcface.embed(arcface.align(other, faces)) - vectors[0]) > 0.4


def test_arcface_embeds_many_faces_of_one_picture_in_order(arcface, portrait):
    points = np.stack([placed(0, s, (20 * s, 30))[0] for s in (1, 2, 3)])
    faces = Detections(np.zeros((3, 4), np.float32), np.ones(3, np.float32), points)
    together = arcface.embed(arcface.align(portrait, faces))
    for row, one in zip(together, points, strict=True):
        alone = Detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32), one[None])
        np.testing.assert_allclose(arcface.embed(arcface.align(portrait, alone))[0], row, atol=1e-5)


def test_arcface_without_points_says_which_detectors_give_them(arcface, portrait):
    faces = Detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32))
    with pytest.raises(CaerError, match="five points: centerface, scrfd, yunet"):
        arcface.embed(arcface.align(portrait, faces))
    with pytest.raises(CaerError, match="'mmod' does not return"):
        create_embedder(Faces(detector="mmod", embedder="arcface"), 1)


def test_arcface_embeds_nothing_as_nothing(arcface, portrait):
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    assert arcface.embed(arcface.align(portrait, nothing)).shape == (0, 512)


def test_arcface_of_another_shape_is_refused(tmp_path):
    choices = vouched_folder(tmp_path, "w600k_odd.onnx", tiny_onnx.arcface(size=96))
    with pytest.raises(CaerError, match="112 by 112"):
        create_embedder(Faces(detector="scrfd", embedder="arcface", **choices), 1)


def test_scrfd_and_arcface_work_together(weights_folder, arcface, two_people):
    scrfd = create_detector(Faces(detector="scrfd", weights=str(weights_folder)), 1)
    faces = scrfd.detect([two_people], scrfd.min_score)[0]
    assert arcface.embed(arcface.align(two_people, faces)).shape == (2, 512)


def test_sface_cuts_out_and_embeds_as_opencv_does(tmp_path, weights_folder, portrait):
    choices = vouched_folder(tmp_path, "face_recognition_sface_x.onnx", tiny_onnx.sface())
    ours = create_embedder(Faces(detector="yunet", embedder="sface", **choices), 1)
    theirs = cv2.FaceRecognizerSF.create(str(tmp_path / "face_recognition_sface_x.onnx"), "")
    weights = str(weights_folder / "yunet_n_640_640.onnx")
    yunet = create_detector(Faces(detector="yunet", weights=weights, detector_size=320), 1)
    faces = yunet.detect([portrait], yunet.min_score)[0]
    chips = ours.align(portrait, faces)
    row = np.zeros((1, 15), np.float32)
    row[0, 4:14] = faces.points[0].ravel()
    wanted = theirs.alignCrop(portrait, row)
    assert np.abs(chips[0].astype(int) - wanted).mean() < 2
    vector = theirs.feature(chips[0])
    found = ours.embed(chips[:1])
    assert found.shape == (1, 128)
    np.testing.assert_allclose(found, vector / np.linalg.norm(vector), atol=1e-4)


def test_similarity_is_exact_where_one_exists_and_never_mirrors():
    points, _ = placed(33, 1.7, (12, -5))
    matrix = similarity(points, _PLACES)
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(mapped, _PLACES, atol=1e-3)
    mirrored = similarity(points * (-1, 1), _PLACES)
    assert np.linalg.det(mirrored[:, :2]) > 0


def test_points_that_coincide_give_a_chip_all_the_same(portrait):
    same = np.full((5, 2), 100, np.float32)
    assert chip(portrait, same, _PLACES, 112).shape == (112, 112, 3)
