"""How far raters agree."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Agreement:
    """All measures of one dataset's ratings."""

    alpha: float
    alpha_low: float
    alpha_high: float
    fleiss_kappa: float


def measure(
    ratings: pd.DataFrame,
    labels: pd.DataFrame,
    clips: pd.DataFrame,
    assignments: pd.DataFrame | None = None,
    seed: int = 0,
    bootstraps: int = 1000,
) -> Agreement:
    """Measure agreement; works on partial data too (what cannot be measured yet is NaN)."""
    raise NotImplementedError
