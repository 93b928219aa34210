"""A figure and the aim beside it: what every script that measures accuracy gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from caer_data.labels.agreement_measures import wilson


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        what: what was measured, and on what.
        value: the figure; None where it was not measured.
        aim: what is wanted; None where nothing is.
        most: the aim is the largest value wanted, not the least.
        note: how many, or why it was not measured.
    """

    what: str
    value: float | None
    aim: float | None = None
    most: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether the aim was reached."""
        if self.value is None:
            return "not measured"
        if self.aim is None:
            return ""
        reached = self.value <= self.aim if self.most else self.value >= self.aim
        return "reached" if reached else "NOT REACHED"


def share(what: str, right: int, of: int, aim: float | None = None) -> Figure:
    """A share of a number of cases, with Wilson's 95 % interval; not measured without a case."""
    if not of:
        return Figure(what, None, aim, note="no case in the material")
    low, high = wilson(right, of)
    return Figure(what, right / of, aim, note=f"{right} of {of} ({low:.3f} to {high:.3f})")


def missing(what: str, why: str, aim: float | None = None) -> Figure:
    """A figure that could not be measured."""
    return Figure(what, None, aim, note=why)


def show(title: str, figures: Iterable[Figure]) -> None:
    """Print figures as a table."""
    print(f"\n{title}")
    print(f"  {'':62}{'measured':>10}{'aim':>9}")
    for f in figures:
        value = "-" if f.value is None else f"{f.value:.3f}"
        aim = "" if f.aim is None else f"{'<=' if f.most else '>='} {f.aim:g}"
        print(f"  {f.what:62}{value:>10}{aim:>9}  {f.verdict:13}{f.note}".rstrip())
