"""Analyse the predictions of rows: intervals, comparisons, human performance, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from caer_data.benchmark.results import breakdown, humans, intervals
from caer_data.benchmark.results.breakdown import Curve
from caer_data.benchmark.results.calibration import Calibration, calibration
from caer_data.benchmark.results.humans import Ceiling
from caer_data.benchmark.results.intervals import Estimate, Groups
from caer_data.benchmark.results.outcomes import Outcomes, outcomes
from caer_data.benchmark.results.paired import Comparison, Difference


@dataclass(frozen=True)
class RowAnalysis:
    """Analysis of one row.

    Attributes:
        groups: the groups resampled for intervals.
        scores: war, uar, macro_f1.
        recalls: recall of each class.
        ceiling: human performance; None if there are too few votes.
        unanimous: accuracy on clips with unanimous votes.
        patterns: accuracy by the pattern of votes.
        confidence: accuracy by the raters' mean confidence.
        calibration: calibration of the probabilities.
        shows: figures for each show.
        curves: precision and recall of each class.
    """

    groups: Groups
    scores: dict[str, Estimate]
    recalls: dict[str, Estimate]
    ceiling: Ceiling | None
    unanimous: Estimate
    patterns: dict[str, Estimate]
    confidence: dict[str, Estimate]
    calibration: Calibration
    shows: pd.DataFrame
    curves: dict[str, Curve]


@dataclass(frozen=True)
class Analysis:
    """Analysis of all rows.

    Attributes:
        rows: analysis by title, in order.
        differences: every other row compared with the first, in accuracy and in mean recall.
        pairs: every pair of rows, in accuracy.
        apart: titles of rows tested on different samples from the first, which are not compared.
    """

    rows: dict[str, RowAnalysis]
    differences: list[Difference]
    pairs: list[Difference]
    apart: list[str]


def analyse(predictions: Mapping[str, Sequence[pd.DataFrame]], classes: Sequence[str]) -> Analysis:
    """Analyse rows from their predictions, one frame per seed.

    Raises:
        CaerError: the seeds of a row were tested on different samples.
    """
    found = {title: outcomes(frames, classes) for title, frames in predictions.items()}
    comparison = Comparison(found)
    differences = [*comparison.with_first("war"), *comparison.with_first("uar")]
    rows = {title: _row(one) for title, one in found.items()}
    return Analysis(rows, differences, comparison.all_pairs("war"), comparison.apart)


def _row(found: Outcomes) -> RowAnalysis:
    groups = intervals.groups_of(found)
    made = intervals.replicates(found, groups)
    return RowAnalysis(
        groups=groups,
        scores=intervals.estimates(found, made),
        recalls=intervals.by_class(found, made),
        ceiling=humans.ceiling(found),
        unanimous=intervals.accuracy(found.only(humans.unanimous(found))),
        patterns=humans.by_pattern(found),
        confidence=humans.by_confidence(found),
        calibration=calibration(found),
        shows=breakdown.by_show(found),
        curves=breakdown.curves(found),
    )


def as_json(found: Analysis) -> dict[str, Any]:
    """Return the analysis as plain values; a curve is given by its average precision."""
    return {
        "rows": {title: _row_as_json(row) for title, row in found.rows.items()},
        "differences": [asdict(d) for d in found.differences],
        "pairs": [asdict(d) for d in found.pairs],
        "not_compared": found.apart,
    }


def _row_as_json(row: RowAnalysis) -> dict[str, Any]:
    of_people = None if row.ceiling is None else asdict(row.ceiling)
    worth = vars(row.calibration) | {"bins": _records(row.calibration.bins)}
    return {
        "intervals_over": row.groups.kind,
        "groups": row.groups.count,
        "note": row.groups.sentence,
        **{name: asdict(estimate) for name, estimate in row.scores.items()},
        "per_class": {name: asdict(estimate) for name, estimate in row.recalls.items()},
        "average_precision": {name: curve.average for name, curve in row.curves.items()},
        "human_ceiling": of_people,
        "unanimous": asdict(row.unanimous),
        "by_vote_pattern": {name: asdict(e) for name, e in row.patterns.items()},
        "by_confidence": {name: asdict(e) for name, e in row.confidence.items()},
        "calibration": worth,
        "by_show": _records(row.shows),
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as plain values; unknown numbers are None."""
    known = frame.astype(object).where(frame.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in known.to_dict("records")]
