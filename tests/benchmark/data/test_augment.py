"""What the networks are shown: hidden faces, shared flips, one draw a clip."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_releases import small

from caer_data.benchmark import kernels
from caer_data.benchmark.data import augment
from caer_data.benchmark.data.augment import draw_for, edges_of, hidden_pixels, inputs
from caer_data.benchmark.data.batches import Batch
from caer_data.benchmark.recipe import Hide, ModelRecipe, vary

N, T = 3, 8
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


@pytest.fixture
def recipe() -> ModelRecipe:
    return vary(small("caer-net"), {"input": PLAIN})


@pytest.fixture
def batch() -> Batch:
    random = np.random.default_rng(0)
    boxes = torch.zeros(N, T, 8, 4)
    boxes[:, :, 0] = torch.tensor([10.0, 8.0, 14.0, 12.0])
    boxes[:, :, 1] = torch.tensor([20.0, 8.0, 24.0, 12.0])
    return Batch(
        torch.from_numpy(random.integers(1, 256, (N, T, 16, 16, 3), np.uint8)),
        torch.from_numpy(random.integers(1, 256, (N, T, 24, 32, 3), np.uint8)),
        boxes,
        torch.arange(N),
        torch.arange(N),
    )


def test_test_input_is_the_centre_crop_with_the_box_filled(
    batch: Batch, recipe: ModelRecipe
) -> None:
    face, context = inputs(batch, recipe, training=False)
    assert face is not None and context is not None
    assert face.shape == (N, 3, T, 16, 16)
    assert torch.allclose(face, batch.face.permute(0, 4, 1, 2, 3) / 255)
    expected = batch.context[:, :, 4:20, 4:28].permute(0, 4, 1, 2, 3) / 255
    expected[..., 4:8, 6:10] = 0.0
    assert torch.allclose(context, expected)


def test_nothing_of_the_hidden_face_reaches_the_network(batch: Batch, recipe: ModelRecipe) -> None:
    changed = batch.context.clone()
    changed[:, :, 8:12, 10:14] = 255 - changed[:, :, 8:12, 10:14]
    other = Batch(batch.face, changed, batch.boxes, batch.labels, batch.samples)
    for training in (False, True):
        shown = []
        for each in (batch, other):
            torch.manual_seed(1)
            shown.append(inputs(each, recipe, training)[1])
        assert torch.equal(*shown)


@pytest.mark.parametrize(
    ("hide", "box", "columns"),
    [
        pytest.param(Hide(), [2.0, 0, 4.0, 9], [2, 3], id="whole pixels"),
        pytest.param(Hide(), [2.9, 0, 4.1, 9], [2, 3, 4], id="touched pixels count"),
        pytest.param(Hide(margin=0.5), [2.0, 0, 4.0, 9], [1, 2, 3, 4], id="margin"),
        pytest.param(Hide(), [0, 0, 0, 0], [], id="unused box"),
        pytest.param(Hide(), [8.5, 0, 99, 9], [8, 9], id="box over the edge"),
    ],
)
def test_hidden_pixels(hide: Hide, box: list[float], columns: list[int]) -> None:
    boxes = torch.tensor(box).view(1, 1, 1, 4)
    rows, across = torch.arange(4)[None], torch.arange(10)[None]
    hidden = hidden_pixels(edges_of(boxes, hide), rows, across)
    assert hidden.shape == (1, 1, 4, 10)
    assert hidden[0, 0, 1].nonzero().flatten().tolist() == columns


@pytest.mark.parametrize(("faces", "count"), [("none", 0), ("target", 16), ("all", 32)])
def test_whose_faces_are_hidden(batch: Batch, recipe: ModelRecipe, faces: str, count: int) -> None:
    chosen = vary(recipe, {"hide": {"faces": faces}})
    context = inputs(batch, chosen, training=False)[1]
    assert int((context[0, :, 0].sum(0) == 0).sum()) == count


def test_fill_mean_is_zero_after_normalisation(batch: Batch) -> None:
    recipe = vary(small("caer-net"), {"hide": {"fill": "mean"}})
    context = inputs(batch, recipe, training=False)[1]
    assert (context[..., 4:8, 6:10] == 0).all()


def test_flip_is_shared_and_one_draw_holds_over_frames(batch: Batch, recipe: ModelRecipe) -> None:
    still = {"contrast": 0.0, "color": 0.0, "random_crop": False}
    plain = inputs(batch, recipe, training=False)
    torch.manual_seed(0)
    flipped = inputs(batch, vary(recipe, {"augment": {**still, "flip": 1.0}}), training=True)
    for before, after in zip(plain, flipped, strict=True):
        assert torch.allclose(before.flip(-1), after)


def test_contrast_and_color_are_one_draw_a_clip_for_both_streams(
    batch: Batch, recipe: ModelRecipe
) -> None:
    chosen = vary(recipe, {"augment": {"flip": 0.0, "random_crop": False}})
    face, context = inputs(batch, chosen, training=True)
    plain_face, plain_context = inputs(batch, chosen, training=False)
    for n in range(N):
        for channel in range(3):
            x, y = plain_face[n, channel].flatten(), face[n, channel].flatten()
            slope = (y[1] - y[0]) / (x[1] - x[0])
            shift = y[0] - slope * x[0]
            assert torch.allclose(y, slope * x + shift, atol=1e-4)
            seen = plain_context[n, channel] != 0
            expected = slope * plain_context[n, channel][seen] + shift
            assert torch.allclose(context[n, channel][seen], expected, atol=1e-4)


def test_random_crops_cover_the_frame_and_stay_inside() -> None:
    draw = draw_for(torch.zeros(2000, 1), small("caer-net").augment, (24, 32), (16, 24))
    assert draw.top.min() == 0 and draw.top.max() == 8
    assert draw.left.min() == 0 and draw.left.max() == 8


def test_images_have_no_time(recipe: ModelRecipe) -> None:
    one = Batch(
        torch.ones(2, 1, 16, 16, 3, dtype=torch.uint8),
        torch.ones(2, 1, 24, 32, 3, dtype=torch.uint8),
        torch.zeros(2, 1, 8, 4),
        torch.arange(2),
        torch.arange(2),
    )
    face, context = inputs(one, small(), training=True)
    assert face.shape == (2, 3, 16, 16)
    assert context.shape == (2, 3, 16, 24)


@pytest.mark.parametrize(
    ("on_gpu", "runs", "wanted", "taken"),
    [(True, True, True, True), (False, True, True, False), (True, False, True, False),
     (True, True, False, False)],
)  # fmt: skip
def test_the_kernel_is_used_on_gpus_where_it_runs(
    recipe: ModelRecipe, monkeypatch, on_gpu, runs, wanted, taken
) -> None:
    monkeypatch.setattr(kernels, "run_on", lambda device: runs)
    chosen = vary(recipe, {"compute": {"fused_kernels": wanted}})
    batch = SimpleNamespace(boxes=SimpleNamespace(is_cuda=on_gpu, device=None))
    assert augment._has_kernel(batch, chosen) is taken
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert not augment._has_kernel(batch, chosen)
