"""A second round: other raters, even loads, no change when done twice."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from caer_data.annotate.assign import assignments as assign
from caer_data.annotate.assign import second_round
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.ledger import Ledger
from caer_data.engine.recipe import Annotate

RATERS = [f"r{number}@example.org" for number in range(9)]
CLIPS = [f"clip-{number:03d}" for number in range(84)]
EMPTY = tables.empty(tables.ASSIGNMENTS)


def test_others_rate_again_evenly() -> None:
    first = assign.assign(CLIPS, RATERS, EMPTY, Annotate(), 1)
    second = second_round.reassign(first, CLIPS[:30], RATERS, 1)
    tables.check(tables.ASSIGNMENTS, second)
    before, after = (t.groupby("clip_key")["rater"].agg(set) for t in (first, second))
    for clip in CLIPS:
        assert len(after[clip]) == 3
        assert after[clip].isdisjoint(before[clip]) if clip in CLIPS[:30] else True
    untouched = ~second["clip_key"].isin(CLIPS[:30])
    assert second[untouched].equals(first[untouched])
    loads = second["rater"].value_counts()
    assert loads.max() - loads.min() <= 3
    assert not second.duplicated(["rater", "position"]).any()


def test_doing_it_twice_changes_nothing() -> None:
    first = assign.assign(CLIPS, RATERS, EMPTY, Annotate(), 1)
    once = second_round.reassign(first, CLIPS[:5], RATERS, 1)
    assert second_round.reassign(once, CLIPS[:5], RATERS, 1).equals(once)
    assert second_round.reassigned(first) == set()
    assert second_round.reassigned(once) == set(CLIPS[:5])
    assert second_round.reassign(first, CLIPS[:5], RATERS, 2)["rater"].ne(once["rater"]).any()


def test_too_few_raters() -> None:
    first = assign.assign(CLIPS, RATERS[:5], EMPTY, Annotate(), 1)
    with pytest.raises(CaerError, match=r"needs 3 raters who have not seen it .* there are only 2"):
        second_round.reassign(first, CLIPS[:1], RATERS[:5], 1)


def assigned() -> pd.DataFrame:
    """All clips, each to one rater."""
    rows = [{"clip_key": f"key-{c}", "rater": "r", "position": 0, "block": 0} for c in CLIPS]
    return tables.frame(tables.ASSIGNMENTS, rows)


def ledger() -> Ledger:
    """Every clip under its name."""
    found = Ledger()
    found.names = {f"key-{clip}": {clip} for clip in CLIPS}
    return found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("clip\nclip-000\n", ":1: there is no column clip_key or clip_id"),
        ("", ":1: there is no column clip_key or clip_id"),
        ("clip_id\nclip-000\nnone\n", ":3: no clip 'none'"),
        ("clip_id,x\nclip-000,1\n\n,2\n", ":4: no clip ''"),
    ],
    ids=["no column", "empty", "unknown", "blank"],
)
def test_bad_files_are_told_with_the_row(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(CaerError) as error:
        second_round.read_clips(path, assigned(), ledger())
    assert str(path) + sentence in str(error.value)


def test_clips_are_read_once_each(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("\ufeffscore,clip_id\n1,clip-002\n2,clip-001\n3,clip-002\n", encoding="utf-8")
    assert second_round.read_clips(path, assigned(), ledger()) == ["key-clip-002", "key-clip-001"]
    path.write_text("clip_key\nkey-clip-003\n")
    assert second_round.read_clips(path, assigned(), ledger()) == ["key-clip-003"]


def test_a_name_that_meant_two_clips_needs_the_key(tmp_path: Path) -> None:
    known, path = ledger(), tmp_path / "list.csv"
    known.names["key-clip-001"].add("clip-000")
    path.write_text("clip_id\nclip-000\n")
    with pytest.raises(CaerError, match="has been the name of 2 clips"):
        second_round.read_clips(path, assigned(), known)
    path.write_text("clip_id,clip_key\nclip-000,key-clip-001\n")
    assert second_round.read_clips(path, assigned(), known) == ["key-clip-001"]
