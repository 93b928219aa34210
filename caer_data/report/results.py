"""Contents of a folder of results: figures, tables for papers, plots, the page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from caer_data.benchmark.data.store import Store
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.benchmark.results import attention, tables
from caer_data.benchmark.results import entries as results
from caer_data.benchmark.results.analysis import Analysis, analyse, as_json
from caer_data.benchmark.results.compare import Bench, OpenStore
from caer_data.benchmark.results.entries import Entry
from caer_data.engine.files import slug, write_text
from caer_data.report import benchmark as page
from caer_data.report import pages, uncertainty

if TYPE_CHECKING:
    from caer_data.benchmark.results.attention import Example

_PLOT = re.compile(r'<svg class="plot" role="img" aria-label="([^"]+)".*?</svg>', re.DOTALL)
_NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def publish(
    entries: list[Entry],
    folder: Path,
    title: str,
    examples: Mapping[str, Sequence[Example]],
    first: Sequence[pages.Section] = (),
    **also: Any,
) -> dict[str, Any]:
    """Write a folder of results; return the contents of `results.json`.

    Args:
        entries: rows with their runs.
        folder: created if missing.
        title: heading of the page.
        examples: attention maps by the label of a row.
        first: sections of the page before the results.
        also: additional fields of `results.json`.
    """
    found = results.analysed(entries)
    values = results.write(entries, folder, found, **also)
    made = {"results": results.table(entries, found), **tables.every(found)}
    tables.write(made, folder / "tables")
    path = folder / "results.html"
    page.write(path, title, entries, examples, first, found)
    write_plots(path, folder / "plots")
    return values


def without_results(sentences: Sequence[str]) -> list[pages.Section]:
    """Return a section about rows of a suite that are not among the results, and why not."""
    if not sentences:
        return []
    html = Markup("").join(pages.paragraph(sentence, "note") for sentence in sentences)
    return [pages.Section("Rows without results", html)]


def examples_of(
    bench: Bench, entries: Sequence[Entry], open_store: OpenStore, release: Path
) -> dict[str, list[Example]]:
    """Return attention maps of each row, computed with the weights of its first run."""
    found = {}
    for entry in entries:
        if entry.test or len({run["data"] for run in entry.runs}) > 1:
            continue  # tested elsewhere, or from folds, whose stores have other splits
        store = open_store(release, entry.recipe)
        found[entry.label] = _examples(bench, entry, entry.recipe, store)
    return found


def _examples(bench: Bench, entry: Entry, recipe: ModelRecipe, store: Store) -> list[Example]:
    weights = entry.weights or entry.folders[0] / "weights.safetensors"
    if not weights.is_file() or entry.runs[0]["data"] != store.fingerprint:
        return []
    return attention.examples(weights, recipe, store, bench.fabric, bench.kept)


def compare(
    rows: Mapping[str, Sequence[pd.DataFrame]], classes: Sequence[str], folder: Path
) -> tuple[Analysis, dict[str, Any]]:
    """Analyse rows of several folders together, and write tables, plots and page.

    Args:
        rows: predictions by title, one frame per seed (`saved_predictions.together`).
        classes: names of the classes.
        folder: created if missing.
    """
    found = analyse(rows, classes)
    values = as_json(found)
    write_text(folder / "comparison.json", json.dumps(values, indent=1) + "\n")
    tables.write(tables.every(found), folder / "tables")
    path = folder / "comparison.html"
    scores = pages.Section("Scores", pages.table(tables.readable(tables.every(found)["scores"])))
    write_text(path, pages.page("Comparison", [scores, *uncertainty.sections(found)]))
    write_plots(path, folder / "plots")
    return found, values


def write_plots(path: Path, folder: Path) -> None:
    """Write every plot of a page as a separate SVG file, named after its content."""
    taken: dict[str, int] = {}
    for match in _PLOT.finditer(path.read_text(encoding="utf-8")):
        name = slug(match[1])
        taken[name] = taken.get(name, 0) + 1
        number = "" if taken[name] == 1 else f"-{taken[name]}"
        svg = match[0].replace("<svg", f'<svg {_NAMESPACES} color="black"', 1)
        write_text(folder / f"{name}{number}.svg", svg + "\n")
