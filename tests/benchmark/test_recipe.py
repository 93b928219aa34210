"""Model recipes: the shipped files, mistakes in a user's, presets, suites."""

from __future__ import annotations

import sys

import pytest
import yaml

from caer_data.benchmark import recipe as model_recipes
from caer_data.benchmark.networks import Output, architecture, create
from caer_data.benchmark.recipe import ModelRecipe, load, parse, vary
from caer_data.benchmark.results import suites
from caer_data.benchmark.results.describe import describe
from caer_data.benchmark.results.plan import Changes
from caer_data.benchmark.selftest import synthetic
from caer_data.engine import recipe as recipes
from caer_data.engine import section as sections
from caer_data.engine.errors import CaerError

NAMES = [
    "alexnet",
    "c3d",
    "caer-net",
    "caer-net-s",
    "caer-net-sound",
    "context-only",
    "face-only",
    "onnx-probe",
    "r2plus1d",
    "resnet",
    "sound",
    "vgg",
]
MODELS = {
    "caer-net-sound": "caer-net",
    "sound": "caer-net",
    "context-only": "r2plus1d",
    "face-only": "r2plus1d",
}
"""Recipes whose network has another name."""


def test_one_file_a_model():
    assert sorted(model_recipes.shipped()) == NAMES


@pytest.mark.parametrize("preset", ["paper", "tuned"])
@pytest.mark.parametrize("name", NAMES)
def test_shipped_recipes(name, preset):
    if preset == "tuned" and "\ntuned:" not in model_recipes.shipped()[name]:
        with pytest.raises(CaerError, match=r"has no section 'tuned'; leave out --preset tuned"):
            load(name, preset)
        return
    recipe = load(name, preset)
    assert (recipe.model, recipe.preset) == (MODELS.get(name, name), preset)
    assert parse(recipes.dump(recipe), "dump") == vary(recipe, {"preset": recipe.preset})


def test_caer_net_s_file_names_every_field_but_the_baselines():
    """The file is the reference of the fields, so none may be missing there."""
    for name in ("caer-net", "caer-net-s"):
        values = yaml.safe_load(model_recipes.shipped()[name])
        for section, field in ModelRecipe.model_fields.items():
            if section in ("name", "preset", "model", "baseline"):
                continue
            assert set(values[section]) == set(field.annotation.model_fields), section


def test_baseline_file_names_every_field_of_its_section():
    values = yaml.safe_load(model_recipes.shipped()["c3d"])
    assert set(values["baseline"]) == set(model_recipes.Baseline.model_fields)


def test_every_line_with_a_value_is_explained():
    """Each field of the reference has a comment on its line, or on the lines right after it."""
    lines = model_recipes.shipped()["caer-net"].split("tuned:")[0].splitlines()
    bare = [line for line in lines if line.startswith("  ") and ":" in line and "#" not in line]
    assert bare == []


def test_the_paper_preset_is_the_paper():
    recipe = load("caer-net")
    assert recipe.train.learning_rate == 5e-3
    assert (recipe.train.lr_step_epochs, recipe.train.lr_gamma) == (4, 0.1)
    assert recipe.train.batch_size == 32
    assert (recipe.input.frames, recipe.input.fps, recipe.input.stride) == (16, 10.0, 8)
    assert (recipe.input.face, recipe.input.frame, recipe.input.crop) == (
        (96, 96),
        (128, 171),
        (112, 112),
    )
    assert recipe.layers.dropout == 0.5
    assert recipe.layers.attention_bn_relu
    assert not load("caer-net", "tuned").layers.attention_bn_relu


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nmodel: nothing\n", "my.yaml:2: model: known are caer-net"),
        ("name: x\nmodel: caer-net\nlayers:\n  dropot: 1\n", "my.yaml:4: .*did you mean 'dropout'"),
        ("name: x\nmodel: caer-net\nlayers:\n  dropout: 1.5\n", "my.yaml:4: layers.dropout"),
        (
            "name: x\nmodel: caer-net\nstreams:\n  context: false\n",
            "my.yaml:3: streams: context_attention needs context",
        ),
        (
            "name: x\nmodel: caer-net\nstreams: {face: false, context: false}\n",
            "one of face, context and sound must be on",
        ),
        (
            "name: x\nmodel: caer-net\nstreams: {face: false}\n",
            "fusion_attention needs both face and context",
        ),
        (
            "name: x\nmodel: caer-net\ninput:\n  crop: [200, 200]\n",
            r"crop \(200, 200\) does not fit into frame \(128, 171\)",
        ),
        ("name: x\nmodel: caer-net\ninput: {face: [8, 8]}\n", "16 pixels or more"),
        (
            "name: x\nmodel: vgg\ninput:\n  frames: 4\n",
            "my.yaml:3: input: frames is 4, but vgg takes images: give 1",
        ),
        (
            "name: x\nmodel: caer-net\ninput: {frames: 1}\n",
            "my.yaml:3: input: frames is 1, but caer-net takes clips of 8 or more: give 16",
        ),
        ("name: x\nmodel: c3d\ninput: {frames: 15}\n", "c3d takes clips of 16 or more"),
        ("name: x\nmodel: caer-net\ninput: {std: [0.2, 0.0, 0.2]}\n", "std must be above 0"),
        ("name: x\nmodel: caer-net\ntuned:\n  trian: {}\n", "my.yaml:3: tuned: unknown field 'tri"),
        ("name: x\nmodel: caer-net\ntuned: {train: {lr: 1}}\n", "unknown field 'lr'"),
        ("name: x\nmodel: vgg\nbaseline: {variant: '50'}\n", "but vgg has 16, 16_bn"),
        ("name: x\nmodel: resnet\nbaseline: {variant: '16'}\n", "but resnet has 18, 50"),
        ("name: x\nmodel: c3d\nbaseline: {variant: '16'}\n", "but c3d has no variants"),
        (
            "name: x\nmodel: resnet\nlayers: {dropout: 0.1}\n",
            "layers.dropout has no effect on resnet; leave it out",
        ),
        ("name: x\nmodel: vgg\nlayers: {attention_pool: mean}\n", "no effect on vgg"),
        ("name: x\nmodel: vgg\nstreams: {fusion_attention: false}\n", "no effect on vgg"),
        ("name: x\nmodel: vgg\ncompute: {pool_first: true}\n", "pool_first has no effect on vgg"),
        ("name: x\nmodel: caer-net\nbaseline: {width: 64}\n", "width has no effect on caer-net"),
        ("name: x\nmodel: caer-net\nbaseline: {input: face}\n", "baseline.input has no effect"),
        ("name: x\nmodel: c3d\nbaseline: {encoder: a.onnx}\n", "encoder has no effect on c3d"),
        ("name: x\nmodel: onnx-probe\nbaseline: {weights: a.pth}\n", "weights has no effect"),
        (
            "name: x\nmodel: c3d\ntrain: {schedule: cosine, lr_gamma: 0.5}\n",
            "train.lr_gamma has no effect with train.schedule: cosine",
        ),
        (
            "name: x\nmodel: c3d\ncompute: {cuda_graphs: true}\n",
            "cuda_graphs has no effect without compute.compile",
        ),
        (
            "name: x\nmodel: caer-net\nhide: {faces: all}\n"
            "streams: {context: false, context_attention: false, fusion_attention: false}\n",
            "hide.faces has no effect with streams.context: false; leave it out",
        ),
        (
            "name: x\nmodel: vgg\nbaseline: {input: face}\nhide: {faces: target}\n",
            "hide.faces has no effect with baseline.input: face; leave it out",
        ),
        (
            "name: x\nmodel: caer-net\nhide: {faces: none, fill: mean}\n",
            "hide.fill has no effect with hide.faces: none",
        ),
        ("name: x\nmodel: vgg\ninput: {fps: 5.0}\n", "input.fps has no effect on vgg; leave"),
        ("name: x\nmodel: caer-net-s\ninput: {stride: 4}\n", "stride has no effect on caer-net-s"),
        (
            "name: x\nmodel: onnx-probe\ninput: {frames: 1, fps: 5.0}\n",
            "input.fps has no effect with input.frames: 1",
        ),
        ("name: x\n", "my.yaml:1: model: Field required"),
        ("name: x\nmodel: os.system\n", "package.module:Class"),
    ],
)
def test_mistakes_name_file_line_and_field(text, message):
    with pytest.raises(CaerError, match=message):
        parse(text, "my.yaml")


@pytest.mark.parametrize("model", sorted({*NAMES} - {*MODELS, "onnx-probe"}))
@pytest.mark.parametrize("given", ["", "input: {crop: [96, 96]}\n"], ids=["nothing", "something"])
def test_frames_that_are_left_out_suit_the_model(model, given):
    recipe = parse(f"name: x\nmodel: {model}\n{given}", "my.yaml")
    assert recipe.input.frames == load(model).input.frames
    assert describe(recipe).multiply_adds > 0


@pytest.mark.parametrize(("model", "frames"), [("caer-net", 8), ("c3d", 16)])
def test_the_fewest_frames_of_a_clip_are_enough(model, frames):
    assert describe(vary(load(model), {"input": {"frames": frames}})).multiply_adds > 0


def test_a_wrong_value_in_tuned_is_found_when_the_preset_is_asked_for():
    text = "name: x\nmodel: caer-net\ntuned: {train: {epochs: 0}}\n"
    assert parse(text, "my.yaml").train.epochs == 12
    idle = "name: x\nmodel: c3d\ntuned: {layers: {dropout: 0.2}}\n"
    with pytest.raises(CaerError, match=r"my.yaml: tuned: layers.dropout has no effect on c3d"):
        parse(idle, "my.yaml", "tuned")
    with pytest.raises(CaerError, match=r"my.yaml: tuned: train.epochs: .*\(found 0\)"):
        parse(text, "my.yaml", "tuned")


def test_a_warm_up_without_an_end_is_refused():
    with pytest.raises(CaerError, match=r"my.yaml:3: train.warmup_epochs: .*finite"):
        parse("name: x\nmodel: caer-net\ntrain: {warmup_epochs: .inf}\n", "my.yaml")


def test_lists_are_taken_where_tuples_are_meant():
    assert vary(load("caer-net"), {"input": {"crop": [96, 96]}}).input.crop == (96, 96)
    assert model_recipes.Input(crop=[96, 96]).crop == (96, 96)


def test_no_such_recipe():
    with pytest.raises(CaerError, match="no such model; give a YAML file or one of alexnet, c3d"):
        load("caer-net-xl")


def test_another_file_is_no_recipe(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("# Recipes\n---\nmore\n")
    with pytest.raises(
        CaerError, match=r"README\.md: is not a model recipe; give a file NAME\.yaml"
    ):
        load(path)


def test_a_users_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nmodel: caer-net-s\ninput: {frames: 1}\n")
    assert not load(path).clips


@pytest.mark.parametrize(
    ("size", "rate"), [(32, 0.005), (256, 0.04), (8, 0.00125)], ids=["32", "256", "8"]
)
def test_learning_rate_is_scaled_by_the_batch(size, rate):
    recipe = vary(load("caer-net"), {"train": {"batch_size": size}})
    assert recipe.train.scaled_learning_rate == pytest.approx(rate)


OWN_CLASS = """
from torch import nn
from caer_data.benchmark.networks import Output
class Mean(nn.Module):
    def __init__(self, recipe, classes):
        super().__init__()
        self.layer = nn.Linear(3, classes)
    def forward(self, face, context):
        return Output(self.layer(context.mean((2, 3))))
def make(recipe, classes):
    raise AssertionError("a function is not a class")
"""


def test_a_users_own_class(tmp_path, monkeypatch):
    import torch

    (tmp_path / "own_model_of_a_test.py").write_text(OWN_CLASS)
    monkeypatch.syspath_prepend(tmp_path)
    recipe = parse("name: mine\nmodel: own_model_of_a_test:Mean\ninput: {frames: 1}\n", "mine.yaml")
    out = create(recipe, classes=7)(None, torch.zeros(2, 3, 8, 8))
    assert isinstance(out, Output)
    assert out.logits.shape == (2, 7)
    sys.modules.pop("own_model_of_a_test")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("not_installed_anywhere:Net", "must be installed or in a folder of PYTHONPATH"),
        ("json:JSONDecoder", "JSONDecoder is not a subclass of torch.nn.Module"),
        ("json:missing", "has no class missing"),
    ],
)
def test_a_class_that_is_no_model(model, message):
    recipe = parse(f"name: mine\nmodel: {model}\n", "mine.yaml")
    with pytest.raises(CaerError, match=message):
        create(recipe)


@pytest.mark.parametrize("suite", suites.NAMES)
def test_suites_have_distinct_rows_that_can_be_built(suite):
    import torch

    rows = suites.rows(suite)
    assert len({row.label for row in rows}) == len({row.recipe.name for row in rows}) == len(rows)
    with torch.device("meta"):
        for row in rows:
            architecture(row.recipe)


def test_table3_holds_the_papers_figures():
    found = {row.label: row.paper for row in suites.rows("table3")}
    assert found["CAER-Net F"] == 74.13
    assert found["CAER-Net F+C+cA+fA"] == 77.04
    assert found["CAER-Net-S C+cA"] == 65.65
    assert len(found) == 9


def test_table3_rows_differ_in_structure():
    import torch

    sizes = {}
    with torch.device("meta"):
        for row in suites.rows("table3"):
            sizes[row.label] = sum(p.numel() for p in architecture(row.recipe).parameters())
    trunk, attention, weights = 2_934_752, 888_451, 2 * 33_025
    one, two = 256 * 128 + 128 + 903, 512 * 128 + 128 + 903
    assert sizes["CAER-Net F"] == trunk + one
    assert sizes["CAER-Net C+cA"] == trunk + attention + one
    assert sizes["CAER-Net F+C"] == 2 * trunk + two
    assert sizes["CAER-Net F+C+cA"] == 2 * trunk + attention + two
    assert sizes["CAER-Net F+C+fA"] == 2 * trunk + weights + two
    assert sizes["CAER-Net F+C+cA+fA"] == 6_890_572


def test_baselines_without_weights_learn_from_scratch_and_say_so():
    rows = suites.rows("table4", "tuned", {"vgg": "vgg16.pth"})
    assert [(row.label, row.paper) for row in rows] == [
        ("ImageNet-VGGNet", 49.89),
        ("AlexNet from scratch", None),
        ("Fine-tuned VGGNet", 64.85),
        ("ResNet from scratch", None),
        ("CAER-Net-S", 73.51),
    ]
    assert rows[0].recipe.baseline.frozen
    assert not rows[2].recipe.baseline.frozen
    assert rows[1].note == "no ImageNet weights were given: all layers learn from scratch"
    assert rows[1].recipe.preset == "tuned"


@pytest.mark.parametrize(
    ("suite", "weights", "message"),
    [
        ("table9", {}, "no such suite; known are table3"),
        ("table3", {"vgg": "x"}, "table3 has no baseline vgg"),
        ("table5", {"vgg": "x"}, "table5 has no baseline vgg"),
    ],
)
def test_mistakes_with_suites(suite, weights, message):
    with pytest.raises(CaerError, match=message):
        suites.rows(suite, weights=weights)


@pytest.mark.parametrize("name", ["context-only", "face-only", "resnet", "vgg", "onnx-probe"])
@pytest.mark.parametrize("stream", ["face", "frame"])
def test_a_recipe_changed_by_options_can_be_read_back(name, stream):
    changed = Changes(stream=stream)(load(name))
    assert parse(sections.dump(changed), "recipe.yaml") == changed


def test_a_wrong_word_for_when_to_pool_first_names_the_field():
    with pytest.raises(CaerError, match=r"compute\.pool_first: .*'auto'") as wrong:
        parse("name: x\nmodel: caer-net\ncompute: {pool_first: maybe}\n", "my.yaml")
    assert "bool" not in str(wrong.value).split("pool_first")[0]
    for word, value in (("true", True), ("false", False), ("auto", "auto")):
        text = f"name: x\nmodel: caer-net\ncompute: {{pool_first: {word}}}\n"
        assert parse(text, "my.yaml").compute.pool_first == value


@pytest.mark.parametrize("model", ["caer-net", "caer-net-s"])
def test_recipes_of_the_self_test_can_be_read_back(model):
    for made in (synthetic.recipe(model), synthetic.ordered_recipe(model)):
        assert parse(sections.dump(made), "recipe.yaml") == made
