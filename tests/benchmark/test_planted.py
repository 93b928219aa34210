"""The made-up clips: what they show, what they do not give away, and how attention is measured."""

from __future__ import annotations

import numpy as np
import pytest

from caer_data.benchmark import planted, planted_release, sources
from caer_data.benchmark.models import architecture
from caer_data.benchmark.pictures import sampled
from caer_data.progress import Reporter


@pytest.fixture(scope="module")
def clips():
    return planted.make(train=900, validation=50, test=50, frames=1, seed=1)


def color_in(picture, box):
    """Number of the colour carried in the middle of a box, -1 where it is grey."""
    x, y = int((box[0] + box[2]) / 2), int((box[1] + box[3]) / 2)
    middle = picture[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(0)
    if np.ptp(middle) < 60:
        return -1
    known = np.stack([planted._color(number) for number in range(planted.COLORS)])
    return int(np.abs(known - middle).sum(1).argmin())


@pytest.fixture(scope="module")
def seen(clips):
    """What each stream shows of each clip: (n, 2) numbers of colours, -1 for none."""
    pairs = zip(clips.frames, clips.face_boxes, clips.context_boxes, strict=True)
    return np.array([[color_in(f[0], a[0]), color_in(f[0], b[0])] for f, a, b in pairs])


def test_the_same_seed_gives_the_same_clips():
    first, again = (planted.make(4, 2, 2, frames=3, seed=5) for _ in range(2))
    for name in vars(first):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    other = planted.make(4, 2, 2, frames=3, seed=6)
    assert not np.array_equal(first.frames, other.frames)


def test_sizes_and_splits(clips):
    assert clips.frames.shape == (1000, 1, *planted.SIZE, 3)
    assert np.bincount(clips.splits).tolist() == [900, 50, 50]
    assert np.bincount(clips.labels, minlength=7).min() > 100
    assert np.bincount(clips.kinds).min() > 280


def test_each_stream_carries_what_its_kind_says(clips, seen):
    face, scene = seen.T
    by_kind = {kind: clips.kinds == i for i, kind in enumerate(planted.KINDS)}
    assert (scene[by_kind["face"]] == -1).all()
    assert (face[by_kind["face"]] == clips.labels[by_kind["face"]]).all()
    assert (face[by_kind["context"]] == -1).all()
    assert (scene[by_kind["context"]] == clips.labels[by_kind["context"]]).all()
    both = by_kind["both"]
    assert np.isin((clips.labels - face)[both] % 7, (0, planted.FACE_STEP)).all()
    assert np.isin((clips.labels - scene)[both] % 7, (0, planted.SCENE_STEP)).all()


def test_both_colors_leave_exactly_one_answer():
    """All pairs of colours that a `both` clip can show, counted out."""
    found = {}
    for label in range(7):
        for a in (label, label - planted.FACE_STEP):
            for b in (label, label - planted.SCENE_STEP):
                found.setdefault((a % 7, b % 7), set()).add(label)
    assert len(found) == 28
    assert all(len(labels) == 1 for labels in found.values())


def best_by_counting(face, scene):
    """The best possible answer to what is seen, from the exact distribution of clips."""
    weights = {}
    for label in range(7):
        cases = [("face", label, None, 1.0), ("context", None, label, 1.0)]
        cases += [
            ("both", (label - i) % 7, (label - j) % 7, 0.25)
            for i in (0, planted.FACE_STEP)
            for j in (0, planted.SCENE_STEP)
        ]
        for kind, a, b, weight in cases:
            shown = (a if face else None, b if scene else None)
            weights.setdefault(shown, {}).setdefault(label, {}).setdefault(kind, 0.0)
            weights[shown][label][kind] += weight / 7
    right = dict.fromkeys(planted.KINDS, 0.0)
    for answers in weights.values():
        # a tie between answers is broken by an even guess; the sum over kinds is the same
        totals = {label: sum(kinds.values()) for label, kinds in answers.items()}
        best = [label for label, total in totals.items() if total == max(totals.values())]
        for label in best:
            for kind, weight in answers[label].items():
                right[kind] += weight / len(best)
    return right


@pytest.mark.parametrize(
    ("face", "context"),
    [(True, True), (True, False), (False, True), (False, False)],
    ids=["both", "face", "context", "none"],
)
def test_best_accuracy_is_what_counting_gives(face, context):
    found = planted.best_accuracy(face, context)
    counted = best_by_counting(face, context)
    assert found["all"] == pytest.approx(sum(counted.values()) / 3)
    for kind in planted.KINDS:
        assert found[kind] == pytest.approx(counted[kind]), kind


def test_hiding_the_face_hides_its_color(clips, seen):
    for frames, box, (face, _) in zip(clips.frames[:50], clips.face_boxes, seen, strict=False):
        x1, y1, x2, y2 = box[0].astype(int)
        shown = frames[0].astype(int).copy()
        shown[y1 : y2 + 1, x1 : x2 + 1] = 0
        if face >= 0:
            rest = np.abs(shown - planted._color(face)).sum(-1) < 60
            own = np.abs(frames[0] - planted._color(face)).sum(-1) < 60
            assert rest.sum() < own.sum()


def test_faces_and_discs_do_not_overlap(clips):
    a, b = clips.face_boxes[:, 0], clips.context_boxes[:, 0]
    apart = (
        (a[:, 2] <= b[:, 0]) | (b[:, 2] <= a[:, 0]) | (a[:, 3] <= b[:, 1]) | (b[:, 3] <= a[:, 1])
    )
    assert apart.all()


def test_boxes_move_with_what_they_hold():
    clips = planted.make(3, 0, 0, frames=8, seed=2)
    assert clips.frames.shape[1] == 8
    assert (np.ptp(clips.context_boxes, axis=1).max(1) > 0.1).all()
    assert np.ptp(clips.context_boxes, axis=1).max() <= 2.0


def test_store(clips):
    store = planted.store(clips, (24, 24))
    assert len(store.samples) == 1000
    assert store.source.made_up
    assert store.source.kind == "images"
    assert store.of_split("test").tolist() == list(range(950, 1000))
    np.testing.assert_array_equal(store.labels, clips.labels)
    rows = np.array([[3], [5]])
    assert store.read("face", rows).shape == (2, 1, 24, 24, 3)
    np.testing.assert_array_equal(store.read("context", rows), clips.frames[[3, 5]])
    np.testing.assert_array_equal(store.read("boxes", rows)[:, :, 0], clips.face_boxes[[3, 5]])


CELL = np.array([[[[0.0, 0.0], [0.0, 1.0]]]])  # all attention lower right


@pytest.mark.parametrize(
    ("box", "on", "even"),
    [
        ((32, 24, 64, 48), 1.0, 0.25),  # exactly that cell
        ((0, 0, 32, 24), 0.0, 0.25),  # another cell
        ((0, 0, 64, 48), 1.0, 1.0),  # everything
        ((48, 36, 64, 48), 0.25, 0.0625),  # a quarter of that cell
        ((16, 12, 48, 36), 0.25, 0.25),  # a quarter of each cell
        ((100, 100, 120, 120), 0.0, 0.0),  # outside of the crop
    ],
)
def test_attention_on_a_box(box, on, even):
    height, width = planted.SIZE
    crop = (48, 64)
    shift = np.array([(width - 64) // 2, (height - 48) // 2] * 2)
    boxes = (np.array(box) + shift).reshape(1, 1, 4).astype(np.float32)
    found, chance = planted.attention_on(CELL, boxes, crop)
    assert found[0] == pytest.approx(on)
    assert chance[0] == pytest.approx(even)


def test_an_even_map_has_the_attention_that_chance_gives(clips):
    attention = np.full((1000, 1, 3, 4), 1 / 12)
    found, chance = planted.attention_on(attention, clips.context_boxes, (48, 64))
    np.testing.assert_allclose(found, chance)


@pytest.mark.parametrize("model", ["caer-net", "caer-net-s"])
def test_recipe_fits_the_clips(model):
    import torch

    recipe = planted.recipe(model)
    clips = planted.make(2, 0, 0, frames=recipe.input.frames)
    assert recipe.clips == (model == "caer-net")
    assert recipe.input.frame == planted.SIZE == clips.frames.shape[2:4]
    T = (recipe.input.frames,) if recipe.clips else ()
    net = architecture(recipe)
    out = net(torch.zeros(2, 3, *T, *recipe.input.face), torch.zeros(2, 3, *T, *recipe.input.crop))
    assert out.attention.shape == (2, 1, 3, 4)


@pytest.mark.parametrize("frames", [1, 6], ids=["images", "clips"])
def test_release_is_read_as_any_release(tmp_path, frames):
    from caer_data.benchmark import store as stores
    from caer_data.benchmark.shards import Format, Work

    made = planted.make(40, 14, 14, frames=frames, seed=3)
    folder = tmp_path / "release"
    planted_release.write(made, folder)
    kind = "clips" if frames > 1 else "images"
    source = sources.read(folder, kind)
    assert source.made_up
    assert len(source.samples) == 68
    order = [int(s.clip_id.removeprefix("made-up-")) for s in source.samples]
    assert [s.label for s in source.samples] == made.labels[order].tolist()
    _, picture = next(iter(sampled(source.samples[0].path, 10.0 if frames > 1 else None)))
    difference = np.abs(picture.astype(int) - made.frames[order[0], 0])
    assert difference.mean() < (4 if frames > 1 else 0.001)
    form = Format((24, 24), planted.SIZE, 10.0 if frames > 1 else None)
    works = [Work(sample) for sample in source.samples]
    opened = stores.build(
        works, source, form, tmp_path / "store", reporter=Reporter("quiet"), workers=1
    )
    assert opened.frames.tolist() == [frames] * 68
    rows = opened.first[:, None] + np.arange(frames)
    np.testing.assert_allclose(
        opened.read("boxes", rows)[:, :, 0], made.face_boxes[order], atol=1e-4
    )
