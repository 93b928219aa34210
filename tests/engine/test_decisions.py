"""Decisions by hand: kept, undone, taken out, safe from torn lines, strange content and races."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.errors import CaerError
from caer_data.engine.identity import Anchor, Box

FACE = Box(0.25, 0.25, 0.5, 0.75)
CLIP = Anchor("9f86d081", 9000, 99000, 30, FACE)
DROP = Decision("drop", "ann", (CLIP,), why="blurred")
NAME = Decision("name", "ann", (CLIP,), '"Bo\\u2028"')


def undo(row: Decision) -> Decision:
    return Decision("undo", "ann", value=json.dumps(row.key))


def test_decisions_are_read_as_they_were_written(tmp_path: Path) -> None:
    store = Decisions(tmp_path)
    rows = [store.append(row) for row in (DROP, NAME)]
    assert Decisions(tmp_path).rows == rows == store.rows
    assert all(row.when.endswith("+00:00") for row in rows)
    assert rows[1].content == "Bo\u2028"


def test_an_undone_decision_stands_again_when_the_undo_is_undone(tmp_path: Path) -> None:
    store = Decisions(tmp_path)
    drop = store.append(DROP)
    first = store.append(undo(drop))
    assert store.standing() == []
    store.append(undo(first))
    assert Decisions(tmp_path).standing() == [drop] == store.standing("keep", "drop")
    assert store.standing("name") == []


def test_only_what_stands_can_be_undone(tmp_path: Path) -> None:
    store = Decisions(tmp_path)
    drop = store.append(DROP)
    store.append(undo(drop))
    for row in (drop, DROP):
        with pytest.raises(CaerError, match="stands"):
            store.append(undo(row))


def test_a_torn_last_line_is_left_out_and_replaced(tmp_path: Path) -> None:
    store = Decisions(tmp_path)
    first = store.append(DROP)
    with store.path.open("ab") as file:
        file.write(b'{"kind": "dro')
    again = Decisions(tmp_path)
    assert again.torn and again.rows == [first]
    second = again.append(replace(DROP, kind="keep"))
    assert not Decisions(tmp_path).torn and Decisions(tmp_path).rows == [first, second]


def test_a_last_line_without_its_end_counts_if_whole(tmp_path: Path) -> None:
    store = Decisions(tmp_path)
    first = store.append(DROP)
    store.path.write_bytes(store.path.read_bytes().rstrip(b"\n"))
    second = Decisions(tmp_path).append(replace(DROP, kind="keep"))
    assert Decisions(tmp_path).rows == [first, second]


def test_who_appends_at_the_same_time_loses_nothing(tmp_path: Path) -> None:
    stores = [Decisions(tmp_path) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: stores[n].append(replace(DROP, why=str(n))), range(8)))
    assert sorted(row.why for row in Decisions(tmp_path).rows) == list("01234567")


@pytest.mark.parametrize("line", [b"nonsense", b"[]", b'{"kind": "burn"}', b"\xff", b"[" * 9999])
def test_a_bad_line_is_named(tmp_path: Path, line: bytes) -> None:
    store = Decisions(tmp_path)
    store.append(DROP)
    store.path.write_bytes(line + b"\n" + store.path.read_bytes())
    with pytest.raises(CaerError, match="line 1"):
        Decisions(tmp_path)


@pytest.mark.parametrize(
    "row",
    [
        replace(DROP, kind="burn"),
        replace(DROP, about=()),
        replace(DROP, value="1"),
        replace(DROP, who="a" * 20_000),
        replace(DROP, about=(replace(CLIP, start_pts=2**70),)),
        replace(DROP, about=(replace(CLIP, end_pts=0),)),
        replace(DROP, about=(replace(CLIP, box=Box(0, 0, float("nan"), 1)),)),
        replace(NAME, value="[" * 9999),
        replace(NAME, value='" "'),
        replace(NAME, kind="merge", value="null"),
        replace(NAME, kind="target", value="[0, 0, 1, 7]"),
        replace(NAME, kind="cut_move", value="1.5"),
        replace(NAME, kind="forget", value='{"what": "all"}'),
    ],
)
def test_what_is_no_decision_is_refused_and_not_read(tmp_path: Path, row: Decision) -> None:
    with pytest.raises(CaerError):
        Decisions(tmp_path).append(row)
    assert Decisions(tmp_path).rows == []
    store = Decisions(tmp_path)
    store.append(DROP)
    store.path.write_text(json.dumps(asdict(row)) + "\n" + store.path.read_text())
    with pytest.raises(CaerError, match="line 1"):
        Decisions(tmp_path)


def test_what_is_scrubbed_leaves_no_trace_and_undos_follow(tmp_path: Path) -> None:
    store = Decisions(tmp_path)
    name, drop = store.append(NAME), store.append(DROP)
    store.append(undo(name))
    store.append(undo(drop))
    anonymous = store.scrub(
        lambda row: None if row.kind == "name" else replace(row, who="somebody")
    )
    assert anonymous == 4
    text = store.path.read_text()
    assert "Bo" not in text and "ann" not in text
    assert [row.kind for row in Decisions(tmp_path).rows] == ["drop", "undo"]
    assert Decisions(tmp_path).standing() == []
    assert store.scrub(lambda row: row) == 0
