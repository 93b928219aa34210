"""Which answers count: every answer becomes a row of `tables.RATINGS`, accepted or refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Answer:
    """One answer as a server holds it, nothing in it trusted."""

    source_id: str
    """Number of the annotation; an annotation met twice counts once."""
    clip_id: str
    rater: str
    """E-mail address of the account that gave the answer (`completed_by`)."""
    project_rater: str
    """E-mail address of the rater in whose project the answer lies."""
    emotion: str | None
    """The choice as stored; several choices joined by commas."""
    confidence: float | str | None
    lead_time_s: float | None = None
    created_at: str | None = None
    updated_at: str | None = None
    cancelled: bool = False
    ground_truth: bool = False


def accept(
    answers: Iterable[Answer], assignments: pd.DataFrame, clips: pd.DataFrame
) -> pd.DataFrame:
    """Judge every answer of the server; return `tables.RATINGS` with source `label-studio`."""
    raise NotImplementedError


def merge(existing: pd.DataFrame, fresh: pd.DataFrame, assignments: pd.DataFrame) -> pd.DataFrame:
    """Join ratings from the server and from files into one `tables.RATINGS`."""
    raise NotImplementedError
