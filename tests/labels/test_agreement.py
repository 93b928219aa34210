from collections.abc import Callable
from typing import Any

import krippendorff
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS, LABELS
from caer_data.engine.recipe import Labels
from caer_data.labels import decide as labels
from caer_data.labels.agreement import Agreement, measure, overall
from caer_data.labels.agreement_text import agreement_text


def clips_table(count: int, length: float = 3.0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip_key": [f"c{i:04d}" for i in range(count)],
            "start_s": 5.0,
            "end_s": 5.0 + length,
            "status": "kept",
        }
    )


def rating(
    clip: int, rater: str, emotion: str, confidence: float = 1.0, **more: Any
) -> dict[str, Any]:
    return {
        "clip_id": f"c{clip:04d}",
        "clip_key": f"c{clip:04d}",
        "rater": rater,
        "emotion": emotion,
        "confidence": confidence,
        "status": "accepted",
        "too_fast": False,
        "edited": False,
        "source": "label-studio",
        "source_id": f"{clip}-{rater}",
        **more,
    }


def measured(
    rows: list[dict[str, Any]], clips: int = 10, assignments: pd.DataFrame | None = None
) -> Agreement:
    ratings = tables.frame(tables.RATINGS, rows)
    decided = labels.decide(ratings, Labels(), 3)
    return measure(ratings, decided, clips_table(clips), assignments, bootstraps=50)


@pytest.fixture(scope="module")
def simulated() -> list[dict[str, Any]]:
    """Six raters, 400 clips, three a clip; b is careless, f follows nobody."""
    rng = np.random.default_rng(1)
    skill = {"a": 0.9, "b": 0.5, "c": 0.8, "d": 0.8, "e": 0.7, "f": 0.0}
    rows = []
    for clip in range(400):
        truth = rng.choice(7, p=[0.1, 0.1, 0.1, 0.2, 0.3, 0.1, 0.1])
        for rater in rng.permutation(list(skill))[:3]:
            right = rng.random() < skill[rater]
            emotion = EMOTIONS[truth if right else rng.integers(7)]
            confidence = rng.choice([0.75, 1.0] if right else [0.0, 0.25, 0.5])
            rows.append(rating(clip, str(rater), emotion, confidence, lead_time_s=2.0 + right))
    return rows


def test_alpha_and_kappas_equal_the_reference_libraries(simulated: list[dict[str, Any]]) -> None:
    result = measured(simulated, 400)
    table = pd.DataFrame(simulated).assign(label=lambda t: t["emotion"].map(LABELS))
    wide = table.pivot(index="rater", columns="clip_id", values="label")
    alpha = krippendorff.alpha(wide.to_numpy(float), level_of_measurement="nominal")
    assert result.alpha == pytest.approx(alpha, abs=1e-9)
    assert result.alpha_low < result.alpha < result.alpha_high
    assert len(result.pairs) == 15
    for pair in result.pairs.itertuples():
        both = wide.loc[[pair.rater_a, pair.rater_b]].dropna(axis=1).astype(int)
        assert pair.clips == both.shape[1]
        assert pair.kappa == pytest.approx(cohen_kappa_score(*both.to_numpy()), abs=1e-9)
        assert pair.agreement == pytest.approx((both.iloc[0] == both.iloc[1]).mean())


def test_raters_are_measured_against_the_consensus_of_the_others(
    simulated: list[dict[str, Any]],
) -> None:
    raters = measured(simulated, 400).raters.set_index("rater")
    assert raters["accuracy"].idxmax() == "a"
    assert raters["accuracy"].idxmin() == raters["kappa"].idxmin() == "f"
    table = pd.DataFrame(simulated)
    right, compared = 0, 0
    for _, clip in table.groupby("clip_id"):
        others = clip[clip["rater"] != "c"]["emotion"].tolist()
        own = clip[clip["rater"] == "c"]["emotion"].tolist()
        if own and others[0] == others[1]:
            compared += 1
            right += own[0] == others[0]
    assert raters.loc["c", ["compared", "accuracy"]].tolist() == [compared, right / compared]


def test_confidence_is_calibrated_against_the_consensus() -> None:
    rows = []
    for clip in range(4):  # c is sure and right twice, unsure and wrong twice
        rows += [rating(clip, r, "sad", 0.5) for r in "ab"]
        rows.append(rating(clip, "c", "sad" if clip < 2 else "fear", 1.0 if clip < 2 else 0.1))
    result = measured(rows)
    steps = result.calibration.set_index("step")
    assert steps.index.tolist() == [0.0, 0.5, 1.0]
    assert steps["answers"].tolist() == [2, 8, 2]
    assert steps["compared"].tolist() == [2, 4, 2]  # where c answers fear, a and b face a tie
    assert steps["accuracy"].tolist() == [0.0, 1.0, 1.0]
    assert steps["confidence"].tolist() == [0.1, 0.5, 1.0]
    assert result.calibration_error == pytest.approx((2 * 0.1 + 4 * 0.5 + 2 * 0.0) / 8)


def test_confusion_and_class_agreement() -> None:
    rows = [rating(0, r, "sad") for r in "abc"]
    rows += [rating(1, "a", "sad"), rating(1, "b", "sad"), rating(1, "c", "fear")]
    result = measured(rows)
    assert result.confusion.loc["sad", "sad"] == pytest.approx(0.8)
    assert result.confusion.loc["sad", "fear"] == pytest.approx(0.2)
    assert result.confusion.loc["fear", "sad"] == 1.0
    assert result.confusion.loc["happy"].isna().all()
    emotions = result.emotions.set_index("emotion")
    assert emotions.loc["sad", ["answers", "clips"]].tolist() == [5, 2]
    assert emotions.loc["sad", "agreement"] == pytest.approx(0.8)
    assert emotions.loc["fear", "agreement"] == 0


def test_funnel_flags_and_refusals() -> None:
    dealt = tables.frame(
        tables.ASSIGNMENTS,
        [
            {"clip_key": f"c{clip:04d}", "rater": r, "position": 0, "block": 0}
            for clip in range(6)
            for r in "abc"
        ],
    )
    rows = [rating(0, r, "sad", lead_time_s=t) for r, t in zip("abc", (1.0, 4.0, 7.0), strict=True)]
    rows += [rating(1, r, e) for r, e in zip("abc", ("sad", "fear", "happy"), strict=True)]
    rows += [rating(2, r, "sad", 0.25) for r in "abc"]
    rows += [rating(3, "a", "sad", too_fast=True, edited=True), rating(3, "b", "sad")]
    rows.append(rating(4, "a", "joy", status="refused", reason="unknown_emotion", confidence=None))
    result = measured(rows, clips=10, assignments=dealt)
    assert dict(zip(result.funnel["step"], result.funnel["clips"], strict=True)) == {
        "kept": 10, "pushed": 6, "rated": 4, "complete": 3, "agreed": 2, "confident": 1,
    }  # fmt: skip
    assert result.funnel["share"].tolist() == [1.0, 0.6, 0.4, 0.3, 0.2, 0.1]
    assert result.refused.to_dict("records") == [{"reason": "unknown_emotion", "answers": 1}]
    a = result.raters.set_index("rater").loc["a"]
    assert a[["dealt", "answers", "refused"]].tolist() == [6, 4, 1]
    assert a[["too_fast", "edited", "lead_time_s"]].tolist() == [0.25, 0.25, 1.0]
    assert result.lead_times["lead_time_s"].tolist() == [1.0, 4.0, 7.0]
    assert result.lead_times["clip_s"].tolist() == [3.0, 3.0, 3.0]


def test_answers_to_clips_no_longer_kept_are_left_out() -> None:
    rows = [rating(c, r, "sad") for c in (0, 1, 99) for r in "abc"]
    result = measured(rows, clips=2)
    assert (result.answers, result.clips, result.complete) == (6, 2, 2)
    assert result.funnel["clips"].max() == 2


PARTIAL: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "nothing": list,
    "one answer": lambda: [rating(0, "a", "sad")],
    "two answers": lambda: [rating(0, "a", "sad"), rating(0, "b", "fear")],
    "one rater only": lambda: [rating(c, "a", "sad") for c in range(5)],
    "all the same": lambda: [rating(c, r, "sad") for c in range(5) for r in "abc"],
    "only refused": lambda: [rating(0, "a", "sad", status="refused", reason="cancelled")],
}


@pytest.mark.parametrize("rows", PARTIAL.values(), ids=PARTIAL)
def test_partial_data_is_measured_as_far_as_it_goes(
    rows: Callable[[], list[dict[str, Any]]],
) -> None:
    result = measured(rows())
    assert result.answers == sum(r["status"] == "accepted" for r in rows())
    assert result.funnel["clips"].iloc[0] == 10
    if result.clips == 0:
        assert np.isnan(result.alpha)
        assert np.isnan(result.fleiss_kappa)


@pytest.mark.parametrize("rows", PARTIAL.values(), ids=PARTIAL)
def test_the_overall_agreement_needs_few_columns(
    rows: Callable[[], list[dict[str, Any]]], simulated: list[dict[str, Any]]
) -> None:
    """It is that of all measures, also where labels are incomplete and clips are gone."""
    unclear = {"emotion": None, "confidence": None, "cannot_judge": "wrong_box"}
    for given in (rows(), [*simulated[7:], rating(500, "a", "sad") | unclear]):
        ratings = tables.frame(tables.RATINGS, given)
        decided = labels.decide(ratings, Labels(), 3)
        clips = clips_table(390)
        every = measure(ratings, decided, clips, seed=3, bootstraps=50)
        few = overall(
            ratings[["clip_key", "emotion", "status", "cannot_judge"]],
            decided[["clip_key", "reason", "cannot_judge"]],
            clips[["clip_key", "status"]],
            seed=3,
            bootstraps=50,
        )
        own = [every.alpha, every.alpha_low, every.alpha_high, every.fleiss_kappa]
        assert list(few) == pytest.approx(own, nan_ok=True)


def test_made_up_answers_are_counted() -> None:
    rows = [rating(0, r, "sad", source="made-up") for r in "abc"] + [rating(1, "a", "sad")]
    assert measured(rows).made_up == 3


def test_answers_that_a_clip_cannot_be_judged_are_counted_apart() -> None:
    def unclear(clip: int, rater: str, why: str) -> dict[str, Any]:
        return rating(clip, rater, "") | {"emotion": None, "confidence": None, "cannot_judge": why}

    rows = [rating(0, "a", "sad"), rating(0, "b", "sad"), unclear(0, "c", "wrong_box")]
    rows += [rating(1, "a", "sad")]
    rows += [unclear(1, r, "distressing") for r in "bc"]
    rows += [rating(2, r, "sad") for r in "abc"]
    found = measured(rows)
    assert found.cannot_judge.to_dict("records") == [
        {"reason": "distressing", "answers": 2, "clips": 1, "dropped": 1},
        {"reason": "wrong_box", "answers": 1, "clips": 1, "dropped": 0},
    ]
    assert (found.answers, found.complete) == (6, 1)
    assert found.raters.set_index("rater")["cannot_judge"].to_dict() == {"a": 0, "b": 1, "c": 2}
    assert found.funnel.set_index("step").loc[["complete", "agreed"], "clips"].tolist() == [3, 2]
    assert "the clip is distressing to watch" in agreement_text(found, 160)
