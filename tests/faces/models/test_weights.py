import hashlib

import pytest

from caer_data.engine.errors import CaerError
from caer_data.engine.files import sha256_of
from caer_data.engine.recipe import Faces
from caer_data.faces.models import weights


def vouched(content, **choices):
    return Faces(weights_sha256=(hashlib.sha256(content).hexdigest(),), **choices)


@pytest.fixture
def pack(tmp_path):
    for name in ("det_10g.onnx", "w600k_r50.onnx", "genderage.onnx", "face_yunet.onnx"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


@pytest.mark.parametrize(
    ("model", "name"),
    [("scrfd", "det_10g.onnx"), ("arcface", "w600k_r50.onnx"), ("yunet", "face_yunet.onnx")],
)
def test_a_folder_is_searched_by_the_names_of_published_files(model, name, pack):
    faces = vouched(name.encode(), detector="scrfd", weights=str(pack))
    found = weights.local(faces, model)
    assert (found.path, found.data) == (pack / name, name.encode())


def test_a_file_is_the_detectors_and_the_embedder_lies_beside_it(pack):
    other = pack / "mine.onnx"
    other.write_bytes(b"mine")
    hashes = tuple(hashlib.sha256(c).hexdigest() for c in (b"mine", b"w600k_r50.onnx"))
    faces = Faces(detector="scrfd", weights=str(other), weights_sha256=hashes)
    assert weights.local(faces, "scrfd").path == other
    assert weights.local(faces, "arcface").path == pack / "w600k_r50.onnx"


def test_the_recipe_wins_over_the_environment(pack, tmp_path, monkeypatch):
    faces = vouched(b"det_10g.onnx", detector="scrfd", weights=str(pack))
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "elsewhere"))
    assert weights.local(faces, "scrfd").path.parent == pack
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(pack))
    faces = vouched(b"det_10g.onnx", detector="scrfd")
    assert weights.local(faces, "scrfd").path.parent == pack


def test_nothing_given_says_what_to_set_and_the_licence(monkeypatch):
    monkeypatch.delenv(weights.FOLDER_VARIABLE, raising=False)
    with pytest.raises(CaerError, match=r"CAER_INSIGHTFACE_DIR.*non-commercial"):
        weights.local(Faces(detector="scrfd"), "scrfd")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"weights": "absent"}, "no such file or folder"),
        ({"weights": "."}, "contains no weights"),
        ({"weights": "two"}, r"several files.*det_a\.onnx, det_b\.onnx"),
        ({"weights": "det_x.onnx"}, "is not one of the published"),
    ],
    ids=["absent", "nothing that fits", "two that fit", "unknown content"],
)
def test_weights_that_cannot_be_used(choices, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two").mkdir()
    for name in ("two/det_a.onnx", "two/det_b.onnx"):
        (tmp_path / name).write_bytes(b"x")
    if choices["weights"] == "det_x.onnx":
        (tmp_path / "det_x.onnx").write_bytes(b"unknown")
    with pytest.raises(CaerError, match=message):
        weights.local(Faces(detector="scrfd", **choices), "scrfd")


def test_an_unknown_file_is_refused_with_the_hash_that_would_allow_it(tmp_path):
    (tmp_path / "det_x.onnx").write_bytes(b"unknown")
    with pytest.raises(CaerError, match=hashlib.sha256(b"unknown").hexdigest()):
        weights.local(Faces(detector="scrfd", weights=str(tmp_path)), "scrfd")


def test_published_files_are_known_with_their_licence(weights_folder):
    scrfd = Faces(detector="scrfd", weights=str(weights_folder))
    assert "non-commercial" in weights.local(scrfd, "scrfd").licence
    yunet = Faces(detector="yunet", weights=str(weights_folder / "yunet_n_640_640.onnx"))
    assert weights.local(yunet, "yunet").licence == "Apache-2.0"


def test_one_published_model_is_not_taken_for_another(weights_folder):
    faces = Faces(detector="scrfd", weights=str(weights_folder / "yunet_n_640_640.onnx"))
    with pytest.raises(CaerError, match="is the model yunet_n"):
        weights.local(faces, "scrfd")


def test_a_changed_byte_makes_a_published_file_unknown(weights_folder, tmp_path):
    data = bytearray((weights_folder / "scrfd_500m.onnx").read_bytes())
    data[5000] ^= 1
    (tmp_path / "scrfd_500m.onnx").write_bytes(data)
    with pytest.raises(CaerError, match="or is damaged"):
        weights.local(Faces(detector="scrfd", weights=str(tmp_path)), "scrfd")


@pytest.mark.parametrize("name", weights.EMBEDDED)
def test_the_embedded_files_are_the_published_ones(name):
    assert sha256_of(weights.embedded(name)) == weights.EMBEDDED[name]


def test_models_in_a_folder_are_listed_by_content(weights_folder):
    labels = [label for _, label in weights.known_in(weights_folder)]
    assert [label.split()[0] for label in labels] == ["det_500m", "yunet_n", "yunet_s"]


def test_the_user_hears_which_detector_looks_and_which_is_missing(monkeypatch):
    monkeypatch.setattr(weights, "centerface_path", lambda: None)
    said = weights.detector_note(Faces(detector="mmod"))
    assert said.startswith("Face detector: mmod;") and weights.CENTERFACE_INSTALL in said
    monkeypatch.setattr(weights, "centerface_path", lambda: "there")
    assert weights.detector_note(Faces(detector="mmod")) == "Face detector: mmod"
