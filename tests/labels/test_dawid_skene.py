from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from caer_data.engine.emotions import EMOTIONS
from caer_data.labels.dawid_skene import DawidSkene

THREE = EMOTIONS[:3]


def simulated(
    tasks: int, accuracies: tuple[float, ...], seed: int
) -> tuple[pd.DataFrame, pd.Series]:
    """Three of the raters answer each task; each confuses some classes more than others."""
    rng = np.random.default_rng(seed)
    n = len(EMOTIONS)
    truth = rng.choice(n, tasks, p=[0.12, 0.05, 0.04, 0.21, 0.35, 0.11, 0.12])
    errors = []
    for accuracy in accuracies:
        wrong = rng.dirichlet(np.full(n, 0.5), n)
        np.fill_diagonal(wrong, 0)
        wrong *= (1 - accuracy) / wrong.sum(axis=1, keepdims=True)
        errors.append(wrong + accuracy * np.eye(n))
    triples = list(combinations(range(len(accuracies)), 3))
    rows = [
        (f"t{i:04d}", f"w{w}", EMOTIONS[rng.choice(n, p=errors[w][truth[i]])])
        for i in range(tasks)
        for w in triples[i % len(triples)]
    ]
    answers = pd.DataFrame(rows, columns=["task", "worker", "label"])
    return answers, pd.Series([EMOTIONS[t] for t in truth], index=answers["task"].unique())


def majority(answers: pd.DataFrame) -> pd.Series:
    return answers.groupby("task")["label"].agg(lambda votes: votes.mode().iloc[0])


@pytest.mark.parametrize("seed", [1, 2])
def test_beats_the_majority_where_raters_differ(seed: int) -> None:
    answers, truth = simulated(800, (0.9, 0.85, 0.8, 0.75, 0.6, 0.4), seed)
    found = DawidSkene(EMOTIONS).fit_predict(answers)
    assert (found == truth).mean() > (majority(answers) == truth).mean() + 0.01


def test_finds_who_errs() -> None:
    accuracies = (0.95, 0.85, 0.6, 0.35)
    answers, _ = simulated(1500, accuracies, 3)
    model = DawidSkene(EMOTIONS).fit(answers)
    for i, accuracy in enumerate(accuracies):
        errors = model.errors.loc[f"w{i}"]
        found = (np.diag(errors.loc[list(EMOTIONS)]) * model.priors).sum()
        assert found == pytest.approx(accuracy, abs=0.07)
    assert np.allclose(model.errors.sum(axis=1), 1)
    assert np.allclose(model.posterior.sum(axis=1), 1)


def test_equals_crowd_kit() -> None:
    """Figures of crowd-kit 1.4.2: DawidSkene(n_iter=25, tol=-1e9) on the same answers."""
    rng = np.random.default_rng(5)
    rows = []
    for i in range(60):
        truth = rng.integers(3)
        for worker, accuracy in {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.55}.items():
            if rng.random() < 0.75:
                right = rng.random() < accuracy
                label = THREE[truth if right else rng.integers(3)]
                rows.append((f"t{i:02d}", worker, label))
    answers = pd.DataFrame(rows, columns=["task", "worker", "label"])
    model = DawidSkene(THREE, n_iter=25, tol=-1e9).fit(answers)
    posterior = [
        [0.0, 9e-08, 0.99999991],
        [0.42475167, 0.0, 0.57524833],
        [0.0, 1.0, 0.0],
        [0.0, 7.133e-05, 0.99992867],
        [1.0, 0.0, 0.0],
        [0.99395434, 0.0, 0.00604566],
        [0.18199193, 0.0, 0.81800807],
    ]
    assert model.posterior.iloc[:7].to_numpy() == pytest.approx(np.array(posterior), abs=1e-8)
    assert list(model.priors) == pytest.approx([0.35132719, 0.34777531, 0.3008975], abs=1e-8)
    assert model.errors.loc[("d", "fear"), "fear"] == pytest.approx(0.91250547, abs=1e-8)
    assert model.errors.loc[("b", "disgust"), "anger"] == pytest.approx(0.15102092, abs=1e-8)


def test_one_answer_and_unknown_classes() -> None:
    one = pd.DataFrame({"task": ["t"], "worker": ["w"], "label": ["happy"]})
    assert DawidSkene(EMOTIONS).fit_predict(one).to_dict() == {"t": "happy"}
    with pytest.raises(ValueError, match="not among the classes"):
        DawidSkene(THREE).fit(one)


def test_the_order_of_the_answers_does_not_matter() -> None:
    answers, _ = simulated(100, (0.9, 0.8, 0.5), 4)
    shuffled = answers.sample(frac=1, random_state=0)
    assert np.allclose(DawidSkene(EMOTIONS).fit(answers).posterior,
                       DawidSkene(EMOTIONS).fit(shuffled).posterior)  # fmt: skip
