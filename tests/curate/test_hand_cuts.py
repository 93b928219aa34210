"""Cuts decided by hand: what becomes of shots, at every border of a case."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from caer_data.curate.hand_cuts import applied, by_video
from caer_data.engine import tables
from caer_data.engine.decisions import Decision
from caer_data.engine.identity import Anchor

BASE = Fraction(1, 90_000)
PTS = np.arange(100, dtype=np.int64) * 3600 + 1000
END = 100 * 3600 + 1000


HOW = {30: ("cut", 0.9), 50: ("dissolve", 0.6)}
"""How shots begin, by their first frame, and how clear that is."""


def shots(*starts: int):
    edges = [*starts, 100]
    rows = [
        {
            "shot_id": f"s{n:04d}", "video_id": "", "start_frame": a, "end_frame": b,
            "start_pts": int(PTS[a]), "end_pts": END if b == 100 else int(PTS[b]),
            "start_s": a / 25, "end_s": b / 25,
            "cut": HOW.get(a, ("by_hand", None))[0] if a else None,
            "cut_score": HOW.get(a, (None, None))[1],
        }
        for n, (a, b) in enumerate(pairwise(edges), 1)
    ]  # fmt: skip
    return tables.frame(tables.SHOTS, rows)


def at(frame: int) -> int:
    return int(PTS[frame])


@pytest.mark.parametrize(
    ("cuts", "starts"),
    [
        ([("cut_add", at(70), None)], [0, 30, 50, 70]),
        ([("cut_add", at(70) + 1700, None)], [0, 30, 50, 70]),  # less than half a frame off
        ([("cut_add", at(51), None)], [0, 30, 50]),  # one lies there
        ([("cut_add", at(0), None)], [0, 30, 50]),
        ([("cut_add", 10**15, None)], [0, 30, 50, 99]),
        ([("cut_remove", at(30), None)], [0, 50]),
        ([("cut_remove", at(31), None)], [0, 50]),
        ([("cut_remove", at(40), None)], [0, 30, 50]),  # another detector never found it
        ([("cut_move", at(30), at(33))], [0, 33, 50]),
        ([("cut_move", at(40), at(43))], [0, 30, 43, 50]),
        ([("cut_add", at(70), None), ("cut_remove", at(70), None)], [0, 30, 50]),
    ],
)
def test_what_becomes_of_the_shots(cuts, starts) -> None:
    got = applied(shots(0, 30, 50), PTS, BASE, cuts)
    assert got["start_frame"].tolist() == starts
    wanted = shots(*starts)
    assert got.equals(wanted), got.compare(wanted)


def test_a_cut_that_was_found_stays_what_it_was() -> None:
    undone = [("cut_remove", at(30), None), ("cut_add", at(30), None)]
    got = applied(shots(0, 30, 50), PTS, BASE, [*undone, ("cut_add", at(70), None)])
    assert got["cut"].fillna("").tolist() == ["", "cut", "dissolve", "by_hand"]
    assert got["cut_score"].isna().tolist() == [True, False, False, True]


def test_without_decisions_and_without_shots_nothing_happens() -> None:
    found = shots(0, 30)
    assert applied(found, PTS, BASE, ()) is found
    nothing = tables.empty(tables.SHOTS)
    assert applied(nothing, PTS, BASE, [("cut_add", 1, None)]).empty


def test_decisions_are_sorted_by_video_in_order() -> None:
    def decision(kind: str, video: str, pts: int, value: str = "null") -> Decision:
        return Decision(kind, "ann", (Anchor(video, pts, pts, 0, None),), value)

    rows = [
        decision("cut_add", "a", 5),
        Decision("keep", "ann", (Anchor("a", 0, 9, 1, None),)),
        decision("cut_move", "b", 7, "9"),
        decision("cut_remove", "a", 6),
    ]
    assert by_video(rows) == {
        "a": (("cut_add", 5, None), ("cut_remove", 6, None)),
        "b": (("cut_move", 7, 9),),
    }
