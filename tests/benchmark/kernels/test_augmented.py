"""Augmentation by a GPU kernel equals PyTorch's.

It needs a GPU, or Triton's interpreter: `make kernels`.
"""

from __future__ import annotations

import pytest
import torch
from kernel_references import HERE, needs_triton
from small_releases import small

from caer_data.benchmark import kernels
from caer_data.benchmark.data import augment
from caer_data.benchmark.data.batches import Batch
from caer_data.benchmark.recipe import vary

pytestmark = needs_triton
N, T = 3, 8


@pytest.mark.parametrize("model", ["caer-net", "caer-net-s"])
@pytest.mark.parametrize("faces", ["none", "target", "all"])
@pytest.mark.parametrize("training", [False, True])
def test_the_kernel_shows_what_pytorch_shows(monkeypatch, model, faces, training):
    from caer_data.benchmark.kernels import augmented

    monkeypatch.setattr(kernels, "AUGMENTED", augmented)
    monkeypatch.setattr(kernels, "run_on", lambda device: True)
    changes = {"hide": {"faces": faces, "margin": 0.1}, "augment": {"flip": 0.5}}
    recipe = vary(small(model), changes)
    batch = moved(some(recipe))
    assert not augment._has_kernel(some(recipe), recipe)  # on a CPU
    torch.manual_seed(0)
    draw = augment.draw_for_batch(batch, recipe, training)
    fixed = augment.constants(recipe, batch.boxes.device)
    answers = []
    for has_kernel in (False, True):
        monkeypatch.setattr(augment, "_has_kernel", lambda *_, has=has_kernel: has)
        answers.append(augment.augmented(batch, draw, fixed, recipe, torch.float32))
    for expected, found in zip(*answers, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
        assert found.stride() == expected.stride()
    if training:
        assert draw.flip.any() and not draw.flip.all()


def some(recipe):
    torch.manual_seed(3)
    size = recipe.input
    frames = size.frames

    def pixels(height, width):
        return torch.randint(0, 256, (N, frames, height, width, 3), dtype=torch.uint8)

    boxes = torch.zeros(N, frames, 8, 4)
    boxes[:, :, 0] = torch.tensor([10.3, 8.7, 14.1, 12.0])
    boxes[:, :, 1] = torch.tensor([0.0, 0.0, 5.0, 90.0])
    numbers = torch.arange(N)
    return Batch(pixels(*size.face), pixels(*size.frame), boxes, numbers, numbers)


def moved(batch):
    parts = (batch.face, batch.context, batch.boxes, batch.labels, batch.samples)
    return Batch(*(part.to(HERE) for part in parts))
