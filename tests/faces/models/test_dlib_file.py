from pathlib import Path

import pytest

from caer_data.engine.errors import CaerError
from caer_data.faces.models import dlib_graphs, embedded, weights
from caer_data.faces.models.dlib_file import parse_network

DETECTOR = "mmod_human_face_detector.dat"
EMBEDDER = "dlib_face_recognition_resnet_model_v1.dat"


@pytest.fixture(scope="module")
def detector_bytes():
    return weights.embedded(DETECTOR).read_bytes()


def test_the_detectors_file_is_read_to_its_last_byte():
    path = weights.embedded(DETECTOR)
    network = parse_network(path.read_bytes(), path)
    convolutions = [layer for layer in network.layers if layer.kind == "convolution"]
    assert [layer.numbers[0] for layer in convolutions] == [16, 32, 32, 45, 45, 45, 1]
    assert network.loss[:2] == (80, 80)
    assert network.mean == pytest.approx((122.782, 117.001, 104.298), abs=1e-3)


def test_the_embedders_file_is_read_to_its_last_byte():
    path = weights.embedded(EMBEDDER)
    network = parse_network(path.read_bytes(), path)
    kinds = [layer.kind for layer in network.layers]
    assert (kinds.count("convolution"), kinds.count("affine"), kinds.count("add_prev")) == (
        29,
        29,
        14,
    )
    assert network.layers[-1].numbers == (128, 256)


DAMAGE = {
    "empty": lambda data: b"",
    "not a usable network": lambda data: b"GIF89a" * 100,
    "cut in the header": lambda data: data[:60],
    "cut in a tensor": lambda data: data[:5000],
    "cut in the last layer": lambda data: data[:-30],
    "one byte too many": lambda data: data + b"\x01",
    "unknown layer": lambda data: data.replace(b"relu_", b"gelu_", 1),
    "not a number": lambda data: data.replace(b"\xb1\x0c5\xbb", b"\x00\x00\xc0\x7f", 1),
    "negative size": lambda data: data.replace(b"\x01\x02\x02\xc0\x04", b"\x01\x02\x82\xc0\x04", 1),
    "huge size": lambda data: data.replace(
        b"\x01\x02\x02\xc0\x04", b"\x01\x02\x07\xff\xff\xff\xff\xff\xff\x7f", 1
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named(damage, detector_bytes):
    changed = DAMAGE[damage](detector_bytes)
    assert changed != detector_bytes
    with pytest.raises(CaerError, match=r"damaged\.dat"):
        parse_network(changed, Path("damaged.dat"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CaerError, match=r"nothing\.dat"):
        embedded.model_file(tmp_path / "nothing.dat", DETECTOR)


def test_one_network_is_not_taken_for_the_other(detector_bytes):
    path = weights.embedded(EMBEDDER)
    with pytest.raises(CaerError, match="another network"):
        dlib_graphs.detector_graph(path.read_bytes(), path)
    with pytest.raises(CaerError, match="another network"):
        dlib_graphs.embedder_graph(detector_bytes, Path("detector.dat"))


def test_weights_that_do_not_fit_the_layer_are_refused(detector_bytes):
    odd = detector_bytes.replace(
        b"\x01\x10\x01\x05\x01\x05\x01\x02", b"\x01\x0f\x01\x05\x01\x05\x01\x02", 1
    )
    with pytest.raises(CaerError, match="do not fit"):
        dlib_graphs.detector_graph(odd, Path("odd.dat"))
