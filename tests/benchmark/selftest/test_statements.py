"""The self-test in small: it passes when the models learn, and fails when they do not or cheat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from caer_data.benchmark.data.store import Store
from caer_data.benchmark.data.windows import Pick
from caer_data.benchmark.networks import caer_net
from caer_data.benchmark.networks.sound import Sound
from caer_data.benchmark.recipe import ModelRecipe, vary
from caer_data.benchmark.results import entries as results
from caer_data.benchmark.results.compare import Bench
from caer_data.benchmark.results.entries import Entry
from caer_data.benchmark.selftest import statements as selftest
from caer_data.benchmark.selftest import synthetic
from caer_data.benchmark.selftest.statements import Check, SelfTest
from caer_data.benchmark.selftest.synthetic import SyntheticClips
from caer_data.benchmark.training import train as train_module
from caer_data.engine.progress import Reporter

LEARNED_LATE = [
    "Face and context together read both clips",
    "Face and context beat the face alone if both are needed",
    "Face and context beat the context alone if both are needed",
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, fabric: Fabric) -> Iterator[Bench]:
    """One thread and a seed with which little training is enough, whatever the machine's cores.

    The number of threads changes last digits, and with them how soon attention is learned.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Bench(tmp_path_factory.mktemp("self-test"), range(1, 2), fabric, Reporter("quiet"))
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def small(bench: Bench) -> SelfTest:
    """A third of the training: too little for what is learned last."""
    train = {"epochs": 5, "lr_step_epochs": 4}
    ordered = synthetic.make_ordered(120, 20, 60)
    sounding = synthetic.make_sounding(210, 28, 70)
    return selftest.self_test(bench, synthetic.make(1000, 60, 300), ordered, train, sounding)


def failed(checks: list[Check]) -> list[str]:
    return [check.statement for check in checks if not check.passed]


@pytest.mark.slow
def test_every_statement_holds(small: SelfTest) -> None:
    assert set(failed(small.checks)) <= set(LEARNED_LATE), small.checks


def test_models_that_did_not_learn_do_not_pass(bench: Bench) -> None:
    clips, ordered = synthetic.make(40, 10, 90), synthetic.make_ordered(20, 4, 20)
    train = {"epochs": 1, "learning_rate": 1e-6}
    sounding = synthetic.make_sounding(14, 7, 35)
    found = selftest.self_test(bench, clips, ordered, train, sounding)
    chance = [c.statement for c in found.checks if "fails" in c.statement or "guess" in c.statement]
    chance += ["CAER-Net-S, frame by frame, cannot tell their order"]
    holds = {*chance, SUMS}  # untrained attention is a distribution, too
    assert set(failed(found.checks)) == {c.statement for c in found.checks} - holds
    text = selftest.as_text(found, results.as_text)
    assert "NO" in text and "best 100%" in text
    assert all(entry.runs[0]["made_up"] for entry in found.entries)


@pytest.fixture
def even_attention(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forward = caer_net.Attention.forward

    def even(self: caer_net.Attention, x: Tensor) -> Tensor:
        attention = forward(self, x)
        return torch.full_like(attention, 1 / attention[0, 0].numel())

    monkeypatch.setattr(caer_net.Attention, "forward", even)


@pytest.fixture
def even_fusion(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    softmax = torch.softmax

    def even(x: Tensor, dim: int) -> Tensor:
        found = softmax(x, dim)
        return torch.full_like(found, 0.5) if found.shape[-1] == 2 and x.dim() == 2 else found

    monkeypatch.setattr(caer_net.torch, "softmax", even)


def attention_of(monkeypatch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor]) -> None:
    forward = caer_net.Attention.forward
    monkeypatch.setattr(caer_net.Attention, "forward", lambda self, x: change(forward(self, x)))


@pytest.fixture
def attention_of_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Softmax over the one channel instead of over space."""
    attention_of(monkeypatch, torch.ones_like)


@pytest.fixture
def sigmoid_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    """High where the map is high, as a gate without competition is."""
    attention_of(monkeypatch, lambda map_: torch.sigmoid((map_ * map_[0, 0].numel()).log()))


@pytest.fixture
def swapped_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The face's weight is taken for the context's."""
    forward = caer_net.Fusion.forward

    def swapped(self: caer_net.Fusion, vectors: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        logits, weights = forward(self, vectors)
        return logits, None if weights is None else weights.flip(1)

    monkeypatch.setattr(caer_net.Fusion, "forward", swapped)


SUMS, LIES, LEANS = (
    "Attention sums to 1 over space in every clip",
    "Attention lies on the coloured disc more than expected by chance",
    "Fusion favours the informative stream",
)


@pytest.mark.parametrize(
    ("sabotage", "statement"),
    [
        ("even_attention", LIES),
        ("attention_of_ones", SUMS),
        ("sigmoid_attention", SUMS),
        ("even_fusion", LEANS),
        ("swapped_weights", LEANS),
    ],
)
def test_a_sabotaged_network_fails_its_statement(
    bench: Bench, small: SelfTest, request: pytest.FixtureRequest, sabotage: str, statement: str
) -> None:
    recipe = small.entries[2].recipe
    assert failed(selftest._check_streams(bench, recipe, small.store, small.clips)) == []
    request.getfixturevalue(sabotage)
    found = selftest._check_streams(bench, recipe, small.store, small.clips)
    assert statement in failed(found)
    if (
        statement != SUMS
    ):  # a map of another scale changes where it lies and what fusion weighs, too
        assert failed(found) == [statement]


@pytest.fixture(scope="module")
def few() -> tuple[SyntheticClips, Store]:
    """Clips for one more training, with the store that all models of pictures read."""
    clips, recipe = synthetic.make(1000, 60, 300), synthetic.recipe()
    return clips, synthetic.store(clips, recipe.input.face, recipe.input.frame)


def trained(bench: Bench, store: Store, name: str, epochs: int, **changes: Any) -> ModelRecipe:
    """The recipe of a model that was trained with some changes."""
    train = {"epochs": epochs, "lr_step_epochs": epochs}
    recipe = vary(synthetic.recipe(), {"name": name, "train": train, **changes})
    bench.runs(Entry(name, recipe), store)
    return recipe


def ideal(kinds: np.ndarray) -> dict[str, np.ndarray]:
    """Which clips each model should get right, where chance decides as often as it does."""
    chance, even = np.arange(len(kinds)) % 7 == 0, np.arange(len(kinds)) % 2 == 0
    face = np.select([kinds == 0, kinds == 1], [True, chance], even)
    context = np.select([kinds == 1, kinds == 0], [True, chance], even)
    both = np.ones(len(kinds))
    found = {"face only": face, "context only": context, "face and context": both}
    return {name: hits.astype(float) for name, hits in found.items()}


def test_ideal_models_pass(few: tuple[SyntheticClips, Store]) -> None:
    clips, store = few
    kinds = clips.kinds[store.of_split("test")]
    assert failed(selftest._check_accuracy(ideal(kinds), kinds)) == []


@pytest.mark.retrains
def test_attention_that_is_not_trained_is_found_out(
    bench: Bench, few: tuple[SyntheticClips, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = caer_net.ContextPool.forward
    monkeypatch.setattr(
        caer_net.ContextPool, "forward", lambda self, x, a: forward(self, x, a.detach())
    )
    clips, store = few
    recipe = trained(bench, store, "detached", 3)
    found = selftest._check_streams(bench, recipe, store, clips)
    assert LIES in failed(found) and SUMS not in failed(found)


@pytest.mark.retrains
def test_shuffled_labels_are_found_out(bench: Bench, few: tuple[SyntheticClips, Store]) -> None:
    clips, store = few
    random = np.random.default_rng(0)
    train = store.of_split("train")
    samples = list(store.samples)
    for place, label in zip(train, random.permutation(store.labels[train]), strict=True):
        samples[place] = replace(samples[place], label=int(label))
    shuffled = replace(store, samples=samples)
    kinds = clips.kinds[store.of_split("test")]
    off = selftest.STREAMS["face only"]
    for name, data, caught in (("straight", store, False), ("shuffled", shuffled, True)):
        right = ideal(kinds)
        recipe = trained(bench, data, name, 2, streams=off)
        right["face only"] = selftest._right(bench, recipe, data)
        statement = "The face alone reads face clips"
        assert (statement in failed(selftest._check_accuracy(right, kinds))) == caught


@pytest.mark.retrains
def test_time_reversed_in_training_is_found_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = train_module.random_windows

    def reversed_windows(*given: Any) -> Pick:
        pick = windows(*given)
        return Pick(pick.samples, pick.rows[:, ::-1].copy())

    monkeypatch.setattr(train_module, "random_windows", reversed_windows)
    clips = synthetic.make_ordered(120, 20, 60)
    _, hits = selftest._in_order(bench, clips, {"name": "reversed"})
    assert "CAER-Net reads the order of frames" in failed(selftest._check_order(*hits))
    assert hits[1].mean() <= 0.5  # it learned the wrong order, or nothing


def test_sound_that_is_not_heard_is_found_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Sound.forward
    monkeypatch.setattr(Sound, "forward", lambda self, x: forward(self, torch.zeros_like(x)))
    clips = synthetic.make_sounding(28, 7, 35)
    _, hits = selftest._by_sound(bench, clips, {"name": "deaf", "train": {"epochs": 1}})
    assert "The sound alone reads sounds" in failed(selftest._check_sound(*hits))


def test_swapped_streams_are_found_out() -> None:
    kinds = np.repeat([0, 1, 2], 100)
    face = np.concatenate([np.ones(100), np.arange(100) < 14, np.arange(100) < 50]).astype(float)
    context = np.concatenate([np.arange(100) < 14, np.ones(100), np.arange(100) < 50]).astype(float)
    right = {"face only": context, "context only": face, "face and context": np.ones(300)}
    assert failed(selftest._check_accuracy(right, kinds)) == [
        "The face alone fails on context clips",
        "The context alone fails on face clips",
        "The face alone reads face clips",
        "The context alone reads context clips",
    ]


@pytest.mark.retrains
def test_a_face_that_is_not_hidden_is_found_out(
    bench: Bench, few: tuple[SyntheticClips, Store]
) -> None:
    clips, store = few
    kinds = clips.kinds[store.of_split("test")]
    off = selftest.STREAMS["context only"]
    for faces, caught in (("target", False), ("none", True)):
        right = ideal(kinds)
        recipe = trained(bench, store, f"faces-{faces}", 2, streams=off, hide={"faces": faces})
        right["context only"] = selftest._right(bench, recipe, store)
        statement = "The context alone fails on face clips"
        assert (statement in failed(selftest._check_accuracy(right, kinds))) == caught


def test_statements_by_hand() -> None:
    kinds = np.repeat([0, 1, 2], 100)
    right = ideal(kinds)
    assert failed(selftest._check_accuracy(right, kinds)) == []
    cheating = {**right, "face only": np.ones(300)}
    assert failed(selftest._check_accuracy(cheating, kinds)) == [
        "The face alone fails on context clips",
        "The context alone reads context clips",
        "The face alone guesses between two on both clips",
        "Face and context beat the face alone if both are needed",
        "Face and context beat the face alone on all clips",
    ]
    forgetful = {**right, "face and context": right["face only"]}
    assert failed(selftest._check_accuracy(forgetful, kinds)) == [
        *LEARNED_LATE,
        "Face and context beat the face alone on all clips",
        "Face and context beat the context alone on all clips",
    ]


@pytest.mark.parametrize(
    ("frames", "clips", "expected"),
    [
        ("half", "all", []),
        ("all", "all", ["CAER-Net-S, frame by frame, cannot tell their order"]),
        ("half", "half", ["CAER-Net reads the order of frames"]),
    ],
)
def test_statements_of_order_by_hand(frames: str, clips: str, expected: list[str]) -> None:
    hits = {"half": np.arange(100) % 2.0, "all": np.ones(100)}
    wanted = set(expected)
    if frames == "all":
        wanted.add("CAER-Net reads the order of frames")  # no better than what must be chance
    assert set(failed(selftest._check_order(hits[frames], hits[clips]))) == wanted
