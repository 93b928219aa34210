"""Decisions by hand: kept, undone, found again after a rebuild, safe from a torn line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from caer_data.engine.decisions import Decision, Decisions, Seen, by_clip
from caer_data.engine.errors import CaerError
from caer_data.engine.identity import Anchor, Box

FACE = Box(0.25, 0.25, 0.5, 0.75)
CLIP = Anchor("9f86d081", 9000, 99000, 30, FACE)
DROP = Decision("drop_clip", "ann", "blurred", clip=CLIP)


def test_decisions_are_read_as_they_were_written(tmp_path: Path) -> None:
    store = Decisions(tmp_path)
    named = Decision("name_person", "ann", "", faces=(Seen("9f86d081", 7, FACE),), value="Bo\u2028")
    rows = [store.append(DROP), store.append(named)]
    assert Decisions(tmp_path).rows == rows
    assert all(row.when.endswith("+00:00") for row in rows)


def test_an_undone_decision_stands_again_when_the_undo_is_undone(tmp_path: Path) -> None:
    store = Decisions(tmp_path)
    drop = store.append(DROP)
    undo = store.append(Decision("undo", "ann", "", value=drop.key))
    assert store.standing() == []
    store.append(Decision("undo", "ann", "", value=undo.key))
    assert Decisions(tmp_path).standing() == [drop]


def test_a_torn_last_line_is_left_out_and_replaced(tmp_path: Path) -> None:
    store = Decisions(tmp_path)
    first = store.append(DROP)
    with store.path.open("ab") as file:
        file.write(b'{"kind": "dro')
    again = Decisions(tmp_path)
    assert again.torn and again.rows == [first]
    second = again.append(replace(DROP, kind="keep_clip"))
    assert not Decisions(tmp_path).torn and Decisions(tmp_path).rows == [first, second]


def test_a_last_line_without_its_end_counts_if_whole(tmp_path: Path) -> None:
    store = Decisions(tmp_path)
    first = store.append(DROP)
    store.path.write_bytes(store.path.read_bytes().rstrip(b"\n"))
    second = Decisions(tmp_path).append(replace(DROP, kind="keep_clip"))
    assert Decisions(tmp_path).rows == [first, second]


@pytest.mark.parametrize("line", [b"nonsense", b"[]", b'{"kind": "burn"}', b"\xff"])
def test_a_bad_line_is_named(tmp_path: Path, line: bytes) -> None:
    store = Decisions(tmp_path)
    store.append(DROP)
    store.path.write_bytes(line + b"\n" + store.path.read_bytes())
    with pytest.raises(CaerError, match="line 1"):
        Decisions(tmp_path)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaerError, match="no kind"):
        Decisions(tmp_path).append(replace(DROP, kind="burn"))
    assert Decisions(tmp_path).rows == []


def test_the_last_decision_about_a_clip_counts_whatever_its_key() -> None:
    keep = replace(DROP, kind="keep_clip")
    today = {
        "k1": replace(CLIP, start_pts=9001),
        "k2": replace(CLIP, video_key="other"),
    }
    assert by_clip([DROP, keep], today) == {"k1": keep}
    assert by_clip([DROP], {"k1": replace(CLIP, start_pts=50000, frames=16)}) == {}
