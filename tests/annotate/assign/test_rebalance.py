"""Loads are level again for what is left after a build dropped clips."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from caer_data.annotate.assign import assignments as assign
from caer_data.annotate.assign import rebalance
from caer_data.engine import tables
from caer_data.engine.recipe import Annotate

RATERS = [f"r{number}@x.org" for number in range(6)]
EMPTY = tables.empty(tables.ASSIGNMENTS)


def assigned(count: int, raters: list[str] = RATERS, existing: Any = EMPTY) -> pd.DataFrame:
    clips = [f"c{number:03d}" for number in range(count)]
    return assign.assign(clips, raters, existing, Annotate(), 7)


def loads(table: pd.DataFrame, there: set[str]) -> list[int]:
    counted = table[table["clip_key"].isin(list(there))]["rater"].value_counts()
    return [int(counted.get(rater, 0)) for rater in sorted(set(table["rater"]))]


def half_of(table: pd.DataFrame) -> set[str]:
    """What is left when all went that one rater had, and some others."""
    lost = set(table.loc[table["rater"] == RATERS[0], "clip_key"])
    return set(table["clip_key"]) - set(sorted(lost)[: len(lost) * 4 // 5])


def test_clips_that_are_all_there_are_even() -> None:
    table = assigned(50)
    assert not rebalance.is_uneven(table, set(table["clip_key"]))
    assert not rebalance.is_uneven(EMPTY, set())


def test_loads_are_level_for_what_is_left() -> None:
    table = assigned(60)
    there = half_of(table)
    assert rebalance.is_uneven(table, there)
    after = rebalance.level(table, there, set(), set(), 7)
    assert max(loads(after, there)) - min(loads(after, there)) <= 1
    assert not rebalance.is_uneven(after, there)
    assert rebalance.level(after, there, set(), set(), 7).equals(after)
    assert not after.duplicated(["clip_key", "rater"]).any()
    assert not after.duplicated(["rater", "position"]).any()
    moved = after["rater"] != table["rater"]
    assert 0 < moved.sum() < 30
    assert (after["clip_key"] == table["clip_key"]).all()
    assert set(after.loc[moved, "clip_key"]) <= there
    tables.check(tables.ASSIGNMENTS, after)


def test_answered_clips_and_checks_stay_where_they_are() -> None:
    table = assigned(60)
    there = half_of(table)
    mine = table[table["rater"] == RATERS[1]]
    answered = set(zip(mine["clip_key"], mine["rater"], strict=True))
    checks = {(clip, RATERS[0]) for clip in sorted(there)[:20]}
    after = rebalance.level(table, there, answered, checks, 7)
    kept = set(zip(after["clip_key"], after["rater"], strict=True))
    assert answered <= kept
    before = set(zip(table["clip_key"], table["rater"], strict=True))
    assert not (kept - before) & checks


def test_who_joined_late_is_not_given_more() -> None:
    first = assigned(40, RATERS[:5])
    both = assigned(60, RATERS, first)
    assert not rebalance.is_uneven(both, set(both["clip_key"]))


@pytest.mark.parametrize("column", ["replaces", "block"])
def test_clips_taken_over_or_assigned_anew_stay(column: str) -> None:
    table = assigned(60)
    there = half_of(table)
    others = table["rater"] != RATERS[0]
    value: Any = "gone@x.org" if column == "replaces" else rebalance.SECOND_ROUND
    table.loc[others, column] = value
    assert rebalance.level(table, there, set(), set(), 7).equals(table)
