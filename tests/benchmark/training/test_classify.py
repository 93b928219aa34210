"""A trained model answers for one file what the benchmark says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numbered_video import write
from PIL import Image
from small_releases import small

from caer_data import Classifier, load_model
from caer_data.benchmark.data import store
from caer_data.benchmark.data.batches import open_frames
from caer_data.benchmark.data.samples import SPLITS, Sample, Source
from caer_data.benchmark.data.shards import Format, Work
from caer_data.benchmark.networks import create
from caer_data.benchmark.training import checkpoint, runtime
from caer_data.benchmark.training.predict import predict
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

BOX = (30, 20, 90, 84)


def picture(folder: Path) -> Path:
    path = folder / "a.png"
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path


def clip(folder: Path) -> Path:
    return write(folder / "a.mp4", 60)


@pytest.mark.parametrize(
    ("model", "file"), [("caer-net-s", picture), ("caer-net", clip)], ids=["picture", "clip"]
)
def test_one_file_gets_the_answer_of_a_benchmark(model, file, tmp_path):
    recipe, path = small(model), file(tmp_path)
    torch.manual_seed(0)
    network = create(recipe)
    weights = tmp_path / "weights.safetensors"
    checkpoint.save_weights(weights, network, recipe, EMOTIONS)
    found = load_model(weights).predict(path, BOX)
    assert list(found) == list(EMOTIONS)

    samples = tuple(
        Sample(f"{split}", path, split, 0, np.array([[0, *BOX]], np.float32)) for split in SPLITS
    )
    source = Source("one", "clips" if recipe.clips else "images", samples)
    form = Format(recipe.input.face, recipe.input.frame, recipe.input.fps if recipe.clips else None)
    kept = store.build(
        [Work(s) for s in samples], source, form, tmp_path, reporter=Reporter("quiet"), workers=1
    )
    fabric = runtime.start("cpu")
    frames = open_frames(kept, fabric.device, True, True)
    expected = predict(network, recipe, kept, frames, np.array([2]), fabric=fabric)
    assert list(found.values()) == pytest.approx(expected.probabilities[0], abs=1e-6)


def test_a_file_that_names_code_needs_its_recipe(tmp_path):
    recipe = small()
    weights = tmp_path / "weights.safetensors"
    named = recipe.model_copy(update={"model": "os:system"})
    checkpoint.save_weights(weights, create(recipe), named, EMOTIONS)
    with pytest.raises(CaerError, match=r"os:system, which other files belong to; give its recipe"):
        load_model(weights)


def test_mistakes_are_one_sentence(tmp_path):
    recipe, path = small(), picture(tmp_path)
    model = Classifier(create(recipe).eval(), recipe, EMOTIONS)
    with pytest.raises(CaerError, match="a box has four numbers"):
        model.predict(path, (1, 2, 3))
    with pytest.raises(CaerError, match="lies outside the frame of 128x96"):
        model.predict(path, (500, 500, 600, 600))
    with pytest.raises(CaerError, match="no face was found in it"):
        replace(model).predict(path)
    for box in (None, (1, 2, 30, 40)):
        with pytest.raises(CaerError, match=r"nothing\.png: does not exist"):
            model.predict(tmp_path / "nothing.png", box)
    for box in ((float("nan"), 2, 30, 40), (1, 2, float("inf"), 40), "abcd", 5):
        with pytest.raises(CaerError, match="a box has four numbers"):
            model.predict(path, box)
    for box in ((30, 2, 1, 40), (1, 40, 30, 2)):
        with pytest.raises(CaerError, match="given as left, top, right, bottom"):
            model.predict(path, box)
    with pytest.raises(CaerError, match="smaller than a pixel; give pixels, not shares"):
        model.predict(path, (0.1, 0.2, 0.5, 0.6))
    with pytest.raises(
        CaerError, match=r"a\.mp4: is a video, but caer-net-s? takes single pictures"
    ):
        model.predict(clip(tmp_path), (1, 2, 30, 40))
    with pytest.raises(CaerError, match="predict: file is empty; give a path"):
        model.predict("", (1, 2, 30, 40))
    with pytest.raises(CaerError, match=r"plain\.png: cannot be read as a picture"):
        (tmp_path / "plain.png").write_text("x")
        model.predict(tmp_path / "plain.png", (1, 2, 30, 40))
    (tmp_path / "plain").write_text("x")
    with pytest.raises(CaerError, match="not a safetensors file"):
        load_model(tmp_path / "plain")
    with pytest.raises(CaerError, match=r"is a folder; give a file weights\.safetensors"):
        load_model(tmp_path)
    with pytest.raises(CaerError, match=r"caer-net-s: is the name of a model, .* train it with"):
        load_model("caer-net-s")
    with pytest.raises(CaerError, match=r"nope\.yaml: no such file; give a YAML file or one of"):
        weights = tmp_path / "weights.safetensors"
        checkpoint.save_weights(weights, create(recipe), recipe, EMOTIONS)
        load_model(weights, "nope.yaml")
