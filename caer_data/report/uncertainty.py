"""Sections of the results page on the uncertainty of a benchmark's figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from markupsafe import Markup

from caer_data.benchmark.results import tables
from caer_data.benchmark.results.analysis import Analysis, RowAnalysis
from caer_data.benchmark.results.breakdown import Curve
from caer_data.report import pages

_NOTES: Final = {
    "recall-by-class": "Recall, %, with its 95 % interval and number of test samples. The interval "
    "of a share is never narrower than Wilson's for as many independent samples.",
    "differences": "Difference from the first row on the same samples, in points, with its paired "
    "95 % interval. The bootstrap draws groups and seeds; McNemar's test draws samples, treats "
    "them as independent, and judges the accuracy of the mean over the seeds. Holm: corrected for "
    "the number of comparisons in a figure.",
    "difference-matrix": "Accuracy of the row minus that of the column, in points. * p < 0.05 by "
    "the bootstrap, corrected for all pairs (Holm).",
    "people": "Each rater is scored against the majority of the other raters of the clip, where "
    "they have one: the accuracy of a model that is as good as a rater.",
    "by-vote-pattern": "Accuracy of the model by vote pattern.",
    "by-confidence": "Accuracy of the model by the raters' mean confidence (0 guess, 1 certain).",
    "calibration": "Temperature: fitted on validation, above 1 if the model is overconfident. ECE: "
    "over 15 bins. KL and Brier to votes: against the share of the raters' votes.",
    "average-precision": "Average precision of each class against all others, %.",
    "by-show": "Each show (video, if the show is unknown) by itself.",
}
_TITLES: Final = {
    "recall-by-class": "Recall by class",
    "differences": "Differences from the first row",
    "difference-matrix": "Every row against every other",
    "people": "Human performance",
    "by-vote-pattern": "By vote pattern",
    "by-confidence": "By the raters' confidence",
    "calibration": "Calibration",
    "average-precision": "Average precision",
    "by-show": "By show",
}


def sections(found: Analysis) -> list[pages.Section]:
    """Return the non-empty sections on uncertainty, people, calibration and shows."""
    made = tables.every(found)
    parts = {
        "Uncertainty": ("recall-by-class", "differences", "difference-matrix"),
        "People": ("people", "by-vote-pattern", "by-confidence"),
        "Calibration": ("calibration", "average-precision"),
        "Shows": ("by-show",),
    }
    built = []
    for title, names in parts.items():
        body = [_part(name, made[name]) for name in names if name in made]
        if title == "Uncertainty":
            body = [*(pages.paragraph(text, "note") for text in notes(found)), *body]
        if title == "Calibration":
            body.append(_plots(found.rows))
        if body:
            built.append(pages.Section(title, Markup("").join(body)))
    return built


def notes(found: Analysis) -> list[str]:
    """Return sentences on the groups of the intervals, and on rows that cannot be compared."""
    said: dict[str, list[str]] = {}
    for title, row in found.rows.items():
        said.setdefault(row.groups.sentence, []).append(title)
    lines = [
        sentence if len(said) == 1 else f"{'; '.join(titles)}: {sentence}"
        for sentence, titles in said.items()
    ]
    if found.apart:
        lines.append(
            f"Not compared with {next(iter(found.rows))}, because they were tested on different "
            f"samples: {'; '.join(found.apart)}."
        )
    return lines


def _part(name: str, frame: pd.DataFrame) -> Markup:
    heading = Markup("<h3>{}</h3>").format(_TITLES[name])
    frame = frame.drop(columns="minus", errors="ignore")  # always the first row
    cells = tables.readable(frame).map(_unbroken)
    return heading + pages.paragraph(_NOTES[name], "note") + pages.table(cells)


def _unbroken(cell: str) -> str:
    """Return a cell whose interval and number of samples stay on one line."""
    value, bracket, rest = cell.partition("[")
    return value + bracket + rest.replace(" ", "\N{NO-BREAK SPACE}")


def _plots(rows: Mapping[str, RowAnalysis]) -> Markup:
    drawn = []
    for title, row in rows.items():
        drawn += [_reliability(title, row), _precision(title, row.curves)]
    return Markup('<div class="plots">{}</div>').format(Markup("").join(drawn))


def _reliability(title: str, row: RowAnalysis) -> Markup:
    """Return a plot of accuracy by confidence; areas show the share of samples."""
    bins = row.calibration.bins
    used = bins[bins["n"] > 0]
    with pages.figure(4.0, 3.8) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=pages.COLOURS[1], lw=1, label="perfect calibration")
        sizes = 12 + 220 * used["n"] / used["n"].sum()
        places = used["confidence"], used["accuracy"]
        # a bin of accuracy 0 or 1 lies on the frame, which would cut its disc in half
        axes.scatter(
            *places, s=sizes, color=pages.COLOURS[0], label="model", clip_on=False, zorder=3
        )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xlabel("confidence (area: samples)")
        axes.set_ylabel("accuracy")
        axes.set_title(f"{title}: reliability")
        figure.legend(loc="outside lower center", ncols=2, fontsize=8, markerscale=0.5)
        return pages.plot(figure, f"reliability of {title}")


def _precision(title: str, curves: Mapping[str, Curve]) -> Markup:
    with pages.figure(4.6, 3.8) as (figure, axes):
        for (name, curve), color in zip(curves.items(), _colours(len(curves)), strict=True):
            label = f"{name} {curve.average:.2f} (n={curve.n})"
            axes.step(curve.recall, curve.precision, where="pre", color=color, label=label)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.03)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        axes.set_title(f"{title}: precision and recall")
        axes.legend(fontsize=8)
        return pages.plot(figure, f"precision and recall of {title}")


def _colours(count: int) -> list[str]:
    return [pages.COLOURS[i] for i in np.arange(count) % len(pages.COLOURS)]
