"""Agreement as tables for the terminal."""

from __future__ import annotations

import io
import math
import shutil
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from caer_data.engine.emotions import CANNOT_JUDGE
from caer_data.labels.agreement import Agreement
from caer_data.labels.validate import REASONS

STEPS = {
    "kept": "kept by build",
    "pushed": "assigned to raters",
    "rated": "rated by at least one rater",
    "complete": "rated by all its raters",
    "agreed": "raters agree on an emotion",
    "confident": "raters are confident: kept",
}
"""Titles of the funnel's steps."""


def agreement_text(agreement: Agreement, width: int | None = None) -> str:
    """Return all measures as plain text, as wide as the terminal or `width` characters."""
    out = io.StringIO()
    columns = width or shutil.get_terminal_size((120, 24)).columns
    console = Console(file=out, width=columns, no_color=True, highlight=False)
    for line in headlines(agreement):
        console.print(line, markup=False)
    if agreement.answers or len(agreement.refused) or len(agreement.cannot_judge):
        for title, frame in _tables(agreement).items():
            console.print(f"\n{title}", markup=False)
            console.print(_table(frame))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def headlines(agreement: Agreement) -> list[str]:
    """Return the sentences to read first."""
    lines = []
    if agreement.made_up:
        lines.append(
            f"Made up: {agreement.made_up:,} of {agreement.answers:,} answers. They only "
            "demonstrate the tool and say nothing about the clips."
        )
    lines.append(
        f"{agreement.answers:,} vote{'s' * (agreement.answers != 1)}; "
        f"{agreement.clips:,} clip{'s' * (agreement.clips != 1)} with at least two votes, "
        f"{agreement.complete:,} with votes from all raters."
    )
    if math.isnan(agreement.alpha):
        lines.append(
            "Agreement cannot be measured yet: it requires clips answered by two raters, and more "
            "than one emotion among the answers."
        )
        return lines
    lines.append(
        f"Krippendorff's alpha {agreement.alpha:.3f} (95 % interval {agreement.alpha_low:.3f} to "
        f"{agreement.alpha_high:.3f}), Fleiss' kappa {_number(agreement.fleiss_kappa, 3)}: "
        "1 is perfect, 0 is chance."
    )
    return lines


def _tables(agreement: Agreement) -> dict[str, pd.DataFrame]:
    funnel = agreement.funnel.assign(
        step=agreement.funnel["step"].map(STEPS), share=_percent(agreement.funnel["share"])
    )
    raters = agreement.raters.assign(
        accuracy=_percent(agreement.raters["accuracy"]),
        too_fast=_percent(agreement.raters["too_fast"]),
        edited=_percent(agreement.raters["edited"]),
    ).rename(columns={"lead_time_s": "seconds"})
    emotions = agreement.emotions.assign(
        share=_percent(agreement.emotions["share"]),
        agreement=_percent(agreement.emotions["agreement"]),
    )
    pairs = agreement.pairs.assign(agreement=_percent(agreement.pairs["agreement"]))
    confusion = agreement.confusion.apply(_percent).reset_index(names="one says")
    calibration = agreement.calibration.assign(accuracy=_percent(agreement.calibration["accuracy"]))
    manner = ["confidence", "seconds", "too_fast", "edited"]
    distance = _number(agreement.calibration_error, 2)
    tables = {
        "From clips to labels": funnel,
        "Raters (accuracy: compared with the consensus of the clip's other raters)": raters.drop(
            columns=manner
        ),
        "How raters answer (mean confidence, median seconds)": raters[["rater", *manner]],
        "Emotions (agreement: how often a second rater gives the same answer)": emotions,
        "Confusion (row: one rater's answer, column: another rater's)": confusion,
        "Pairs of raters (Cohen's kappa)": pairs,
        f"Confidence and accuracy (mean distance {distance})": calibration,
    }
    if len(agreement.cannot_judge):
        tables["Cannot be judged (a clip is dropped if at least half its raters say so)"] = (
            cannot_judge(agreement)
        )
    if len(agreement.refused):
        refused = agreement.refused.assign(meaning=agreement.refused["reason"].map(REASONS))
        tables["Refused answers"] = refused
    return tables


def cannot_judge(agreement: Agreement) -> pd.DataFrame:
    """Return the reasons why clips cannot be judged, with their meaning and counts."""
    frame = agreement.cannot_judge
    return frame.assign(meaning=frame["reason"].map(CANNOT_JUDGE))


def _table(frame: pd.DataFrame) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in frame.columns:
        right = name not in ("step", "rater", "rater_a", "rater_b", "emotion", "one says",
                             "reason", "meaning")  # fmt: skip
        heading = str(name).replace("_", " ")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for values in frame.itertuples(index=False):
        table.add_row(*(_cell(value) for value in values))
    return table


def _percent(shares: pd.Series) -> list[str]:
    return ["-" if pd.isna(share) else f"{100 * share:.0f} %" for share in shares]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return _number(float(value), 2) if isinstance(value, float) else f"{value:,}"


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
