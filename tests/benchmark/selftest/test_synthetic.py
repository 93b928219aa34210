"""The made-up clips: what they show, what they do not give away, and how attention is measured."""

from __future__ import annotations

import numpy as np
import pytest

from caer_data.benchmark.data import sources
from caer_data.benchmark.data.pictures import sampled
from caer_data.benchmark.networks import architecture
from caer_data.benchmark.selftest import synthetic, synthetic_release
from caer_data.engine.progress import Reporter


@pytest.fixture(scope="module")
def clips():
    return synthetic.make(train=900, validation=50, test=50, frames=1, seed=1)


def color_at(picture, y, x):
    """Number of the colour that is carried there, -1 where it is grey."""
    middle = picture[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].reshape(-1, 3).mean(0)
    if np.ptp(middle) < 60:
        return -1
    known = np.stack([synthetic._color(number) for number in range(synthetic.COLORS)])
    return int(np.abs(known - middle).sum(1).argmin())


def halves_in(picture, box):
    """Numbers of the colours of the left and right half of what fills a box."""
    x, y, aside = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, (box[2] - box[0]) / 6
    return [color_at(picture, y, x + side * aside) for side in (-1, 1)]


@pytest.fixture(scope="module")
def seen(clips):
    """What each clip shows: (n, 4) numbers of colours, two of the face and two of the disc."""
    parts = zip(clips.frames, clips.face_boxes, clips.context_boxes, strict=True)
    return np.array([halves_in(f[0], a[0]) + halves_in(f[0], b[0]) for f, a, b in parts])


def test_the_same_seed_gives_the_same_clips():
    first, again = (synthetic.make(4, 2, 2, frames=3, seed=5) for _ in range(2))
    for name in vars(first):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    other = synthetic.make(4, 2, 2, frames=3, seed=6)
    assert not np.array_equal(first.frames, other.frames)


def test_sizes_and_splits(clips):
    assert clips.frames.shape == (1000, 1, *synthetic.SIZE, 3)
    assert np.bincount(clips.splits).tolist() == [900, 50, 50]
    assert np.bincount(clips.labels, minlength=7).min() > 100
    shares = np.bincount(clips.kinds) / 1000
    np.testing.assert_allclose(shares, synthetic.SHARES, atol=0.05)


def test_each_stream_carries_what_its_kind_says(clips, seen):
    for kind, label, colors in zip(clips.kinds, clips.labels, seen, strict=True):
        face, scene = set(colors[:2]), set(colors[2:])
        if synthetic.KINDS[kind] == "face":
            assert (face, scene) == ({label}, {-1})
        elif synthetic.KINDS[kind] == "context":
            assert (face, scene) == ({-1}, {label})
        else:
            assert face & scene == {label}
            assert len(face) == len(scene) == 2
            assert -1 not in face | scene


def test_sides_and_other_colors_give_nothing_away(clips, seen):
    """In `both` clips the label is on each side, and each other colour beside it, equally often."""
    both = clips.kinds == synthetic.KINDS.index("both")
    labels, colors = clips.labels[both], seen[both]
    assert abs((colors[:, 0] == labels).mean() - 0.5) < 0.08
    assert abs((colors[:, 2] == labels).mean() - 0.5) < 0.08
    for pair in (colors[:, :2], colors[:, 2:]):
        others = (pair.sum(1) - 2 * labels) % 7  # how far the other colour is from the label
        counts = np.bincount(others, minlength=7)
        assert counts[0] == 0
        assert counts[1:].min() > 0.5 * both.sum() / 6


def best_by_counting(face, scene):
    """The best possible answer to what is seen, from the exact distribution of clips."""
    weights = {}
    for label in range(7):
        pair = frozenset({label})
        cases = [("face", pair, None, 1 / 4), ("context", None, pair, 1 / 4)]
        others = [(a, b) for a in range(7) for b in range(7) if len({a, b, label}) == 3]
        cases += [
            ("both", frozenset({label, a}), frozenset({label, b}), 1 / 2 / len(others))
            for a, b in others
        ]
        for kind, a, b, weight in cases:
            shown = (a if face else None, b if scene else None)
            weights.setdefault(shown, {}).setdefault(label, {}).setdefault(kind, 0.0)
            weights[shown][label][kind] += weight / 7
    right = dict.fromkeys(synthetic.KINDS, 0.0)
    for answers in weights.values():
        # a tie between answers is broken by an even guess
        totals = {label: sum(kinds.values()) for label, kinds in answers.items()}
        most = max(totals.values())
        best = [label for label, total in totals.items() if total == pytest.approx(most)]
        for label in best:
            for kind, weight in answers[label].items():
                right[kind] += weight / len(best)
    return right


@pytest.mark.parametrize(
    ("face", "context"),
    [(True, True), (True, False), (False, True)],
    ids=["both", "face", "context"],
)
def test_best_accuracy_is_what_counting_gives(face, context):
    found = synthetic.best_accuracy(face, context)
    counted = best_by_counting(face, context)
    assert found["all"] == pytest.approx(sum(counted.values()))
    for kind, share in zip(synthetic.KINDS, synthetic.SHARES, strict=True):
        assert found[kind] * share == pytest.approx(counted[kind]), kind


def test_hiding_the_face_hides_its_colors(clips, seen):
    """Outside of its box nothing has the colour of a face that alone carries it."""
    only_face = np.flatnonzero(clips.kinds == synthetic.KINDS.index("face"))[:50]
    for i in only_face:
        x1, y1, x2, y2 = clips.face_boxes[i, 0]
        rest = clips.frames[i, 0].astype(int)
        rest[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))] = 0
        assert (np.abs(rest - synthetic._color(seen[i, 0])).sum(-1) > 60).all()


def test_faces_and_discs_do_not_overlap(clips):
    a, b = clips.face_boxes[:, 0], clips.context_boxes[:, 0]
    apart = (
        (a[:, 2] <= b[:, 0]) | (b[:, 2] <= a[:, 0]) | (a[:, 3] <= b[:, 1]) | (b[:, 3] <= a[:, 1])
    )
    assert apart.all()


def test_only_the_order_of_frames_tells_brighter_from_darker():
    clips = synthetic.make_ordered(40, 20, 20, seed=4)
    assert clips.frames.shape == (80, 8, *synthetic.SIZE, 3)
    assert set(clips.labels) == {3, 5}  # happy, sad
    for frames, boxes, label in zip(clips.frames, clips.face_boxes, clips.labels, strict=True):
        middles = ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(int)
        shown = [
            frame[y, x - 2 : x + 3].mean() for frame, (x, y) in zip(frames, middles, strict=True)
        ]
        steps = np.diff(shown)
        assert (steps > -12).all() if label == 3 else (steps < 12).all()
        assert abs(shown[-1] - shown[0]) > 50
        assert (shown[-1] > shown[0]) == (label == 3)


def test_a_sound_alone_tells_its_label():
    """The loudest band of a clip is that of its label's tone, and nothing in the pictures is."""
    clips = synthetic.make_sounding(14, 7, 7)
    store = synthetic.store(clips, (24, 24))
    energies = store.shard_arrays("sound")[0].reshape(
        28, 8, *store.shard_arrays("sound")[0].shape[1:]
    )
    loudest = np.median(energies[:, :7].argmax(2), axis=(1, 2))
    by_label = [set(loudest[clips.labels == label]) for label in range(7)]
    assert all(len(bands) == 1 for bands in by_label)
    assert len(set.union(*by_label)) == 7
    assert np.ptp(clips.frames.astype(int).mean((1, 2, 3)), axis=1).max() < 20  # grey


def test_boxes_move_with_what_they_hold():
    clips = synthetic.make(3, 0, 0, frames=8, seed=2)
    assert clips.frames.shape[1] == 8
    assert (np.ptp(clips.context_boxes, axis=1).max(1) > 0.1).all()
    assert np.ptp(clips.context_boxes, axis=1).max() <= 2.0


def test_store(clips):
    store = synthetic.store(clips, (24, 24))
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
    height, width = synthetic.SIZE
    crop = (48, 64)
    shift = np.array([(width - 64) // 2, (height - 48) // 2] * 2)
    boxes = (np.array(box) + shift).reshape(1, 1, 4).astype(np.float32)
    found, chance = synthetic.attention_on(CELL, boxes, crop)
    assert found[0] == pytest.approx(on)
    assert chance[0] == pytest.approx(even)


def test_an_even_map_has_the_attention_that_chance_gives(clips):
    attention = np.full((1000, 1, 3, 4), 1 / 12)
    found, chance = synthetic.attention_on(attention, clips.context_boxes, (48, 64))
    np.testing.assert_allclose(found, chance)


@pytest.mark.parametrize("model", ["caer-net", "caer-net-s"])
def test_recipe_fits_the_clips(model):
    import torch

    recipe = synthetic.recipe(model)
    clips = synthetic.make(2, 0, 0, frames=recipe.input.frames)
    assert recipe.clips == (model == "caer-net")
    assert recipe.input.frame == synthetic.SIZE == clips.frames.shape[2:4]
    T = (recipe.input.frames,) if recipe.clips else ()
    net = architecture(recipe)
    out = net(torch.zeros(2, 3, *T, *recipe.input.face), torch.zeros(2, 3, *T, *recipe.input.crop))
    assert out.attention.shape == (2, 1, 3, 4)


@pytest.mark.parametrize("model", ["caer-net", "caer-net-s"])
def test_recipe_of_ordered_clips_fits_them(model):
    recipe = synthetic.ordered_recipe(model)
    store = synthetic.store(synthetic.make_ordered(2, 1, 1), recipe.input.face, recipe.input.frame)
    assert store.read("context", np.array([[0, 7]])).shape == (1, 2, *recipe.input.frame, 3)
    assert store.frames.tolist() == [8] * 4
    np.testing.assert_allclose(
        store.read("boxes", np.array([[0]]))[0, 0, 0],
        synthetic.make_ordered(2, 1, 1).face_boxes[0, 0] / 2,
    )


@pytest.mark.parametrize("frames", [1, 6], ids=["images", "clips"])
def test_release_is_read_as_any_release(tmp_path, frames):
    from caer_data.benchmark.data import store as stores
    from caer_data.benchmark.data.shards import Format, Work

    made = synthetic.make(40, 14, 14, frames=frames, seed=3)
    folder = tmp_path / "release"
    synthetic_release.write(made, folder)
    kind = "clips" if frames > 1 else "images"
    source = sources.read(folder, kind)
    assert source.made_up
    assert len(source.samples) == 68
    order = [int(s.clip_id.removeprefix("made-up-")) for s in source.samples]
    assert [s.label for s in source.samples] == made.labels[order].tolist()
    _, shown = next(iter(sampled(source.samples[0].path, 10.0 if frames > 1 else None)))
    difference = np.abs(shown.whole().astype(int) - made.frames[order[0], 0])
    assert difference.mean() < (4 if frames > 1 else 0.001)
    form = Format((24, 24), synthetic.SIZE, 10.0 if frames > 1 else None)
    works = [Work(sample) for sample in source.samples]
    opened = stores.build(
        works, source, form, tmp_path / "store", reporter=Reporter("quiet"), workers=1
    )
    assert opened.frames.tolist() == [frames] * 68
    rows = opened.first[:, None] + np.arange(frames)
    np.testing.assert_allclose(
        opened.read("boxes", rows)[:, :, 0], made.face_boxes[order], atol=1e-4
    )
