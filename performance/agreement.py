"""Time of assigning, deciding and measuring at the paper's size, beside the reference libraries.

    python performance/agreement.py [--clips 20484] [--raters 6]

Every figure is checked against the library's before its time is printed. Needs the packages
krippendorff, statsmodels and scikit-learn, which the toolkit itself does without here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, TypeVar

import krippendorff
import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from caer_data.annotate.assign import assignments as assign
from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS, LABELS
from caer_data.engine.recipe import Annotate, Labels
from caer_data.labels import agreement, agreement_measures, validate
from caer_data.labels import decide as labels
from caer_data.labels.validate import Answer

T = TypeVar("T")
REFERENCE_BOOTSTRAPS = 20


def timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def make_ratings(assignments: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Answers of raters of accuracy 0.9 to 0.5, confident in steps of a quarter."""
    rng = np.random.default_rng(seed)
    clips, clip = np.unique(assignments["clip_id"], return_inverse=True)
    raters, rater = np.unique(assignments["rater"], return_inverse=True)
    truth = rng.integers(0, 7, len(clips))[clip]
    right = rng.random(len(clip)) < np.linspace(0.9, 0.5, len(raters))[rater]
    answer = np.where(right, truth, rng.integers(0, 7, len(clip)))
    made = tables.frame(tables.RATINGS, [])
    given = pd.DataFrame(
        {
            "clip_id": assignments["clip_id"],
            "rater": assignments["rater"],
            "emotion": np.array(EMOTIONS)[answer],
            "confidence": rng.integers(1, 5, len(clip)) / 4,
            "lead_time_s": rng.gamma(4, 1.5, len(clip)),
            "status": "accepted",
            "too_fast": False,
            "edited": False,
            "source": "label-studio",
            "source_id": [str(i) for i in range(len(clip))],
        }
    )
    return given.reindex(columns=made.columns)


def reference(ratings: pd.DataFrame) -> dict[str, Callable[[], Any]]:
    wide = ratings.assign(label=ratings["emotion"].map(LABELS)).pivot(
        index="rater", columns="clip_id", values="label"
    )
    units = wide.to_numpy(float)
    counts = np.stack([(units == c).sum(axis=0) for c in range(7)], axis=1)
    rng = np.random.default_rng(0)

    def alpha(answers: np.ndarray) -> float:
        return float(krippendorff.alpha(answers, level_of_measurement="nominal"))

    def bootstrap() -> list[float]:
        n = units.shape[1]
        return [alpha(units[:, rng.integers(0, n, n)]) for _ in range(REFERENCE_BOOTSTRAPS)]

    def pairwise() -> list[float]:
        pairs = []
        for a in range(len(units)):
            for b in range(a + 1, len(units)):
                both = ~np.isnan(units[[a, b]]).any(axis=0)
                pairs.append(cohen_kappa_score(units[a, both], units[b, both]))
        return pairs

    return {
        "alpha": lambda: alpha(units),
        "interval": bootstrap,
        "fleiss": lambda: fleiss_kappa(counts),
        "pairs": pairwise,
    }


def simulate_skill(clips: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Six raters, right in 0.9 to 0.4 of the cases, each with confusions of their own."""
    rng = np.random.default_rng(seed)
    share = np.array([0.12, 0.05, 0.04, 0.21, 0.35, 0.11, 0.12])
    truth = rng.choice(7, clips, p=share / share.sum())
    people = [f"rater{i}@example.org" for i in range(6)]
    errors = {}
    for rater, skill in zip(people, (0.9, 0.85, 0.8, 0.75, 0.6, 0.4), strict=True):
        wrong = rng.dirichlet(np.full(7, 0.5), 7)
        np.fill_diagonal(wrong, 0)
        errors[rater] = wrong / wrong.sum(axis=1, keepdims=True) * (1 - skill) + skill * np.eye(7)
    names = [f"clip-{i:06d}" for i in range(clips)]
    dealt = assign.assign(names, people, tables.empty(tables.ASSIGNMENTS), Annotate(), seed)
    true = dict(zip(names, truth, strict=True))
    answers = [
        EMOTIONS[rng.choice(7, p=errors[rater][true[clip]])]
        for clip, rater in zip(dealt["clip_id"], dealt["rater"], strict=True)
    ]
    ratings = make_ratings(dealt, seed).assign(emotion=answers, confidence=1.0)
    return ratings, pd.Series(np.array(EMOTIONS)[truth], index=names)


def compare_rules(repeats: int = 5) -> None:
    print("\nrules on simulated raters: share of all clips labelled, and of these right")
    for clips in (100, 500, 5000):
        for rule in ("majority", "dawid-skene"):
            labelled, right = [], []
            for seed in range(repeats):
                ratings, truth = simulate_skill(clips, seed)
                kept = labels.decide(ratings, Labels(rule=rule), 3).query("status == 'kept'")
                labelled.append(len(kept) / clips)
                right.append((kept["emotion"].to_numpy() == truth[kept["clip_id"]]).mean())
            print(
                f"{clips:>6,} clips, {rule:<12} {100 * np.mean(labelled):5.1f} % labelled "
                f"{100 * np.mean(right):5.1f} % right"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=20_484)
    parser.add_argument("--raters", type=int, default=6)
    parser.add_argument("--bootstraps", type=int, default=1000)
    chosen = parser.parse_args()
    clips = pd.DataFrame({"clip_id": [f"clip-{i:06d}" for i in range(chosen.clips)]})
    clips = clips.assign(start_s=0.0, end_s=3.0, status="kept")
    people = [f"rater{i}@example.org" for i in range(chosen.raters)]
    nothing = tables.empty(tables.ASSIGNMENTS)

    seconds, assignments = timed(
        lambda: assign.assign(clips["clip_id"], people, nothing, Annotate(), 1)
    )
    print(f"{chosen.clips:,} clips x 3 of {chosen.raters} raters")
    print(f"assign                   {seconds:8.2f} s")
    ratings = make_ratings(assignments, seed=1)
    answers = [
        Answer(r.source_id, r.clip_id, r.rater, r.rater, r.emotion, r.confidence, r.lead_time_s)
        for r in ratings.itertuples()
    ]
    seconds, judged = timed(lambda: validate.validate_answers(answers, assignments, clips))
    assert (judged["status"] == "accepted").all()
    print(f"accept                   {seconds:8.2f} s")
    for rule in ("majority", "weighted", "dawid-skene"):
        settings = Labels(rule=rule)
        seconds, decided = timed(lambda s=settings: labels.decide(ratings, s, 3))
        print(f"decide, {rule:<16} {seconds:8.2f} s")
    decided = labels.decide(ratings, Labels(), 3)
    whole, result = timed(
        lambda: agreement.measure(
            ratings, decided, clips, assignments, bootstraps=chosen.bootstraps
        )
    )
    print(f"measure, all             {whole:8.2f} s   with {chosen.bootstraps:,} bootstraps")

    peers = reference(ratings)
    counts = np.zeros((chosen.clips, 7))
    rows = np.unique(ratings["clip_id"], return_inverse=True)[1]
    np.add.at(counts, (rows, ratings["emotion"].map(LABELS)), 1)
    ours, (low, high) = timed(
        lambda: agreement_measures.alpha_interval(counts, chosen.bootstraps, 0)
    )
    theirs, drawn = timed(peers["interval"])
    theirs *= chosen.bootstraps / REFERENCE_BOOTSTRAPS
    assert low <= np.median(drawn) <= high
    print(
        f"alpha's interval         {ours:8.2f} s   krippendorff {theirs:.0f} s (from "
        f"{REFERENCE_BOOTSTRAPS} bootstraps): {theirs / ours:,.0f} times"
    )
    for name, own in {
        "alpha": [result.alpha],
        "fleiss": [result.fleiss_kappa],
        "pairs": list(result.pairs["kappa"]),
    }.items():
        seconds, value = timed(peers[name])
        difference = np.abs(np.array(own) - np.array(value)).max()
        assert difference < 1e-9, name
        print(f"{name:<24} {seconds:8.2f} s   by the library; ours differs by {difference:.1e}")
    compare_rules()


if __name__ == "__main__":
    main()
