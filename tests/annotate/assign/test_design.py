from itertools import combinations
from math import comb

import pytest

from caer_data.annotate.assign import design

CASES = [(n, k) for n in range(1, 9) for k in range(1, n + 1)] + [(12, 3), (11, 4), (16, 3)]


@pytest.mark.parametrize(("raters", "per_clip"), CASES)
def test_block_holds_every_subset_once(raters: int, per_clip: int) -> None:
    block = design.block(raters, per_clip)
    assert len(block) == comb(raters, per_clip)
    assert sorted(block) == list(combinations(range(raters), per_clip))


@pytest.mark.parametrize(("raters", "per_clip"), CASES)
def test_loads_differ_by_at_most_one_after_every_subset(raters: int, per_clip: int) -> None:
    loads = [0] * raters
    for subset in design.block(raters, per_clip):
        for rater in subset:
            loads[rater] += 1
        assert max(loads) - min(loads) <= 1
