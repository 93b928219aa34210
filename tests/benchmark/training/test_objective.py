"""The loss against its formulas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up import tiny_store
from scipy import stats

from caer_data.benchmark.data.store import Store
from caer_data.benchmark.recipe import Train
from caer_data.benchmark.training.objective import Objective
from caer_data.engine.errors import CaerError

CPU = torch.device("cpu")
LOGITS = torch.randn(6, 7, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 4, 5])
SAMPLES = torch.arange(6)


def voted(text: str = "a=happy:1 b=sad:1 c=happy:0") -> Store:
    store = tiny_store()
    return replace(store, samples=[replace(s, votes=text) for s in store.samples])


def test_plainly_it_is_cross_entropy() -> None:
    found = Objective(Train(), None, CPU)(LOGITS, LABELS)
    assert found == torch.nn.functional.cross_entropy(LOGITS, LABELS)


def test_votes_give_the_divergence_from_them() -> None:
    found = Objective(Train(labels="votes"), voted(), CPU)(LOGITS, LABELS, SAMPLES)
    votes = np.array([0, 0, 0, 2, 0, 1, 0]) / 3
    expected = [stats.entropy(votes, p) for p in torch.softmax(LOGITS, 1).numpy()]
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-5)


def test_the_gradient_of_the_divergence_is_that_of_cross_entropy() -> None:
    logits = LOGITS.clone().requires_grad_()
    Objective(Train(labels="votes"), voted(), CPU)(logits, LABELS, SAMPLES).backward()
    votes = torch.tensor([0, 0, 0, 2, 0, 1, 0]) / 3
    assert torch.allclose(logits.grad, (torch.softmax(LOGITS, 1) - votes) / 6, atol=1e-7)


def test_rare_classes_weigh_more_and_adjustment_shifts_by_the_prior() -> None:
    store = tiny_store()
    labels = store.labels[store.of_split("train")]
    share = np.bincount(labels, minlength=7) / len(labels)
    weighted = Objective(Train(class_weights="balanced"), store, CPU)
    assert weighted.weight.numpy() == pytest.approx(1 / (7 * share), rel=1e-6)
    assert (weighted.weight.numpy() * share).sum() == pytest.approx(1)
    adjusted = Objective(Train(logit_adjustment=1.0), store, CPU)(LOGITS, LABELS)
    moved = LOGITS + torch.from_numpy(np.log(share)).float()
    assert torch.allclose(adjusted, torch.nn.functional.cross_entropy(moved, LABELS))


def test_smoothing_spreads_the_target() -> None:
    found = Objective(Train(label_smoothing=0.1), None, CPU)(LOGITS, LABELS)
    target = torch.nn.functional.one_hot(LABELS, 7) * 0.9 + 0.1 / 7
    expected = -(target * torch.log_softmax(LOGITS, 1)).sum(1).mean()
    assert torch.allclose(found, expected)


def test_votes_that_are_not_there_are_asked_for() -> None:
    with pytest.raises(CaerError, match=r"needs the raters' votes"):
        Objective(Train(labels="votes"), tiny_store(), CPU)
