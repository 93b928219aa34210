"""The page of benchmark results: one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from markupsafe import Markup

from caer_data.benchmark.results.analysis import Analysis
from caer_data.benchmark.results.attention import Example
from caer_data.benchmark.results.entries import Entry, spread, table
from caer_data.benchmark.training.run import FROM_SCRATCH, Result
from caer_data.engine.files import write_text
from caer_data.report import pages, uncertainty

DEEPEST: Final = 0.75
"""Opacity of a cell with a share of 1 in the confusion matrix."""

WIDE: Final = 300
"""Minimum width in pixels of an example that gets its own row."""

FIGURES: Final = {"war": "WAR", "uar": "UAR", "macro_f1": "macro-F1"}


def write(
    path: Path,
    title: str,
    entries: Sequence[Entry],
    examples: Mapping[str, Sequence[Example]],
    first: Sequence[pages.Section] = (),
    found: Analysis | None = None,
) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        title: heading.
        entries: rows of the results table with their runs.
        examples: attention maps by the label of an entry.
        first: sections before the results.
        found: analysis of the rows' predictions, which adds intervals and sections about them.
    """
    own = [entry for entry in entries if not entry.test]
    sections = [*first, _results(entries, found), _runs(own)]
    sections += uncertainty.sections(found) if found is not None else []
    sections += [_section(entry, examples.get(entry.label, ())) for entry in own]
    made_up = any(run["made_up"] for entry in own for run in entry.runs)
    subtitle = "Made-up data: no figure here says anything about people." if made_up else ""
    write_text(path, pages.page(title, sections, subtitle))


def _results(entries: Sequence[Entry], found: Analysis | None) -> pages.Section:
    """Return the section on all rows: table, plot, recall of each class (the paper's Figure 9)."""
    rows = table(list(entries), found).map(_unbroken)
    parts = [
        pages.table(rows),
        pages.paragraph(
            "WAR is the accuracy, UAR the mean recall of the classes, each in percent with mean "
            "and standard deviation over seeds and, in brackets, a 95 % interval (none where all "
            "resamples of the test clips give the same figure). The majority column is the "
            "accuracy of always answering the most frequent training class. The checkpoint was "
            "chosen on validation; test was used once.",
            "note",
        ),
        _comparison(entries) if len(entries) > 1 else "",
    ]
    if found is None:  # an analysis has the recalls with their intervals
        recalls = [{"": entry.title, **_recalls(entry)} for entry in entries]
        parts += [Markup("<h3>Recall by class, %</h3>"), pages.table(pd.DataFrame(recalls))]
    return pages.Section("Results", Markup("").join(parts))


def _unbroken(cell: Any) -> Any:
    """Return a cell without line breaks."""
    if not isinstance(cell, str):
        return cell
    return cell.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "\N{NON-BREAKING HYPHEN}")


def _recalls(entry: Entry) -> dict[str, str]:
    recalls = {}
    for name in entry.runs[0]["classes"]:
        found = [test["per_class"][name] for test in entry.tests]
        known = [recall for recall in found if recall is not None]
        recalls[name] = spread(known) if known else "–"
    return recalls


def _comparison(entries: Sequence[Entry]) -> Markup:
    """Return a plot of every row's accuracy with the paper's and that of the majority class."""
    indices = np.arange(len(entries))[::-1]
    with pages.figure(7.2, 0.9 + 0.32 * len(entries)) as (figure, axes):
        for index, entry in zip(indices, entries, strict=True):
            accuracy = [100 * test["war"] for test in entry.tests]
            axes.plot(accuracy, [index] * len(accuracy), "o", color=pages.COLOURS[0], alpha=0.35)
            axes.plot(np.mean(accuracy), index, "o", color=pages.COLOURS[0], label="accuracy")
            majority = 100 * entry.tests[0]["majority"]
            axes.plot(majority, index, "|", ms=11, color=pages.COLOURS[1], label="majority class")
            if entry.paper is not None:
                color = pages.COLOURS[4]
                axes.plot(entry.paper, index, "D", color=color, mfc="none", label="the paper's")
        axes.set_yticks(indices, [entry.title for entry in entries])
        axes.set_xlim(0, 102)
        axes.set_ylim(-0.6, len(entries) - 0.4)
        axes.set_xlabel("accuracy on test, %")
        axes.grid(axis="x", alpha=0.25)
        known = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        figure.legend(known.values(), known.keys(), loc="outside upper center", ncols=3)
        return pages.plot(figure, "accuracy of every row")


def _runs(entries: Sequence[Entry]) -> pages.Section:
    """Return the section on the runs: models, data and remarks for readers."""
    rows = [{"": entry.label, **_facts(entry.runs)} for entry in entries]
    of_note: dict[str, list[str]] = {}
    for entry in entries:
        for note in _notes(entry):
            of_note.setdefault(note, []).append(entry.label)
    notes = [
        note if len(labels) == len(entries) else f"{'; '.join(labels)}: {note}"
        for note, labels in of_note.items()
    ]
    parts = [pages.table(pd.DataFrame(rows)), *(pages.paragraph(n, "note") for n in notes)]
    return pages.Section("Runs", Markup("").join(parts))


def _facts(runs: Sequence[Result]) -> dict[str, str]:
    run = runs[0]
    rates = [r["samples_per_s"] for r in runs if r["samples_per_s"]]
    return {
        "train / validation / test": " / ".join(f"{n:,}" for n in run["split_sizes"].values()),
        "parameters": f"{run['parameters']:,}",
        "epochs": ", ".join(str(r["epochs"]) for r in runs),
        "best": ", ".join(str(r["best_epoch"]) for r in runs),
        "training samples/s": ", ".join(f"{rate:,.3g}" for rate in rates),
        "computed on": f"{run['devices']} x {run['device']}, {run['precision']}",
    }


def _notes(entry: Entry) -> list[str]:
    run = entry.runs[0]
    counted = {
        "samples were left out (left-out.csv says why)": run["left_out"],
        "samples are shorter than a window and repeat their last frame": run[
            "shorter_than_a_window"
        ],
    }
    notes = [
        f"{sum(counts.values()):,} {what}: "
        + ", ".join(f"{split} {count:,}" for split, count in counts.items())
        for what, counts in counted.items()
        if any(counts.values())
    ]
    if not entry.note:
        return [*notes, *run["notes"]]
    # the suite's note says which weights were not given
    own = [note for note in run["notes"] if note != FROM_SCRATCH]
    return [*notes, *own, f"{entry.note[0].upper()}{entry.note[1:]}."]


def _section(entry: Entry, examples: Sequence[Example]) -> pages.Section:
    plots = [*_curves(entry.runs), _confusion(entry), *_fusion(entry)]
    html = Markup('<div class="plots">{}</div>').format(Markup("").join(plots))
    return pages.Section(entry.label, html + _attention(examples, entry.runs[0]["classes"]))


def _curves(runs: Sequence[Result]) -> list[Markup]:
    """Return plots of loss and validation by epoch: one line per seed, a dot at the kept epoch."""
    if not any(run["history"] for run in runs):
        return []
    drawn = []
    for title, lines, scale in (
        ("loss", {"train_loss": "train", "validation_loss": "validation"}, 1),
        ("validation, %", FIGURES, 100),
    ):
        with pages.figure(4.4, 3.6) as (figure, axes):
            for (name, label), color in zip(lines.items(), pages.COLOURS, strict=False):
                for number, run in enumerate(runs):
                    epochs = [h["epoch"] for h in run["history"]]
                    values = [scale * h[name] for h in run["history"]]
                    best = run["best_epoch"] - 1
                    shown = label if number == 0 else None
                    axes.plot(epochs, values, color=color, label=shown, alpha=0.8)
                    axes.plot(epochs[best], values[best], "o", color=color)
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            axes.set_ylim(0, 103 if scale == 100 else 1.05 * axes.dataLim.ymax)
            axes.set_xlabel("epoch (dot: kept)")
            axes.set_title(title)
            axes.legend()
            drawn.append(pages.plot(figure, f"{title} by epoch"))
    return drawn


def _confusion(entry: Entry) -> Markup:
    """Return a plot of counts over all seeds; rows are labels, columns predictions (Figure 7)."""
    from matplotlib.colors import ListedColormap, to_rgba

    # the background shows through, so that text is readable in light and dark mode
    shades = [to_rgba(pages.COLOURS[0], opacity) for opacity in np.linspace(0, DEEPEST, 256)]
    classes = entry.runs[0]["classes"]
    counts = np.sum([test["confusion"] for test in entry.tests], axis=0)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    with pages.figure(4.8, 4.4) as (figure, axes):
        axes.imshow(shares, cmap=ListedColormap(shades), vmin=0, vmax=1)
        for (i, j), count in np.ndenumerate(counts):
            text = f"{count}\n{shares[i, j]:.0%}" if count else "·"
            axes.text(j, i, text, ha="center", va="center", size=9)
        axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xlabel("predicted")
        axes.set_ylabel("label")
        axes.set_title("confusion on test: counts, share of row")
        return pages.plot(figure, "confusion matrix")


def _fusion(entry: Entry) -> list[Markup]:
    """Return a plot of mean fusion weights by class, over seeds (Figure 4)."""
    found = [test["face_weight"] for test in entry.tests if test.get("face_weight")]
    if not found:
        return []
    classes = [name for name in entry.runs[0]["classes"] if name in found[0]]
    face = np.array([np.mean([weights[name] for weights in found]) for name in classes])
    with pages.figure(4.4, 3.6) as (figure, axes):
        indices = np.arange(len(classes))[::-1]
        axes.barh(indices, face, color=pages.COLOURS[0], label="λ face")
        axes.barh(indices, 1 - face, left=face, color=pages.COLOURS[1], label="λ context")
        for index, weight in zip(indices, face, strict=True):
            for x, value in ((weight / 2, weight), ((1 + weight) / 2, 1 - weight)):
                if value > 0.1:
                    text = f"{value:.2f}"
                    axes.text(x, index, text, ha="center", va="center", color="white", size=9)
        axes.set_yticks(indices, classes)
        axes.set_xlim(0, 1)
        axes.set_title("mean fusion weights on test")
        figure.legend(loc="outside lower center", ncols=2)
        return [pages.plot(figure, "fusion weights by class")]


def _attention(examples: Sequence[Example], classes: Sequence[str]) -> Markup:
    """Return pictures of attention, as in Figures 3, 8 and 10."""
    if not examples:
        return Markup("")
    parts: list[Any] = [
        Markup("<h3>Attention</h3>"),
        pages.paragraph(
            "The most confident correct and wrong predictions on the test split. Frames above, "
            "attention below: blue is none, green is that of a uniform map, red is at least "
            "twice that. First as in training, then with the same weights and the face visible.",
            "note",
        ),
    ]
    figures = Markup("").join(_example(example, classes) for example in examples)
    # the frames of a clip fill a row, while several pictures fit side by side
    wide = any(example.hidden.shape[1] > WIDE for example in examples)
    parts.append(figures if wide else Markup('<div class="plots">{}</div>').format(figures))
    return Markup("").join(parts)


def _example(example: Example, classes: Sequence[str]) -> Markup:
    said, label = classes[example.predicted], classes[example.sample.label]
    verdict = f"right: {label}" if example.correct else f"wrong: predicted {said}, labelled {label}"
    pictures = (
        pages.picture(example.hidden, f"attention, face hidden, {label}"),
        pages.picture(example.shown, f"attention, face not hidden, {label}"),
    )
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(
        Markup(" ").join(pictures),
        f"{example.sample.sample_id}: {verdict} ({example.probability:.0%}); maximum attention "
        f"{example.peak:.1f} times that of a uniform map",
    )
