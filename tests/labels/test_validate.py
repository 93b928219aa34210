from typing import Any

import pandas as pd
import pytest

from caer_data.engine import anchors, tables
from caer_data.engine.identity import Anchor
from caer_data.engine.ledger import Ledger
from caer_data.labels import validate
from caer_data.labels.validate import Answer

DEALT = tables.frame(
    tables.ASSIGNMENTS,
    [
        {"clip_key": clip, "rater": f"{rater}@x.org", "position": 0, "block": 0}
        for clip in ("c1", "gone", "dropped", "longer")
        for rater in ("anna", "ben", "cleo")
    ]
    + [{"clip_key": "c2", "rater": "dora@x.org", "position": 0, "block": 0}],
)


def clip(key: str, start: int, frames: int, status: str = "kept") -> dict[str, Any]:
    """A clip of a video of 10 frames per second, in which nobody is the target."""
    span = {"start_frame": start, "end_frame": start + frames, "start_pts": start}
    return {
        "clip_id": key, "clip_key": key if status == "kept" else None, "video_key": "v",
        "status": status, **span, "end_pts": start + frames, "start_s": start / 10,
        "end_s": (start + frames) / 10,
    }  # fmt: skip


CLIPS = tables.frame(
    tables.CLIPS, [clip("c1", 100, 35), clip("c2", 0, 20), clip("d", 200, 20, "dropped")]
)
LEDGER = Ledger()
LEDGER.minted = {
    "c1": Anchor("v", 100, 135, 35, None),
    "c2": Anchor("v", 0, 20, 20, None),
    "dropped": Anchor("v", 200, 220, 20, None),
    "longer": Anchor("v", 90, 135, 45, None),
}
LEDGER.names = {key: {f"old-name-of-{key}"} for key in LEDGER.minted}
GOOD: dict[str, Any] = {
    "source_id": "1",
    "clip_key": "c1",
    "presentation": "p",
    "rater": "anna@x.org",
    "project_rater": "anna@x.org",
    "emotion": "happy",
    "confidence": "0.75",
    "lead_time_s": 6.3,
    "created_at": "2026-03-01T10:00:00.000000Z",
    "updated_at": "2026-03-01T10:00:00.020000Z",
}


def answer(**changes: Any) -> Answer:
    return Answer(**{**GOOD, **changes})


def accepted(*answers: Answer) -> pd.DataFrame:
    table = validate.validate_answers(answers, DEALT, CLIPS, LEDGER)
    tables.check(tables.RATINGS, table)
    return table


def test_a_good_answer() -> None:
    row = accepted(answer()).iloc[0]
    assert row["status"] == "accepted"
    assert pd.isna(row["reason"])
    assert row[["emotion", "confidence", "lead_time_s"]].tolist() == ["happy", 0.75, 6.3]
    assert not row["too_fast"]
    assert not row["edited"]


REFUSED = {
    "unknown emotion": ({"emotion": "joyful"}, "unknown_emotion"),
    "emotion in capitals": ({"emotion": "Happy"}, "unknown_emotion"),
    "two emotions": ({"emotion": "happy,sad"}, "unknown_emotion"),
    "no emotion": ({"emotion": None}, "unknown_emotion"),
    "confidence 7": ({"confidence": 7}, "bad_confidence"),
    "confidence 1.01": ({"confidence": 1.01}, "bad_confidence"),
    "confidence below 0": ({"confidence": "-0.25"}, "bad_confidence"),
    "confidence nan": ({"confidence": float("nan")}, "bad_confidence"),
    "confidence NaN as text": ({"confidence": "NaN"}, "bad_confidence"),
    "confidence infinite": ({"confidence": "inf"}, "bad_confidence"),
    "no confidence": ({"confidence": None}, "bad_confidence"),
    "confidence in words": ({"confidence": "certain"}, "bad_confidence"),
    "confidence true": ({"confidence": True}, "bad_confidence"),
    "confidence in a list": ({"confidence": [1]}, "bad_confidence"),
    "cancelled": ({"cancelled": True}, "cancelled"),
    "ground truth": ({"ground_truth": True}, "ground_truth"),
    "unknown rater": ({"rater": "eve@x.org"}, "unknown_rater"),
    "clip of another": ({"clip_key": "c2"}, "not_dealt"),
    "in another's name": ({"rater": "ben@x.org"}, "foreign_project"),
    "changed by another": ({"authors": ("anna@x.org", "ben@x.org")}, "other_author"),
    "made by a deleted account": ({"authors": ("account 4",)}, "other_author"),
    "another reason": ({"cannot_judge": "boring"}, "unknown_reason"),
    "two reasons": ({"cannot_judge": "wrong_box,distressing"}, "unknown_reason"),
    "clip not in the dataset": ({"clip_key": "gone"}, "unknown_clip"),
    "nothing that was shown": ({"clip_key": None}, "unknown_clip"),
    "clip dropped since": ({"clip_key": "dropped"}, "dropped_clip"),
    "clip changed since": ({"clip_key": "longer"}, "clip_changed"),
}


@pytest.mark.parametrize(("changes", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_stays_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    assert reason in validate.REASONS
    table = accepted(answer(**changes), answer(source_id="2", clip_key="c1", rater="anna@x.org"))
    assert table["reason"].tolist()[0] == reason
    assert table["status"].tolist() == ["refused", "accepted"]


@pytest.mark.parametrize(
    "before", [{"emotion": None, "confidence": None}, {}], ids=["bare", "changed"]
)
def test_that_a_clip_cannot_be_judged_is_an_answer_but_no_vote(before: dict[str, Any]) -> None:
    table = accepted(answer(cannot_judge="wrong_box", **before))
    row = table.iloc[0]
    assert row[["status", "cannot_judge"]].tolist() == ["accepted", "wrong_box"]
    assert row[["emotion", "confidence"]].isna().all()
    assert validate.votes(table).empty
    assert len(validate.votes(accepted(answer()))) == 1


@pytest.mark.parametrize(
    ("given", "taken"),
    [(0.15000000000000002, 0.15), ("1.0", 1.0), (1.0000000000000002, 1.0), (-1e-17, 0.0), (0, 0.0),
     ("0.333", 0.33)],
)  # fmt: skip
def test_confidence_is_rounded_to_two_places(given: object, taken: float) -> None:
    assert accepted(answer(confidence=given))["confidence"].tolist() == [taken]


def test_a_refused_confidence_is_kept_as_given() -> None:
    assert accepted(answer(confidence=7))["confidence"].tolist() == [7.0]
    assert accepted(answer(confidence="nan"))["confidence"].isna().all()


def test_the_last_of_doubles_stands_and_the_earlier_are_reported() -> None:
    table = accepted(
        answer(source_id="9", emotion="sad", updated_at="2026-03-01T12:00:00Z"),
        answer(source_id="10", emotion="fear", updated_at="2026-03-01T11:00:00Z"),
        answer(source_id="11", emotion="joyful", updated_at="2026-03-01T13:00:00Z"),
    )
    assert table["source_id"].tolist() == ["9", "10", "11"]
    assert table["reason"].fillna("").tolist() == ["", "superseded", "unknown_emotion"]


def test_doubles_of_the_same_time_fall_to_the_later_annotation() -> None:
    table = accepted(answer(source_id="10", emotion="sad"), answer(source_id="9"))
    assert table.set_index("source_id")["status"].to_dict() == {"9": "refused", "10": "accepted"}


def test_an_annotation_met_twice_counts_once() -> None:
    assert len(accepted(answer(), answer())) == 1


@pytest.mark.parametrize(
    ("lead_time", "too_fast", "stored"),
    [(3.49, True, 3.49), (3.5, False, 3.5), (0, True, 0.0), (None, False, None),
     (-4.0, False, None), (float("nan"), False, None)],
)  # fmt: skip
def test_answers_faster_than_the_clip_are_flagged(
    lead_time: float | None, too_fast: bool, stored: float | None
) -> None:
    row = accepted(answer(lead_time_s=lead_time)).iloc[0]
    assert row["too_fast"] == too_fast
    assert (None if pd.isna(row["lead_time_s"]) else row["lead_time_s"]) == stored


@pytest.mark.parametrize(
    ("updated_at", "edited"),
    [
        ("2026-03-01T10:00:00.900Z", False),
        ("2026-03-01T10:00:01.500Z", True),
        ("2026-03-01T11:00:00+01:00", False),
        ("2026-03-02T10:00:00Z", True),
        (None, False),
        ("yesterday", False),
    ],
)
def test_answers_changed_later_are_flagged(updated_at: str | None, edited: bool) -> None:
    assert accepted(answer(updated_at=updated_at)).iloc[0]["edited"] == edited


def test_addresses_are_compared_without_case() -> None:
    given = answer(rater="Anna@X.org", project_rater="ANNA@x.org", authors=("anna@X.org",))
    row = accepted(given).iloc[0]
    assert row[["rater", "status"]].tolist() == ["anna@x.org", "accepted"]


def test_no_answers() -> None:
    assert len(accepted()) == 0


def test_an_answer_carries_the_clip_that_it_is_about() -> None:
    row = accepted(answer(clip_key="longer")).iloc[0]
    assert row[["clip_id", "presentation"]].tolist() == ["old-name-of-longer", "p"]
    assert anchors.of_rows(pd.DataFrame([row])) == [LEDGER.minted["longer"]]
