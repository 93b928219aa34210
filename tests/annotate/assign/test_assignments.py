from collections import Counter
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest

from caer_data.annotate.assign import assignments as assign
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Annotate

EMPTY = tables.empty(tables.ASSIGNMENTS)


def people(count: int) -> list[str]:
    return [f"rater{i}@example.org" for i in range(count)]


def clips(count: int, prefix: str = "clip") -> list[str]:
    return [f"{prefix}-{i:05d}" for i in range(count)]


def assigned(count: int, raters: int = 6, per_clip: int = 3, seed: int = 7) -> pd.DataFrame:
    return assign.assign(
        clips(count), people(raters), EMPTY, Annotate(raters_per_clip=per_clip), seed
    )


def spread(assignments: pd.DataFrame, raters: list[str]) -> int:
    loads = Counter(assignments["rater"])
    return max(loads[r] for r in raters) - min(loads[r] for r in raters)


def meetings(assignments: pd.DataFrame) -> Counter[tuple[str, str]]:
    groups = assignments.groupby("clip_key")["rater"]
    return Counter(pair for _, g in groups for pair in combinations(sorted(g), 2))


class TestAssign:
    @pytest.mark.parametrize("raters", [3, 4, 5, 6, 7, 10])
    @pytest.mark.parametrize("count", [1, 2, 19, 41, 130])
    def test_each_clip_has_exactly_three_raters_and_loads_are_equal(
        self, raters: int, count: int
    ) -> None:
        table = assigned(count, raters)
        tables.check(tables.ASSIGNMENTS, table)
        per_clip = table.groupby("clip_key")["rater"].nunique()
        assert len(per_clip) == count
        assert set(per_clip) == {3}
        assert spread(table, people(raters)) <= 1

    @pytest.mark.parametrize(("raters", "size"), [(4, 4), (5, 10), (6, 20), (7, 35)])
    def test_every_pair_meets_equally_often_within_a_block(self, raters: int, size: int) -> None:
        table = assigned(3 * size, raters)
        for _, block in table.groupby("block"):
            met = meetings(block)
            assert block["clip_key"].nunique() == size
            assert len(met) == raters * (raters - 1) // 2
            assert len(set(met.values())) == 1

    def test_each_rater_has_an_own_order_without_gaps(self) -> None:
        table = assigned(200)
        orders = [
            tuple(group.sort_values("position")["clip_key"]) for _, group in table.groupby("rater")
        ]
        for _, group in table.groupby("rater"):
            assert sorted(group["position"]) == list(range(100))
        assert all(list(order) != sorted(order) for order in orders)
        shared = [c for c in orders[0] if c in set(orders[1])]
        assert shared != [c for c in orders[1] if c in set(orders[0])]

    def test_the_order_of_the_input_does_not_matter_but_the_seed_does(self) -> None:
        settings = Annotate(raters_per_clip=3)
        again = assign.assign(clips(50)[::-1], people(6)[::-1], EMPTY, settings, 7)
        assert again.equals(assigned(50))
        assert not assigned(50, seed=8).equals(assigned(50))

    @pytest.mark.parametrize("steps", [(7, 13, 1, 1, 30), (20, 20), (1, 1, 1), (33, 0, 5)])
    @pytest.mark.parametrize("raters", [4, 5, 6, 8])
    def test_clips_added_later_leave_earlier_ones_and_stay_balanced(
        self, raters: int, steps: tuple[int, ...]
    ) -> None:
        table = EMPTY
        known: list[str] = []
        for step, count in enumerate(steps):
            known += clips(count, f"batch{step}")
            grown = assign.assign(known, people(raters), table, Annotate(), 3)
            assert grown.iloc[: len(table)].equals(table)
            assert spread(grown, people(raters)) <= 1
            table = grown
        full_blocks = [b for _, b in table.groupby("block")][:-1]
        for block in full_blocks:
            assert len(set(meetings(block).values())) == 1
        assert set(table.groupby("clip_key")["rater"].nunique()) == {3}

    def test_a_rater_who_joins_gets_a_fair_share_from_then_on(self) -> None:
        before = assigned(23)
        after = assign.assign(clips(23) + clips(70, "new"), people(7), before, Annotate(), 7)
        new = after[after["clip_key"].str.startswith("new")]
        assert spread(new, people(7)) <= 1
        assert after.iloc[: len(before)].equals(before)
        assert set(new["block"]) == {2, 3}

    def test_those_with_fewer_clips_come_first_when_raters_change(self) -> None:
        before = assigned(21)
        fewer = [r for r, n in Counter(before["rater"]).items() if n == 10]
        after = assign.assign(clips(1, "new"), people(7), before, Annotate(), 7)
        first = set(after[after["clip_key"] == "new-00000"]["rater"])
        assert len(fewer) == 3
        assert "rater6@example.org" in first
        assert first <= {*fewer, "rater6@example.org"}

    @pytest.mark.parametrize("raters", [0, 2, 100])
    def test_an_impossible_number_of_raters_is_refused(self, raters: int) -> None:
        with pytest.raises(CaerError, match=f"{raters} raters with 3 per clip"):
            assigned(5, raters)


class TestReplace:
    def test_only_unanswered_clips_move_to_the_new_rater(self) -> None:
        table = assigned(100)
        old, new = "rater2@example.org", "new@example.org"
        own = table[table["rater"] == old]["clip_key"].tolist()
        answered = {(clip, old) for clip in own[:20]} | {(own[30], "rater1@example.org")}
        after = assign.replace(table, answered, old, new.upper(), 7)
        tables.check(tables.ASSIGNMENTS, after)
        assert set(after[after["rater"] == old]["clip_key"]) == set(own[:20])
        moved = after[after["rater"] == new]
        assert set(moved["clip_key"]) == set(own[20:])
        assert set(moved["replaces"]) == {old}
        assert sorted(moved["position"]) == list(range(30))
        untouched = table["rater"] != old
        assert after[untouched].equals(table[untouched])

    def test_without_a_new_rater_the_others_share_and_nobody_gets_a_clip_twice(self) -> None:
        table = assigned(100)
        after = assign.replace(table, set(), "rater2@example.org", None, 7)
        rest = [r for r in people(6) if r != "rater2@example.org"]
        assert set(after["rater"]) == set(rest)
        assert set(after.groupby("clip_key")["rater"].nunique()) == {3}
        assert spread(after, rest) <= 1
        for _, group in after.groupby("rater"):
            assert sorted(group["position"]) == list(range(len(group)))

    def test_a_new_rater_who_has_some_clips_gets_only_the_others(self) -> None:
        after = assign.replace(assigned(100), set(), "rater2@example.org", "rater3@example.org", 7)
        tables.check(tables.ASSIGNMENTS, after)
        assert set(after.groupby("clip_key")["rater"].nunique()) == {3}

    def test_doing_it_again_changes_nothing(self) -> None:
        once = assign.replace(assigned(40), set(), "rater2@example.org", "new@example.org", 7)
        again = assign.replace(once, set(), "rater2@example.org", "new@example.org", 7)
        assert again.equals(once)

    def test_one_who_left_earlier_gets_nothing_back(self) -> None:
        table = assigned(100)
        first = table[table["rater"] == "rater2@example.org"]["clip_key"].iloc[0]
        answered = {(first, "rater2@example.org")}
        once = assign.replace(table, answered, "rater2@example.org", None, 7)
        twice = assign.replace(once, answered, "rater3@example.org", None, 7)
        assert (twice["rater"] == "rater2@example.org").sum() == 1

    def test_assigning_goes_on_with_the_new_rater(self) -> None:
        once = assign.replace(assigned(30), set(), "rater2@example.org", "new@example.org", 7)
        now = [r for r in people(6) if r != "rater2@example.org"] + ["new@example.org"]
        after = assign.assign(clips(75), now, once, Annotate(), 7)
        assert set(after["rater"]) == set(now)
        assert spread(after, now) <= 1

    def test_one_who_left_is_assigned_no_more_and_does_not_come_back(self) -> None:
        first = ("rater2@example.org", "new@example.org")
        once = assign.replace(assigned(30), {(c, first[0]) for c in clips(10)}, *first, 7)
        after = assign.assign(clips(60), [*people(6), first[1]], once, Annotate(), 7)
        added = after.iloc[len(once) :]
        assert first[0] not in set(added["rater"])
        assert spread(added, sorted({*people(6), first[1]} - {first[0]})) <= 1
        with pytest.raises(CaerError, match=r"rater2@example\.org: this rater has left before"):
            assign.replace(after, set(), "rater3@example.org", first[0], 7)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("nobody@example.org", "new@example.org", "no clips are assigned"),
            ("rater1@example.org", "RATER1@example.org", "old and new rater are the same"),
            ("rater1@example.org", "not an address", "not an e-mail address"),
        ],
    )
    def test_mistakes(self, old: str, new: str, message: str) -> None:
        with pytest.raises(CaerError, match=message):
            assign.replace(assigned(30), set(), old, new, 7)

    def test_with_three_raters_nobody_is_left(self) -> None:
        with pytest.raises(CaerError, match="every other rater already has clip"):
            assign.replace(assigned(5, raters=3), set(), "rater1@example.org", None, 7)


class TestReadRaters:
    def test_comments_blank_lines_case_and_byte_order_mark(self, tmp_path: Path) -> None:
        file = tmp_path / "raters.txt"
        file.write_text(
            "\ufeff# raters\n\nAnna@Example.org\n  ben@x.org  # leaves in May\r\nc+1@sub.x.co\n",
            encoding="utf-8",
        )
        assert assign.read_raters(file) == ["anna@example.org", "ben@x.org", "c+1@sub.x.co"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a@x.org\nb@x.org\nA@X.org\n", r":3: a@x.org is already on line 1"),
            ("a@x.org\nbeta\nc@x.org\n", r":2: 'beta' is not an e-mail address"),
            ("a@x.org\nb@x.org, c@x.org\n", r":2: 'b@x.org, c@x.org' is not"),
            ("a@x.org\nb@\n", r":2: 'b@' is not"),
            ("a@x\n", r":1: 'a@x' is not"),
            ("a@x.org\nb@x.org\n", r":2: 2 raters, but each clip needs 3"),
            ("", r":1: 0 raters"),
        ],
        ids=["twice", "no at", "two in a line", "no domain", "no dot", "too few", "empty"],
    )
    def test_mistakes_name_file_and_line(self, tmp_path: Path, text: str, message: str) -> None:
        file = tmp_path / "raters.txt"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(CaerError, match=r"raters\.txt" + message):
            assign.read_raters(file)

    def test_a_missing_or_binary_file(self, tmp_path: Path) -> None:
        with pytest.raises(CaerError, match="no such file"):
            assign.read_raters(tmp_path / "none.txt")
        (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00a")
        with pytest.raises(CaerError, match="cannot be read as a text file"):
            assign.read_raters(tmp_path / "binary.txt")
