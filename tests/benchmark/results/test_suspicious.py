"""Clips whose label the model disagrees with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from lightning_fabric import Fabric
from made_up import tiny_recipe

from caer_data.annotate.assign import assignments as assign
from caer_data.annotate.assign import second_round
from caer_data.benchmark.results import suspicious
from caer_data.benchmark.selftest import synthetic
from caer_data.benchmark.training.run import Context, run
from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.ledger import Ledger
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Annotate

CLASSES = ("anger", "happy", "sad")


def noisy(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """300 labels of which 30 are planted mistakes, and a model that mostly knows the truth."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, 300)
    probabilities = random.dirichlet([0.3] * 3, 300) * 0.3
    probabilities[np.arange(300), truth] += 0.7
    labels = truth.copy()
    planted = random.choice(300, 30, replace=False)
    labels[planted] = (labels[planted] + 1) % 3
    return labels, probabilities, planted


def test_planted_mistakes_are_found_with_their_true_class() -> None:
    labels, probabilities, planted = noisy()
    found, suggested = suspicious.find(labels, probabilities)
    hits = set(planted) & set(found.tolist())
    assert len(hits) >= 10  # those that the model is surer of than of the average clip
    assert len(hits) == len(found)
    truth = probabilities.argmax(1)
    assert (suggested == truth[found]).all()


def test_the_worst_come_first() -> None:
    labels, probabilities, _ = noisy()
    found, _ = suspicious.find(labels, probabilities)
    own = probabilities[found, labels[found]]
    assert (np.diff(own) >= 0).all()


def test_rule_by_hand() -> None:
    # thresholds: class 0 mean(.9, .2) = .55, class 1 mean(.6, .5) = .55
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.5, 0.5]])
    found, suggested = suspicious.find(np.array([0, 0, 1, 1]), probabilities)
    assert found.tolist() == [1]
    assert suggested.tolist() == [1]


def test_a_clip_of_several_pictures_or_seeds_is_one_row(tmp_path) -> None:
    rows = [
        ("a-1.png", "clip-a", 0, 0.1, 0.8, 0.1),
        ("a-2.png", "clip-a", 0, 0.2, 0.7, 0.1),
        ("b-1.png", "clip-b", 1, 0.3, 0.6, 0.1),
        ("c-1.png", "", 0, 0.9, 0.05, 0.05),
    ]
    columns = ["sample_id", "clip_id", "label", *(f"p_{c}" for c in CLASSES)]
    frame = pd.DataFrame(rows, columns=columns).assign(split="test")
    count = suspicious.write([frame, frame], CLASSES, tmp_path / "suspicious.csv")
    written = pd.read_csv(tmp_path / "suspicious.csv")
    assert count == len(written) == 1
    assert written.loc[0, ["clip_id", "label", "suggested"]].tolist() == [
        "clip-a",
        "anger",
        "happy",
    ]
    assert written.loc[0, "p_label"] == 0.15


def with_wrong_labels(share: float) -> tuple[synthetic.SyntheticClips, np.ndarray]:
    """Made-up clips that the face tells, and which of them were given a wrong label."""
    made = synthetic.make(1400, 300, 300, seed=1)
    by_face = made.kinds == synthetic.KINDS.index("face")
    clips = synthetic.SyntheticClips(
        **{name: values[by_face] for name, values in vars(made).items() if values is not None}
    )
    random = np.random.default_rng(0)
    wrong = random.random(len(clips.labels)) < share
    clips.labels[wrong] += random.integers(1, 7, wrong.sum())
    clips.labels[:] %= len(EMOTIONS)
    return clips, wrong


def test_wrong_labels_are_found_and_assigned_to_others(tmp_path: Path, fabric: Fabric) -> None:
    clips, wrong = with_wrong_labels(0.08)
    recipe = tiny_recipe(epochs=4)
    store = synthetic.store(clips, recipe.input.face)
    run(recipe, store, 0, Context(tmp_path, fabric, Reporter("quiet")))
    predictions = pd.read_parquet(next(tmp_path.rglob("predictions.parquet")))
    path = tmp_path / "suspicious.csv"
    suspicious.write([predictions], EMOTIONS, path)

    judged = clips.splits != 0  # training clips need --folds
    worst = [int(clip) for clip in pd.read_csv(path, dtype=str)["clip_id"]][: wrong[judged].sum()]
    assert wrong[judged].sum() >= 8
    assert wrong[worst].mean() > 0.7, "about 8 % by chance"

    ids = [sample.clip_id for sample in store.samples]
    raters = [f"r{number}@example.org" for number in range(6)]
    assigned = assign.assign(ids, raters, tables.empty(tables.ASSIGNMENTS), Annotate(), 1)
    ledger = Ledger()
    ledger.names = {name: {name} for name in ids}  # these clips' names are their keys
    doubted = second_round.read_clips(path, assigned, ledger)
    second = second_round.reassign(assigned, doubted, raters, 1)
    anew = second[second["block"] == second_round.SECOND_ROUND]
    assert set(anew["clip_key"]) == set(doubted) >= {ids[i] for i in worst}
