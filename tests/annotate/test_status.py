"""Pace and the table of raters, and answers as the server stores them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from caer_data.annotate import answers
from caer_data.annotate.status import per_hour
from caer_data.labels.validate import Answer

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(*seconds: float) -> list[Answer]:
    return [
        Answer(str(n), "key", "shown", "r@x.org", "r@x.org", "sad", "0.5",
               created_at=(START + timedelta(seconds=s)).isoformat())
        for n, s in enumerate(seconds)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("times", "pace"),
    [
        ((), None),
        ((0,), None),
        ((0, 10, 20, 30), 360),
        ((30, 0, 20, 10), 360),
        ((0, 10, 4000, 4010), 360),
        ((0, 301), None),
    ],
    ids=["none", "one", "steady", "any order", "a break", "only a break"],
)
def test_pace_leaves_breaks_out(times: tuple[float, ...], pace: float | None) -> None:
    assert per_hour(at(*times)) == pace


def part(control: str, value: Any) -> dict[str, Any]:
    return {"from_name": control, "to_name": "clip", "type": "choices", "value": value}


@pytest.mark.parametrize(
    ("result", "emotion", "confidence"),
    [
        ([part("emotion", {"choices": ["sad"]}), part("confidence", {"choices": ["0.5"]})],
         "sad", "0.5"),
        ([part("emotion", {"choices": ["sad", "fear"]})], "sad,fear", None),
        ([part("emotion", {"choices": ["sad"]}), part("emotion", {"choices": ["fear"]})],
         "sad,fear", None),
        ([part("confidence", {"number": 0.8})], None, "0.8"),
        ([], None, None),
        ("nonsense", None, None),
        ([7, part("emotion", 3)], "3", None),
    ],
    ids=["both", "two choices", "two controls", "number", "empty", "text", "odd"],
)  # fmt: skip
def test_answers_are_read_whatever_they_hold(
    result: Any, emotion: str | None, confidence: str | None
) -> None:
    stored = {"id": 7, "completed_by": 3, "result": result, "lead_time": None}
    answer = answers._answer(stored, "key", "shown", "r@x.org", {3: "r@x.org"})
    assert (answer.emotion, answer.confidence, answer.rater) == (emotion, confidence, "r@x.org")


def test_an_answer_that_the_clip_cannot_be_judged() -> None:
    result = [part("cannot_judge", {"choices": ["wrong_box"]})]
    stored = {"id": 7, "completed_by": 3, "result": result}
    answer = answers._answer(stored, "key", "shown", "r@x.org", {3: "r@x.org"})
    assert (answer.emotion, answer.confidence, answer.cannot_judge) == (None, None, "wrong_box")


@pytest.mark.parametrize(
    ("author", "rater"),
    [(3, "r@x.org"), ({"id": 3}, "r@x.org"), (4, "account 4"), (None, "nobody")],
    ids=["number", "object", "deleted", "none"],
)
def test_authors(author: Any, rater: str) -> None:
    stored = {"id": 7, "completed_by": author, "result": []}
    assert answers._answer(stored, "key", "shown", "r@x.org", {3: "r@x.org"}).rater == rater


@pytest.mark.parametrize(
    ("named", "authors"),
    [
        ({"updated_by": 3, "last_created_by": None}, ("r@x.org",)),
        ({"updated_by": {"id": 5}, "created_by": 3}, ("r@x.org", "s@x.org")),
        ({"last_created_by": 4, "updated_by": "odd"}, ("account 4", "nobody")),
        ({"updated_by": None}, ()),
    ],
    ids=["rater", "another", "odd", "imported"],
)
def test_everybody_that_an_answer_names(named: dict[str, Any], authors: tuple[str, ...]) -> None:
    stored = {"id": 7, "completed_by": 3, "result": [], **named}
    emails = {3: "r@x.org", 5: "s@x.org"}
    assert answers._answer(stored, "key", "shown", "r@x.org", emails).authors == authors
