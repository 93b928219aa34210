"""The results as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from caer_data import pages
from caer_data.benchmark.attention import Example
from caer_data.benchmark.results import Entry, spread, table
from caer_data.benchmark.run import Result
from caer_data.files import write_text


def write(
    path: Path, title: str, entries: Sequence[Entry], examples: Mapping[str, Sequence[Example]]
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        title: heading.
        entries: rows of the results table with their runs.
        examples: attention maps by an entry's label.
    """
    sections = [_overview(entries)]
    for entry in entries:
        if entry.test:
            continue
        parts = [_facts(entry), _curves(entry.runs), _confusion(entry), _classes(entry)]
        if examples.get(entry.label):
            parts.append(_attention(examples[entry.label], entry.runs[0]["classes"]))
        sections.append(pages.Section(entry.label, Markup("").join(parts)))
    made_up = any(run["made_up"] for entry in entries for run in entry.runs)
    subtitle = "Made-up data: no figure here says anything about people." if made_up else ""
    write_text(path, pages.page(title, sections, subtitle))


def _overview(entries: Sequence[Entry]) -> pages.Section:
    notes = sorted({n for e in entries for run in e.runs for n in run["notes"]})
    notes += [f"{e.label}: {e.note}" for e in entries if e.note]
    parts = [
        pages.table(table(list(entries))),
        pages.paragraph(
            "WAR is the accuracy, UAR the mean recall of the classes, each in percent with mean "
            "and standard deviation over seeds. The majority column is the accuracy of always "
            "answering the most frequent training class. The checkpoint was chosen on validation; "
            "test was used once.",
            "note",
        ),
        *(pages.paragraph(note, "note") for note in notes),
    ]
    return pages.Section("Results", Markup("").join(parts))


def _facts(entry: Entry) -> Markup:
    run = entry.runs[0]
    sizes, out, short = (
        ", ".join(f"{split} {count:,}" for split, count in run[name].items())
        for name in ("split_sizes", "left_out", "shorter_than_a_window")
    )
    rates = [r["samples_per_s"] for r in entry.runs if r["samples_per_s"]]
    facts = {
        "samples": sizes,
        "left out": out,
        "shorter than a window (last frame repeated)": short,
        "parameters": f"{run['parameters']:,}",
        "epochs (best)": ", ".join(f"{r['epochs']} ({r['best_epoch']})" for r in entry.runs),
        "training samples per second": ", ".join(f"{rate:,.0f}" for rate in rates),
        "computed on": f"{run['devices']} x {run['device']}, {run['precision']}",
    }
    frame = pd.DataFrame({"": list(facts), "value": list(facts.values())})
    return pages.table(frame)


def _curves(runs: Sequence[Result]) -> Markup:
    """Loss and accuracy by epoch, a line a seed."""
    if not any(run["history"] for run in runs):
        return Markup("")
    drawn = []
    for title, lines in (
        ("loss", ("train_loss", "validation_loss")),
        ("validation", ("war", "uar", "macro_f1")),
    ):
        with pages.figure() as (figure, axes):
            for name, color in zip(lines, pages.COLOURS, strict=False):
                for number, run in enumerate(runs):
                    epochs = [h["epoch"] for h in run["history"]]
                    values = [h[name] for h in run["history"]]
                    label = name.replace("_", " ") if number == 0 else None
                    axes.plot(epochs, values, color=color, label=label, alpha=0.8)
            axes.set_xlabel("epoch")
            axes.set_title(title)
            axes.legend()
            drawn.append(pages.plot(figure, f"{title} by epoch"))
    return Markup("<h3>Training</h3>") + Markup("").join(drawn)


def _confusion(entry: Entry) -> Markup:
    """Counts over all seeds; rows are labels, columns predictions (Figure 7)."""
    classes = entry.runs[0]["classes"]
    counts = np.sum([test["confusion"] for test in entry.tests], axis=0)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    with pages.figure(5.6, 4.8) as (figure, axes):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (i, j), count in np.ndenumerate(counts):
            color = "white" if shares[i, j] > 0.5 else pages.COLOURS[0]
            axes.text(j, i, f"{count}\n{shares[i, j]:.0%}", ha="center", va="center", color=color)
        axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xlabel("predicted")
        axes.set_ylabel("label")
        return Markup("<h3>Confusion matrix</h3>") + pages.plot(figure, "confusion matrix")


def _classes(entry: Entry) -> Markup:
    """Recall, and the fusion weights where the model has them (Figure 4), by class."""
    rows = []
    for name in entry.runs[0]["classes"]:
        recalls = [test["per_class"][name] for test in entry.tests]
        known = [recall for recall in recalls if recall is not None]
        row: dict[str, Any] = {"class": name, "recall %": spread(known) if known else "–"}
        faces = [test.get("face_weight", {}).get(name) for test in entry.tests]
        weights = [weight for weight in faces if weight is not None]
        if weights:
            row["λ face"] = f"{np.mean(weights):.3f}"
            row["λ context"] = f"{1 - np.mean(weights):.3f}"
        rows.append(row)
    return Markup("<h3>Classes</h3>") + pages.table(pd.DataFrame(rows))


def _attention(examples: Sequence[Example], classes: Sequence[str]) -> Markup:
    parts = [
        Markup("<h3>Attention</h3>"),
        pages.paragraph(
            "Frames above, attention below: red most, blue least. First as in training, then the "
            "same weights with the face not hidden.",
            "note",
        ),
    ]
    for example in examples:
        said = classes[example.predicted]
        label = classes[example.sample.label]
        verdict = "right" if example.correct else "wrong"
        parts.append(
            pages.paragraph(
                f"{example.sample.sample_id}: {label}, taken for {said} "
                f"({example.probability:.0%}): {verdict}"
            )
        )
        parts.append(pages.picture(example.hidden, f"attention, face hidden, {label}"))
        parts.append(pages.picture(example.shown, f"attention, face not hidden, {label}"))
    return Markup("").join(parts)
