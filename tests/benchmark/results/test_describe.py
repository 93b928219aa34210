"""Counts against arithmetic done here from the paper's widths, and against known models."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import asdict

import pytest

from caer_data.benchmark.networks import architecture
from caer_data.benchmark.recipe import load, vary
from caer_data.benchmark.results.describe import as_text, describe

WIDTHS = (3, 32, 64, 128, 256, 256)


def trunk_parameters(taps):
    """Weights of five convolutions without bias, and two numbers a channel of normalisation."""
    return sum(taps * a * b for a, b in itertools.pairwise(WIDTHS)) + 2 * sum(WIDTHS[1:])


def trunk_multiply_adds(frames, size):
    """Taps x channels in x channels out x positions, halved by the pooling before each layer."""
    total, T, H = 0, frames, size
    for number, (a, b) in enumerate(itertools.pairwise(WIDTHS), start=1):
        taps = 27 if frames > 1 else 9
        total += taps * a * b * T * H * H
        H //= 2
        T = max(T // 2, 1) if number > 1 else T
    return total


FUSION = 2 * (256 * 128 + 128 + 128 + 1) + (512 * 128 + 128) + (128 * 7 + 7)


def attention_parameters(taps, bn):
    return taps * 256 * 128 + 256 + taps * 128 + 1 + (2 if bn else 0)


@pytest.mark.parametrize(
    ("model", "preset", "total", "face", "context", "fusion"),
    [
        ("caer-net", "paper", 6_890_572, 2_934_752, 3_823_203, 132_617),
        ("caer-net", "tuned", 6_890_570, 2_934_752, 3_823_201, 132_617),  # no BN of the logit
        ("caer-net-s", "paper", 2_387_404, 979_232, 1_275_555, 132_617),
        ("caer-net-s", "tuned", 2_387_402, 979_232, 1_275_553, 132_617),
    ],
    ids=str,
)
def test_parameters_of_caer_net(model, preset, total, face, context, fusion):
    found = describe(load(model, preset))
    taps = 27 if model == "caer-net" else 9
    parts = {name: sums["parameters"] for name, sums in found.parts.items()}
    assert parts["face"] == face == trunk_parameters(taps)
    assert parts["context"] + parts["attention"] == context
    assert parts["attention"] == attention_parameters(taps, preset == "paper")
    assert parts["fusion"] == fusion == FUSION
    assert found.parameters == found.trainable == total == face + context + fusion


def test_multiply_adds_of_caer_net():
    parts = describe(load("caer-net")).parts
    assert parts["face"]["multiply_adds"] == trunk_multiply_adds(16, 96) == 4_076_863_488
    assert parts["context"]["multiply_adds"] == trunk_multiply_adds(16, 112) == 5_549_064_192
    assert parts["attention"]["multiply_adds"] == 2 * 7 * 7 * 27 * (256 * 128 + 128)
    assert round(describe(load("caer-net")).multiply_adds / 1e9, 3) == 9.713


@pytest.mark.parametrize(
    ("preset", "face", "crop", "total"),
    [("paper", 224, 224, 1.763), ("tuned", 96, 112, 0.384)],
)
def test_multiply_adds_of_caer_net_s(preset, face, crop, total):
    found = describe(load("caer-net-s", preset))
    counts = {name: sums["multiply_adds"] for name, sums in found.parts.items()}
    assert counts == {
        "face": trunk_multiply_adds(1, face),
        "context": trunk_multiply_adds(1, crop),
        "attention": (crop // 16) ** 2 * 9 * (256 * 128 + 128),
        "fusion": 2 * (256 * 128 + 128) + 512 * 128 + 128 * 7,
    }
    assert found.multiply_adds / 1e9 == pytest.approx(total, abs=5e-4)


def test_shapes_of_caer_net_are_those_beside_its_steps():
    shapes = {
        layer.name: (layer.shape_in, layer.shape_out) for layer in describe(load("caer-net")).layers
    }
    assert shapes["face.conv5.norm"][1] == (256, 2, 6, 6)
    assert shapes["context.conv5.norm"][1] == (256, 2, 7, 7)
    assert shapes["attention.hidden.conv"] == ((256, 2, 7, 7), (128, 2, 7, 7))
    assert shapes["attention.logit"][1] == (1, 2, 7, 7)
    assert shapes["fusion.face_weight.0"][0] == shapes["fusion.context_weight.0"][0] == (256,)
    assert shapes["fusion.classifier.0"][0] == (512,)
    assert shapes["fusion.classifier.3"][1] == (7,)


def test_mean_bn_adds_512_parameters():
    recipe = vary(load("caer-net"), {"layers": {"attention_pool": "mean-bn"}})
    assert describe(recipe).parameters == 6_890_572 + 512


@pytest.mark.parametrize(
    ("name", "variant", "features", "multiply_adds"),
    [
        # the published models: parameters and G multiply-adds below the classifier
        ("alexnet", "", 2_469_696, 0.656),
        ("vgg", "16", 14_714_688, 15.347),
        ("vgg", "16_bn", 14_723_136, 15.347),
        ("resnet", "18", 11_176_512, 1.814),
        ("resnet", "50", 23_508_032, 4.087),
        ("c3d", "", 27_655_936, 38.497),
    ],
    ids=["alexnet", "vgg16", "vgg16_bn", "resnet18", "resnet50", "c3d"],
)
def test_baselines(name, variant, features, multiply_adds):
    found = describe(vary(load(name), {"baseline": {"variant": variant}}))
    head = found.parts["head"]
    assert found.parameters - head["parameters"] == features
    assert (found.multiply_adds - head["multiply_adds"]) / 1e9 == pytest.approx(
        multiply_adds, abs=6e-4
    )


@pytest.mark.parametrize(
    "streams",
    [
        {"context": False, "context_attention": False, "fusion_attention": False},
        {"face": False, "fusion_attention": False},
        {"fusion_attention": False},
    ],
    ids=["F", "C+cA", "F+C+cA"],
)
def test_what_is_off_is_not_built(streams):
    found = describe(vary(load("caer-net"), {"streams": streams}))
    assert set(found.inputs) == {s for s in ("face", "context") if streams.get(s, True)}
    if not streams.get("face", True):
        assert "face" not in found.parts


@pytest.mark.parametrize("name", ["caer-net", "resnet"])
def test_layers_hold_every_parameter_once(name):
    found = describe(load(name))
    model = architecture(load(name))
    assert sum(layer.parameters for layer in found.layers) == found.parameters
    assert found.parameters == sum(math.prod(p.shape) for p in model.parameters())


def test_pooling_first_counts_the_same():
    recipe = load("caer-net")
    fast = vary(recipe, {"compute": {"pool_first": True}})
    assert describe(fast).layers == describe(recipe).layers


def test_frozen_features_do_not_learn():
    recipe = vary(load("alexnet"), {"baseline": {"frozen": True, "weights": "not-read.pth"}})
    found = describe(recipe)
    assert found.trainable == found.parts["head"]["parameters"] < found.parameters
    assert "of them learn" in as_text(found)


def test_text_and_json():
    found = describe(load("caer-net"))
    text = as_text(found)
    assert "face.conv1.conv" in text
    assert "6,890,572 parameters; 9.713 G multiply-adds per sample, forward (19.4 GFLOP)" in text
    values = json.loads(json.dumps(asdict(found)))
    assert values["layers"][0]["shape_out"] == [32, 16, 96, 96]
    assert values["inputs"] == {"face": [3, 16, 96, 96], "context": [3, 16, 112, 112]}
