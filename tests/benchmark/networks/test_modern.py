"""R(2+1)D-18 and the probe on an encoder of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from lightning_fabric import Fabric
from made_up import noise_store
from onnx import TensorProto, helper

from caer_data.benchmark.networks import architecture, create
from caer_data.benchmark.recipe import ModelRecipe, load, vary
from caer_data.benchmark.training.run import Context, run
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

SMALL = {
    "input": {"face": (16, 16), "frame": (24, 32), "crop": (16, 24)},
    "train": {"epochs": 30, "batch_size": 8, "patience": 0},
}


def test_r2plus1d_has_the_published_names_and_size() -> None:
    with torch.device("meta"):
        model = architecture(load("r2plus1d"))
    state = {n: tuple(t.shape) for n, t in model.state_dict().items() if not n.startswith("head.")}
    learned = [p.numel() for n, p in model.named_parameters() if not n.startswith("head.")]
    assert sum(learned) == 31_505_325 - 400 * 513  # torchvision's, less its classifier
    assert state["stem.0.weight"] == (45, 3, 1, 7, 7)
    assert state["stem.3.weight"] == (64, 45, 3, 1, 1)
    assert state["layer1.0.conv1.0.0.weight"] == (144, 64, 1, 3, 3)
    assert state["layer1.0.conv1.1.running_mean"] == (64,)
    assert state["layer2.0.conv1.0.3.weight"] == (128, 230, 3, 1, 1)
    assert state["layer2.0.conv2.0.0.weight"] == (230, 128, 1, 3, 3)
    assert state["layer2.0.downsample.0.weight"] == (128, 64, 1, 1, 1)
    assert "layer1.0.downsample.0.weight" not in state
    with torch.device("meta"):
        found = model(None, torch.empty(2, 3, 16, 112, 112))
    assert found.logits.shape == (2, 7)


def encoder(path: Path, shape: list[int | str], axes: list[int]) -> Path:
    """An ONNX file whose features are the means over some axes, and those squared."""
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "mean"], ["square"]),
        helper.make_node("Concat", ["mean", "square"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], 6])],
        [helper.make_tensor("axes", TensorProto.INT64, [len(axes)], axes)],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def probe(path: Path, frames: int = 4, **baseline: object) -> ModelRecipe:
    changes = {**SMALL, "baseline": {"encoder": str(path), **baseline}}
    changes["input"] = {**SMALL["input"], "frames": frames}
    return vary(load("onnx-probe"), changes)


@pytest.mark.parametrize(
    ("shape", "axes", "frames"),
    [
        (["n", 3, "h", "w"], [2, 3], 4),
        ([1, 3, 16, 24], [2, 3], 1),
        (["n", 3, 4, 16, 24], [2, 3, 4], 4),
        (["n", 4, 3, 16, 24], [1, 3, 4], 4),
    ],
    ids=["pictures of clips", "one picture", "clips", "time first"],
)
def test_features_are_those_of_the_file(
    tmp_path: Path, shape: list[int | str], axes: list[int], frames: int
) -> None:
    recipe = probe(encoder(tmp_path / "e.onnx", shape, axes), frames)
    model = create(recipe)
    torch.manual_seed(0)
    x = torch.randn(3, 3, *((frames,) if frames > 1 else ()), 16, 24)
    each = x.mean((-2, -1))
    if len(shape) == 4 and frames > 1:
        expected = torch.cat([each, each**2], 1).mean(2)
    else:
        mean = x.flatten(2).mean(2)
        expected = torch.cat([mean, mean**2], 1)
    assert torch.allclose(model.encode(x), expected, atol=1e-5)
    assert [n for n, p in model.named_parameters() if p.requires_grad] == [
        "head.0.weight",
        "head.0.bias",
        "head.3.weight",
        "head.3.bias",
    ]


def test_a_probe_trains_to_its_results(tmp_path: Path, fabric: Fabric) -> None:
    path = encoder(tmp_path / "e.onnx", ["n", 3, "h", "w"], [2, 3])
    recipe = vary(probe(path, 1), {"train": {"epochs": 2}})
    result = run(recipe, noise_store(16), 0, Context(tmp_path, fabric, Reporter("quiet")))
    assert result["epochs"] == 2 and 0 <= result["war"] <= 1


def test_threads_of_an_encoder_do_not_spin(tmp_path: Path) -> None:
    model = create(probe(encoder(tmp_path / "e.onnx", ["n", 3, "h", "w"], [2, 3])))
    options = model.encoder._session.get_session_options()
    for pool in ("intra_op", "inter_op"):
        assert options.get_session_config_entry(f"session.{pool}.allow_spinning") == "0"


def test_what_is_no_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaerError, match="needs an encoder"):
        create(load("onnx-probe"))
    with pytest.raises(CaerError, match="no such encoder"):
        create(probe(tmp_path / "nowhere.onnx"))
    (tmp_path / "text.onnx").write_text("no")
    with pytest.raises(CaerError, match="cannot be read as an ONNX model"):
        create(probe(tmp_path / "text.onnx"))
    flat = encoder(tmp_path / "flat.onnx", ["n", 3, "w"], [2])
    with pytest.raises(CaerError, match="an encoder takes one input"):
        create(probe(flat))
    fixed = encoder(tmp_path / "fixed.onnx", ["n", 3, 224, 224], [2, 3])
    with pytest.raises(CaerError, match=r"refuses inputs of shape"):
        create(probe(fixed))


def test_baselines_see_the_face_unless_it_is_to_be_hidden() -> None:
    for name in ("alexnet", "vgg", "resnet", "c3d", "r2plus1d"):
        assert load(name).hide.faces == "none"
    assert load("caer-net").hide.faces == load("context-only").hide.faces == "target"
    assert load("face-only").sees_face and not load("face-only").sees_context
    assert load("context-only").sees_context and not load("context-only").sees_face
    assert np.isclose(load("face-only").train.learning_rate, 3e-4)
