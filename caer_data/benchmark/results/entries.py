"""Results over seeds: a table in the paper's format, `results.json`, CSV, text."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd

from caer_data.benchmark.recipe import ModelRecipe
from caer_data.benchmark.results import suites
from caer_data.benchmark.results.analysis import Analysis, analyse, as_json
from caer_data.benchmark.results.intervals import Estimate
from caer_data.benchmark.results.saved_predictions import write_predictions
from caer_data.benchmark.training.metrics import mean_and_deviation
from caer_data.benchmark.training.run import Result, predictions_file
from caer_data.engine import parquet
from caer_data.engine.files import write_text

# sizes (train with validation, test) that identify the paper's datasets
RELEASED: Final = {"CAER": (9222 + 1316, 2637), "CAER-S": (49007, 20992)}

ANOTHER: Final = "another dataset"
FIGURES: Final = ("war", "uar", "macro_f1")


@dataclass
class Entry:
    """One row of a results table: a recipe and its runs, one per seed.

    Attributes:
        label: title of the row.
        recipe: the trained recipe.
        runs: results, one per seed.
        paper: accuracy in the paper in percent, or None.
        paper_dataset: dataset of that figure.
        note: a remark for readers.
        test: name of the data that was tested; empty for the runs' own test split.
        folders: folder of each run with its predictions; empty for rows made by hand.
        weights: given weights, which were only tested.
    """

    label: str
    recipe: ModelRecipe
    runs: list[Result] = field(default_factory=list)
    paper: float | None = None
    paper_dataset: Literal["CAER", "CAER-S"] = "CAER"
    note: str = ""
    test: str = ""
    folders: list[Path] = field(default_factory=list)
    weights: Path | None = None

    @property
    def title(self) -> str:
        """The label, with the name of other tested data."""
        return f"{self.label}, tested on {self.test}" if self.test else self.label

    @property
    def tests(self) -> list[Result]:
        """Results of each run on this row's test data."""
        return [run["also_tested"][self.test] if self.test else run for run in self.runs]

    @property
    def seeds(self) -> list[int]:
        """The seeds of the runs; in cross-validation each has several."""
        return list(dict.fromkeys(run["seed"] for run in self.runs))

    def predictions(self) -> list[pd.DataFrame]:
        """Return predictions of the runs, one frame per seed; a seed's folds are concatenated."""
        of_seed: dict[int, list[pd.DataFrame]] = {}
        for run, folder in zip(self.runs, self.folders, strict=True):
            frame = parquet.to_frame(folder / predictions_file(self.test))
            of_seed.setdefault(run["seed"], []).append(frame)
        return [pd.concat(frames, ignore_index=True) for frames in of_seed.values()]

    @property
    def same_dataset(self) -> bool:
        """Whether the figures were measured on the paper's dataset."""
        used, left_out = self.runs[0]["split_sizes"], self.runs[0]["left_out"]
        sizes = {split: used[split] + left_out[split] for split in used}
        found = (sizes["train"] + sizes["validation"], sizes["test"])
        return not self.test and found == RELEASED[self.paper_dataset]


def paper_figure(recipe: ModelRecipe) -> tuple[float | None, Literal["CAER", "CAER-S"]]:
    """Return the paper's figure and its dataset for an unchanged shipped recipe."""
    for row in (*suites.rows("table4"), *suites.rows("table5")):
        if row.recipe.name == recipe.name and row.recipe.streams == recipe.streams:
            return row.paper, row.paper_dataset
    return None, "CAER" if recipe.clips else "CAER-S"


def table(entries: list[Entry], found: Analysis | None = None) -> pd.DataFrame:
    """Return one row per entry: streams as in Table 3, figures in percent as mean +- deviation.

    Args:
        entries: the rows.
        found: their analysis, which adds the 95 % interval to each figure.
    """
    rows = []
    for entry in entries:
        row: dict[str, Any] = {"Methods": entry.label}
        if any(e.recipe.is_caer_net and not e.recipe.is_own_class for e in entries):
            row |= _marks(entry.recipe)
        if any(e.test for e in entries):
            row["trained on"] = entry.runs[0]["dataset"]
            row["tested on"] = entry.test or entry.runs[0]["dataset"]
        row["seeds"] = len(entry.seeds)
        names = ("Acc. (WAR) %", "UAR %", "macro-F1 %")
        for name, figure in zip(names, FIGURES, strict=True):
            cell = spread([test[figure] for test in entry.tests])
            if found is not None:
                cell += bounds(found.rows[entry.title].scores[figure])
            row[name] = cell
        row["majority %"] = f"{100 * entry.tests[0]['majority']:.2f}"
        if any(e.paper is not None for e in entries):
            row |= _of_paper(entry)
        rows.append(row)
    return pd.DataFrame(rows)


def spread(shares: list[float]) -> str:
    """Return percentages as `mean +- deviation`; a single value has no deviation."""
    mean, deviation = mean_and_deviation(shares)
    return f"{100 * mean:.2f}" + ("" if deviation is None else f" ± {100 * deviation:.2f}")


def bounds(estimate: Estimate) -> str:
    """Return the interval in percent, to append to a figure; empty if there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f" [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def as_text(frame: pd.DataFrame, title: str) -> str:
    """Return a frame as a table as wide as the terminal, but wide enough for its numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(frame.columns):
        drawn.add_column(str(column), no_wrap=number == 0, overflow="fold")
    for values in frame.itertuples(index=False):
        drawn.add_row(*map(str, values))
    text = io.StringIO()
    Console(file=text, width=max(110, shutil.get_terminal_size((200, 50)).columns)).print(drawn)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def analysed(entries: list[Entry]) -> Analysis:
    """Return the analysis of all rows from their predictions."""
    classes = entries[0].runs[0]["classes"]
    return analyse({entry.title: entry.predictions() for entry in entries}, classes)


def write(
    entries: list[Entry], folder: Path, found: Analysis | None = None, **also: Any
) -> dict[str, Any]:
    """Write `results.json` and `results.csv` to the folder; return the contents of the JSON.

    Args:
        entries: rows of the table with their runs.
        folder: created if missing.
        found: their analysis; if given, `predictions.parquet` stores its predictions.
        also: additional fields of the JSON.
    """
    runs = [
        {"row": entry.label, **run, "paper": entry.paper, "paper_dataset": entry.paper_dataset}
        for entry in entries
        if not entry.test
        for run in entry.runs
    ]
    summary = [_summary(entry) for entry in entries]
    values = {"summary": summary, "runs": runs, **also}
    if found is not None:
        values["analysis"] = as_json(found)
        write_predictions({entry.title: entry.predictions() for entry in entries}, folder)
    write_text(folder / "results.json", json.dumps(values, indent=1) + "\n")
    rows = [
        {
            "row": entry.label,
            "model": run["model"],
            "preset": run["recipe"]["preset"],
            "seed": run["seed"],
            "dataset": run["dataset"],
            "made_up": run["made_up"],
            "tested_on": entry.test or run["dataset"],
            **{f"{split}_size": size for split, size in run["split_sizes"].items()},
            **{figure: test[figure] for figure in (*FIGURES, "majority")},
            **{f"recall_{name}": recall for name, recall in test["per_class"].items()},
            "epochs": run["epochs"],
            "best_epoch": run["best_epoch"],
            "samples_per_s": run["samples_per_s"],
        }
        for entry in entries
        for run, test in zip(entry.runs, entry.tests, strict=True)
    ]
    write_text(folder / "results.csv", pd.DataFrame(rows).to_csv(index=False))
    return values


def _summary(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {
        "row": entry.label,
        "model": entry.recipe.name,
        "dataset": entry.runs[0]["dataset"],
        "tested_on": entry.test or entry.runs[0]["dataset"],
        "seeds": entry.seeds,
        "paper": entry.paper,
        "paper_dataset": entry.paper_dataset,
        "paper_is_another_dataset": not entry.same_dataset,
        "note": entry.note,
    }
    for figure in (*FIGURES, "majority"):
        mean, deviation = mean_and_deviation([test[figure] for test in entry.tests])
        row[figure] = {"mean": mean, "deviation": deviation}
    return row


def _of_paper(entry: Entry) -> dict[str, str]:
    if entry.paper is None:
        return {"paper %": "", "paper's data": ""}
    where = entry.paper_dataset + ("" if entry.same_dataset else f": {ANOTHER}")
    return {"paper %": f"{entry.paper:.2f}", "paper's data": where}


def _marks(recipe: ModelRecipe) -> dict[str, str]:
    on = recipe.streams
    present = (on.face, on.context, on.context_attention, on.fusion_attention)
    columns = ("w/F", "w/C", "w/cA", "w/fA")
    known = recipe.is_caer_net and not recipe.is_own_class
    return {c: "✓" if known and mark else "" for c, mark in zip(columns, present, strict=True)}
