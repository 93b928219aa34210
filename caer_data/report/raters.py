"""The raters' section of a dataset's report page: agreement in tables and plots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS
from caer_data.labels.agreement import CONFIDENCE_STEPS, Agreement, measure
from caer_data.labels.agreement_text import STEPS, cannot_judge, headlines
from caer_data.labels.checks import KINDS, below
from caer_data.labels.habits import habits
from caer_data.labels.validate import REASONS
from caer_data.report import pages


def section(dataset: Dataset) -> pages.Section | None:
    """Return the section on raters and agreement; None if there are no ratings.

    Raises:
        CaerError: a table cannot be read.
    """
    if not (dataset.has(tables.RATINGS) and dataset.has(tables.LABELS)):
        return None
    assigned = dataset.assignments if dataset.has(tables.ASSIGNMENTS) else None
    agreement = measure(
        dataset.ratings, dataset.labels, dataset.clips, assigned, seed=dataset.recipe.seed
    )
    title = "Raters and agreement"
    first, *others = [pages.paragraph(line) for line in headlines(agreement)]
    if agreement.made_up:
        title += " (made up)"
        first = Markup("<p><strong>{}</strong></p>").format(headlines(agreement)[0])
    parts = [first, *others, _funnel(agreement), _cannot_judge(agreement), _refused(agreement)]
    if agreement.answers:
        parts += [_emotions(agreement), _raters(agreement), _confidence(agreement)]
    parts += [_habits(dataset.ratings), _checks(dataset)]
    return pages.Section(title, Markup("\n").join(parts), anchor="agreement")


def _funnel(agreement: Agreement) -> Markup:
    frame = agreement.funnel
    with pages.figure(6.4, 2.4) as (figure, axes):
        words = [STEPS[step] for step in frame["step"]]
        bars = axes.barh(words, frame["clips"])
        axes.bar_label(bars, [f"{n:,}" for n in frame["clips"]], padding=3)
        axes.invert_yaxis()
        axes.set_xlabel("clips")
        axes.margins(x=0.12)
        plot = pages.plot(figure, "Clips left after each step, from kept by build to labelled")
    return _block("From clips to labels", plot)


def _cannot_judge(agreement: Agreement) -> Markup:
    if agreement.cannot_judge.empty:
        return Markup("")
    caption = "Dropped: clips that at least half of their raters cannot judge"
    return _block("Clips that raters cannot judge", _table(cannot_judge(agreement), caption))


def _refused(agreement: Agreement) -> Markup:
    if agreement.refused.empty:
        return Markup("")
    frame = agreement.refused.assign(meaning=agreement.refused["reason"].map(REASONS))
    return _block("Refused answers", _table(frame))


def _emotions(agreement: Agreement) -> Markup:
    frame = agreement.emotions
    with pages.figure(6.4, 2.6) as (figure, axes):
        index = np.arange(len(EMOTIONS))
        axes.bar(index - 0.2, frame["agreement"], 0.4, label="a second rater says so too")
        axes.bar(index + 0.2, frame["kappa"], 0.4, label="beyond chance (kappa)")
        axes.set_xticks(index, EMOTIONS)
        axes.set_ylim(min(0, np.nanmin([0, *frame["kappa"]]) * 1.1), 1)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        bars = pages.plot(figure, "Agreement by emotion")
    shown = frame.assign(share=_percent(frame["share"]), agreement=_percent(frame["agreement"]))
    return _block("Emotions", bars, _confusion(agreement.confusion), _table(shown))


def _confusion(confusion: pd.DataFrame) -> Markup:
    from matplotlib.colors import to_rgba

    shares = confusion.to_numpy()
    with pages.figure(5.2, 4.6) as (figure, axes):
        # A single colour with varying opacity is readable on light and dark pages.
        tint = np.broadcast_to(to_rgba(pages.COLOURS[0]), (*shares.shape, 4)).copy()
        tint[..., 3] = 0.85 * np.nan_to_num(shares)
        axes.imshow(tint)
        for (row, column), share in np.ndenumerate(shares):
            words = "–" if np.isnan(share) else f"{100 * share:.0f}"
            axes.text(column, row, words, ha="center", va="center")
        axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=45, ha="right")
        axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
        axes.set_ylabel("one rater says")
        axes.set_xlabel("another rater says, in %")
        return pages.plot(figure, "Confusion between raters, in percent of each row")


def _raters(agreement: Agreement) -> Markup:
    frame = agreement.raters
    shares = {name: _percent(frame[name]) for name in ("accuracy", "too_fast", "edited")}
    shown = frame.assign(**shares).rename(columns={"lead_time_s": "lead time, s"})
    pairs = agreement.pairs.assign(agreement=_percent(agreement.pairs["agreement"]))
    parts = [
        pages.table(
            shown,
            "Accuracy: equal to the consensus of the clip's other raters, where they have one",
        ),
        _table(pairs, "Pairs of raters, with Cohen's kappa"),
    ]
    times = agreement.lead_times
    if len(times):
        ratio = times["lead_time_s"] / times["clip_s"]
        with pages.figure(6.4, 2.4) as (figure, axes):
            axes.hist(ratio.clip(upper=10), bins=np.arange(0, 10.25, 0.25))
            axes.axvline(1, linestyle="--", color=pages.COLOURS[3])
            axes.set_xlabel("lead time / clip length (left of the line: too fast)")
            axes.set_ylabel("answers")
            parts.append(pages.plot(figure, "Time taken, as a multiple of the clip's length"))
    return _block("Raters", *parts)


def _habits(ratings: pd.DataFrame) -> Markup:
    found = habits(ratings)
    if not found:
        return Markup("")
    rows = pd.DataFrame(
        {
            "rater": [one.rater for one in found],
            "answers": [one.answers for one in found],
            "too fast": [one.too_fast for one in found],
            "pauses": [one.pauses for one in found],
            "longest run": [f"{one.streak} x {one.emotion or '-'}" for one in found],
            "such runs expected": [f"{one.expected:.2g}" for one in found],
        }
    )
    caption = "Too fast: in less time than the clip lasts; pauses: more than five minutes"
    said = _said([line for one in found for line in one.sentences()])
    return _block("Times and streaks", said, pages.table(rows, caption))


def _checks(dataset: Dataset) -> Markup:
    """Return a table of each rater's training, gold clips and repeats; empty if none exist."""
    if not dataset.has(tables.RATERS):
        return Markup("")
    rows = dataset.raters
    passed = ["–" if pd.isna(one) else "yes" if one else "no" for one in rows["passed"]]
    shown = {"rater": list(rows["rater"]), "training passed": passed}
    shown |= {kind: [_share(row, kind) for row in rows.to_dict("records")] for kind in KINDS}
    caption = "Answers like the known one, or like the rater's own vote; 95 % intervals by Wilson"
    said = _said(below(rows, dataset.recipe.annotate))
    return _block(
        "Training, gold clips and repeats", said, pages.table(pd.DataFrame(shown), caption)
    )


def _share(row: Mapping[Any, Any], kind: str) -> str:
    if not row[f"{kind}_answers"]:
        return "–"
    share, low, high = (f"{100 * row[f'{kind}_{name}']:.0f}" for name in ("share", "low", "high"))
    return f"{row[f'{kind}_equal']} of {row[f'{kind}_answers']}, {share} % ({low} to {high})"


def _said(sentences: list[str]) -> Markup:
    return Markup("\n").join(pages.paragraph(f"{line}.") for line in sentences)


def _confidence(agreement: Agreement) -> Markup:
    frame = agreement.calibration[agreement.calibration["compared"] > 0]
    with pages.figure(4.6, 3.2) as (figure, axes):
        axes.plot([0, 1], [0, 1], linestyle="--", color=pages.COLOURS[3], label="ideal")
        axes.plot(frame["confidence"], frame["accuracy"], marker="o", label="raters")
        axes.set_xticks(np.arange(CONFIDENCE_STEPS + 1) / CONFIDENCE_STEPS)
        axes.set_ylim(0, 1.03)
        axes.set_xlabel("confidence")
        axes.set_ylabel("accuracy")
        axes.legend()
        curve = pages.plot(figure, "Accuracy of answers by the confidence given with them")
    words = pages.paragraph(
        "Accuracy is measured against the consensus of the clip's other raters. "
        f"Mean distance from the ideal: {pages.value_text(agreement.calibration_error)}."
    )
    shown = agreement.calibration.assign(accuracy=_percent(agreement.calibration["accuracy"]))
    return _block("Confidence", words, curve, _table(shown))


def _block(heading: str, *parts: Markup) -> Markup:
    return Markup("<h3>{}</h3>\n{}").format(heading, Markup("\n").join(parts))


def _table(frame: pd.DataFrame, caption: str = "") -> Markup:
    return pages.table(frame.rename(columns=lambda name: name.replace("_", " ")), caption)


def _percent(shares: Any) -> list[str]:
    return ["–" if pd.isna(share) else f"{100 * share:.0f} %" for share in shares]
