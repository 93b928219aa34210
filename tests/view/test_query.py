"""Filters, sorting and counts, also of a hundred thousand clips."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from caer_data.engine.errors import CaerError
from caer_data.view.query import FACETS, MAX_PAGE, NUMBERS, Index, Query, page_of, parse


def clips(count: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"clip_id": [f"show.e{i // 100}.s{i:06d}.c1" for i in range(count)]})
    frame["clip_key"] = [f"KEY{i:07d}" if i % 2 else None for i in range(count)]
    for name in FACETS:
        frame[name] = random.choice(np.array(["a", "b", "c"], object), count)
    frame.loc[::3, "reason"] = None
    for name in NUMBERS:
        frame[name] = random.random(count)
    frame.loc[::5, "confidence"] = np.nan
    return frame


@pytest.fixture(scope="module")
def small() -> tuple[pd.DataFrame, Index]:
    frame = clips(300)
    return frame, Index(frame)


def found(index: Index, text: str) -> list[int]:
    pairs = [tuple(part.split("=", 1)) for part in text.split("&") if part]
    return index.find(parse(pairs)).tolist()


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("", "index >= 0"),
        ("show=a", "show == 'a'"),
        ("show=a&show=b&status=c", "show in ['a', 'b'] and status == 'c'"),
        ("reason=(none)", "reason.isna()"),
        ("confidence=0.2..0.6", "0.2 <= confidence <= 0.6"),
        ("confidence=..0.6", "confidence <= 0.6"),
        ("text=key0000007", "clip_key == 'KEY0000007'"),
        ("text=E2.S", "clip_id.str.contains('e2[.]s')"),
        ("show=nowhere", "index < 0"),
    ],
)
def test_filters_find_what_pandas_finds(small, text, expression) -> None:
    frame, index = small
    assert found(index, text) == frame.query(expression, engine="python").index.tolist()


def test_sorting_puts_what_has_no_score_last_either_way(small) -> None:
    frame, index = small
    for sort, ascending in (("confidence", True), ("-confidence", False)):
        ordered = frame.sort_values("confidence", ascending=ascending, kind="stable")
        assert found(index, f"sort={sort}") == ordered.index.tolist()
    assert found(index, "sort=") == frame.index.tolist()


def test_a_facet_counts_what_choosing_it_would_leave(small) -> None:
    frame, index = small
    facets = index.facets(parse([("show", "a"), ("status", "b")]))
    others = frame[frame["status"] == "b"]["show"].value_counts()
    assert dict(facets["show"]) == others.to_dict()  # its own filter does not count
    both = frame[(frame["show"] == "a") & (frame["status"] == "b")]
    assert dict(facets["reason"])["(none)"] == both["reason"].isna().sum()


def test_a_facet_that_says_nothing_is_left_out() -> None:
    frame = clips(10).assign(split=None)
    assert "split" not in Index(frame).facets(Query())


@pytest.mark.parametrize(
    "pairs",
    [[("path", "/etc/passwd")], [("confidence", "x..1")], [("seconds", "3")], [("sort", "x")]],
)
def test_what_cannot_be_asked_is_refused(pairs) -> None:
    with pytest.raises(CaerError):
        parse(pairs)


def test_pages_are_bounded() -> None:
    assert page_of({"from": "-3", "count": "1000000"}) == (0, MAX_PAGE)
    with pytest.raises(CaerError):
        page_of({"from": "x"})


def test_a_hundred_thousand_clips_answer_at_once() -> None:
    index = Index(clips(100_000))
    asked = parse([("show", "a"), ("confidence", "0.2.."), ("text", "e1"), ("sort", "-seconds")])
    began = time.process_time()
    index.find(asked)
    index.facets(asked)
    assert time.process_time() - began < 2  # a few tenths on an idle machine
