"""The three rules against a second computation: exact fractions, one clip at a time, no arrays."""

import math
from collections import Counter, defaultdict
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS, PROBABILITY_COLUMNS
from caer_data.engine.recipe import Labels
from caer_data.labels import decide as labels
from caer_data.labels import rules

RATERS = 4
Vote = tuple[str, str, Fraction]  # rater, emotion, confidence


def ballots(clips: int, seed: int) -> dict[str, list[Vote]]:
    """Random answers, a few of them missing, with ties and equal sums of confidence."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Vote]] = {}
    for number in range(clips):
        votes = [
            (f"r{r}", str(rng.choice(EMOTIONS[: 2 + number % 3])), Fraction(int(quarter), 4))
            for r, quarter in enumerate(rng.integers(0, 5, RATERS))
            if rng.random() > 0.03
        ]
        found[f"c{number:03d}"] = votes or [("r0", "sad", Fraction(1))]
    return found


def table(given: dict[str, list[Vote]]) -> pd.DataFrame:
    rows = [
        {
            "clip_id": clip,
            "clip_key": clip,
            "rater": rater,
            "emotion": emotion,
            "confidence": float(confidence),
            "status": "accepted",
            "too_fast": False,
            "edited": False,
            "source": "csv",
            "source_id": f"{clip}-{rater}",
        }
        for clip, votes in given.items()
        for rater, emotion, confidence in votes
    ]
    return tables.frame(tables.RATINGS, rows)


def by_majority(votes: list[Vote], settings: Labels) -> str | None:
    leading, *others = Counter(emotion for _, emotion, _ in votes).most_common()
    tie = bool(others) and others[0][1] == leading[1]
    return None if tie or leading[1] < settings.min_agree else leading[0]


def by_confidence(votes: list[Vote]) -> str | None:
    held: defaultdict[str, Fraction] = defaultdict(Fraction)
    for _, emotion, confidence in votes:
        held[emotion] += confidence
    return next((e for e, sum_ in held.items() if 2 * sum_ > sum(held.values())), None)


def posteriors(given: dict[str, list[Vote]]) -> dict[str, dict[str, float]]:
    """Dawid and Skene's EM as their paper has it, in loops and in probabilities, no logarithms."""
    believed = {
        clip: {e: sum(v[1] == e for v in votes) / len(votes) for e in EMOTIONS}
        for clip, votes in given.items()
    }
    people = {rater for votes in given.values() for rater, _, _ in votes}
    answers, likelihood = sum(map(len, given.values())), -math.inf
    for _ in range(200):
        prior = {e: sum(believed[c][e] for c in given) / len(given) for e in EMOTIONS}
        errors: dict[tuple[str, str, str], float] = {}
        for rater in people:
            for truth in EMOTIONS:
                said = dict.fromkeys(EMOTIONS, 0.0)
                for clip, votes in given.items():
                    for who, emotion, _ in votes:
                        if who == rater:
                            said[emotion] += believed[clip][truth]
                total = sum(said.values())
                for emotion in EMOTIONS:
                    errors[rater, truth, emotion] = said[emotion] / total if total else 0.0
        believed, before, likelihood = {}, likelihood, 0.0
        for clip, votes in given.items():
            joint = dict(prior)
            for rater, emotion, _ in votes:
                joint = {t: p * errors[rater, t, emotion] for t, p in joint.items()}
            likelihood += math.log(sum(joint.values())) / answers
            believed[clip] = {t: p / sum(joint.values()) for t, p in joint.items()}
        if likelihood - before < 1e-6:
            break
    return believed


SETTINGS = [
    {"min_agree": agree, "confidence_of": whose, "min_confidence": 0.5}
    for agree in (1, 2, 3)
    for whose in ("all", "agreeing")
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("rule", ["majority", "weighted"])
def test_every_clip_as_in_exact_fractions(rule: str, settings: dict[str, Any]) -> None:
    given = ballots(400, seed=len(rule) + settings["min_agree"])
    asked = Labels(rule=rule, **settings)
    found = labels.decide(table(given), asked, RATERS).set_index("clip_key")
    reasons = set()
    for clip, votes in given.items():
        word = by_majority(votes, asked) if rule == "majority" else by_confidence(votes)
        of_all = [c for _, _, c in votes]
        counted = [c for _, e, c in votes if e == word] if asked.confidence_of != "all" else of_all
        if len(votes) < RATERS:
            word, reason = None, "incomplete"
        elif word is None:
            reason = "no_majority"
        else:
            sure = sum(counted, Fraction(0)) / len(counted) >= Fraction(1, 2)
            reason = "kept" if sure else "low_confidence"
        row = found.loc[clip]
        assert ("kept" if pd.isna(row["reason"]) else row["reason"]) == reason
        assert (None if pd.isna(row["emotion"]) else row["emotion"]) == word
        assert row["agreement"] == max(Counter(e for _, e, _ in votes).values())
        said = Counter(e for _, e, _ in votes)
        assert [row[p] for p in PROBABILITY_COLUMNS] == [said[e] / len(votes) for e in EMOTIONS]
        reasons.add(reason)
    assert reasons == {"kept", "incomplete", "no_majority", "low_confidence"}


def test_the_posterior_as_in_loops() -> None:
    rng = np.random.default_rng(7)
    given: dict[str, list[Vote]] = {}
    for number in range(90):
        truth = EMOTIONS[number % 3]
        said = [
            truth if rng.random() < 0.9 - 0.1 * r else rng.choice(EMOTIONS[:3]) for r in range(4)
        ]
        given[f"c{number:03d}"] = [(f"r{r}", str(e), Fraction(1)) for r, e in enumerate(said)]
    counted = rules.count(table(given))
    outcome = rules.dawid_skene(counted, Labels(rule="dawid-skene"))
    plain = posteriors(given)
    for row, clip in enumerate(counted.clips):
        shares = plain[clip]
        assert outcome.shares[row] == pytest.approx([shares[e] for e in EMOTIONS], abs=1e-5)
        if abs(max(shares.values()) - 0.5) > 1e-4:
            assert outcome.agreed[row] == (max(shares.values()) > 0.5)
            assert EMOTIONS[outcome.winner[row]] == max(shares, key=shares.__getitem__)
