"""Paired tests on the same clips of whether one row is better than another.

The two tests answer different questions. The bootstrap over groups (`intervals.py`) tests whether
the difference would hold for other shows and seeds. McNemar's test (1947, exact) tests whether it
would hold for other clips, which it assumes to be independent, using predictions of the mean over
seeds. P-values are corrected for the number of comparisons (Holm, 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Literal

import numpy as np

from caer_data.benchmark.results.intervals import (
    Replicates,
    estimates,
    groups_of,
    percentiles,
    replicates,
)
from caer_data.benchmark.results.outcomes import Floats, Outcomes

Figure = Literal["war", "uar", "macro_f1"]
SIGNIFICANT: Final = 0.05


@dataclass(frozen=True)
class Difference:
    """Difference between a row and its base in one figure, on the same samples.

    Attributes:
        base: title of the row it is compared with.
        row: title of this row.
        figure: war, uar or macro_f1.
        value: row minus base, as shares.
        low: lower end of the 95 % interval of the paired bootstrap.
        high: upper end.
        p: two-sided p-value of that bootstrap.
        p_corrected: the same with Holm's correction over all comparisons made together.
        only_base: number of samples that only the base predicts correctly (McNemar).
        only_row: number of samples that only this row predicts correctly.
        p_mcnemar: exact two-sided p-value.
        p_mcnemar_corrected: the same with Holm's correction.
    """

    base: str
    row: str
    figure: Figure
    value: float
    low: float
    high: float
    p: float
    p_corrected: float
    only_base: int
    only_row: int
    p_mcnemar: float
    p_mcnemar_corrected: float

    @property
    def significant(self) -> bool:
        """Whether the bootstrap finds a difference after correction."""
        return self.p_corrected < SIGNIFICANT


class Comparison:
    """Rows that were tested on the same samples, and those that were not.

    Attributes:
        comparable: titles of the rows tested on the first row's samples, the first among them.
        apart: titles of the others, which cannot be compared with it.
    """

    def __init__(self, rows: Mapping[str, Outcomes]) -> None:
        first = next(iter(rows.values()))
        same = {title: found.ids == first.ids for title, found in rows.items()}
        self.comparable = [title for title in rows if same[title]]
        self.apart = [title for title in rows if not same[title]]
        self._rows = rows
        self._groups = groups_of(first)
        self._made = {title: replicates(rows[title], self._groups) for title in self.comparable}

    def with_first(self, figure: Figure = "war") -> list[Difference]:
        """Return the differences of every other row from the first."""
        first, *others = self.comparable
        return corrected([self._difference(first, other, figure) for other in others])

    def all_pairs(self, figure: Figure = "war") -> list[Difference]:
        """Return the differences of every row from every earlier one."""
        pairs = combinations(self.comparable, 2)
        return corrected([self._difference(one, other, figure) for one, other in pairs])

    def _difference(self, base: str, row: str, figure: Figure) -> Difference:
        a, b = self._rows[base], self._rows[row]
        drawn = difference(self._made[base], self._made[row], figure)
        value = _value(b, self._made[row], figure)
        value -= _value(a, self._made[base], figure)
        low, high = percentiles(drawn)
        right_a, right_b = a.together == a.labels, b.together == b.labels
        only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
        p, p_mcnemar = bootstrap_p(drawn), mcnemar(only_a, only_b)
        return Difference(
            base, row, figure, value, low, high, p, p, only_a, only_b, p_mcnemar, p_mcnemar
        )


def difference(base: Replicates, row: Replicates, figure: Figure) -> Floats:
    """Return (B,) differences between the same replicates."""
    return np.asarray(getattr(row, figure) - getattr(base, figure))


def _value(found: Outcomes, made: Replicates, figure: Figure) -> float:
    value = estimates(found, made)[figure].value
    return float("nan") if value is None else value


def bootstrap_p(drawn: Floats) -> float:
    """Return the two-sided p-value: twice the smaller share of replicates on one side of zero.

    One replicate is added on each side, so that no p-value is zero.
    """
    known = drawn[~np.isnan(drawn)]
    sides = ((known <= 0).sum() + 1, (known >= 0).sum() + 1)
    return float(min(1.0, 2 * min(sides) / (len(known) + 1)))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value over samples that only one row predicts correctly."""
    from scipy.stats import binomtest

    n = only_first + only_second
    return float(binomtest(only_first, n, 0.5).pvalue) if n else 1.0


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values corrected by Holm's step-down procedure, in the given order."""
    order = np.argsort(values, kind="stable")
    steps = np.array(values, float)[order] * np.arange(len(values), 0, -1)
    found = np.empty(len(values))
    found[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(values) else steps
    return [float(p) for p in found]


def corrected(found: Sequence[Difference]) -> list[Difference]:
    """Return the differences with both p-values corrected for their number."""
    both = zip(found, holm([d.p for d in found]), holm([d.p_mcnemar for d in found]), strict=True)
    return [replace(d, p_corrected=p, p_mcnemar_corrected=q) for d, p, q in both]
