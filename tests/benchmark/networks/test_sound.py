"""CAER-Net's sound stream: alone, beside the others, and in recipes that cannot hear."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_up import noise_store
from small_releases import small

from caer_data.benchmark.data import augment, prepare
from caer_data.benchmark.data.batches import open_frames
from caer_data.benchmark.data.windows import all_windows
from caer_data.benchmark.networks import architecture
from caer_data.benchmark.recipe import MELS, load, vary
from caer_data.benchmark.results.describe import describe
from caer_data.benchmark.results.entries import paper_figure
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter


def heard(frames: int = 8) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 2, MELS, frames * 10)


def test_sound_joins_the_weighed_streams() -> None:
    model = architecture(vary(small("caer-net"), {"streams": {"sound": True}}))
    face, context = torch.rand(2, 3, 8, 16, 16), torch.rand(2, 3, 8, 16, 24)
    sounds = heard().requires_grad_()
    found = model(face, context, sounds)
    assert found.logits.shape == (2, 7)
    assert found.weights is not None and found.weights.shape == (2, 2)
    found.logits.square().sum().backward()
    assert sounds.grad is not None and sounds.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="has a sound stream"):
        model(face, context)


def test_sound_alone_needs_no_picture() -> None:
    recipe = load("sound")
    assert not recipe.sees_face and not recipe.sees_context and recipe.hears
    found = architecture(recipe)(None, None, heard(16))
    assert found.logits.shape == (2, 7) and found.weights is None


def test_unknown_sound_is_zero_and_said_to_be_unknown() -> None:
    store = noise_store(2, frames=8)
    values = np.zeros((48, MELS, 10), np.float32)
    values[3] = np.nan
    store._arrays["sound"] = [values]
    frames = open_frames(store, torch.device("cpu"), False, False, sound=True)
    batch = next(iter(frames.batches([all_windows(store, np.array([0]), 8, 8)])))
    found = augment.heard(batch)
    assert found.shape == (1, 2, MELS, 80)
    known = torch.ones(80)
    known[30:40] = 0
    assert torch.equal(found[0, 1, 0], known)
    assert torch.equal(found[0, 0, 0], known)  # 0 where unknown, else 0 * LOUDNESS + 1


def test_clips_without_any_sound_are_refused_before_training() -> None:
    store = noise_store(2, frames=8)
    values = np.full((48, MELS, 10), np.nan, np.float32)
    store._arrays["sound"] = [values]
    with pytest.raises(CaerError, match="none of its clips has sound"):
        prepare.check_heard(store, load("sound"), Reporter("quiet"))
    values[:8] = 0
    reporter = Reporter("quiet")
    prepare.check_heard(store, load("sound"), reporter)


@pytest.mark.parametrize("name", ["caer-net-s", "vgg", "c3d"])
def test_models_that_cannot_hear_refuse_it(name: str) -> None:
    with pytest.raises(CaerError, match=r"streams\.sound"):
        vary(load(name), {"streams": {"sound": True}})


def test_the_papers_figure_is_not_printed_beside_a_model_that_hears() -> None:
    assert paper_figure(load("caer-net"))[0] == 77.04
    assert paper_figure(load("caer-net-sound"))[0] is None


def test_layers_are_described() -> None:
    found = describe(load("caer-net-sound"))
    assert found.inputs["sound"] == (2, MELS, 160)
    assert found.parameters > describe(load("caer-net")).parameters
