"""Report section on benchmark results: every row with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from markupsafe import Markup

from caer_data.benchmark.results import saved_predictions, tables
from caer_data.benchmark.results.analysis import analyse
from caer_data.engine.dataset import Dataset
from caer_data.report import answers, attended, pages, uncertainty
from caer_data.report.pages import Section
from caer_data.report.pictures import Pictures

_MAX_FOLDERS: Final = 12
"""Maximum number of folders of results shown, the newest ones."""


def section(
    results: Path, release: Path | None, dataset: Dataset, pictures: Pictures
) -> Section | None:
    """Return a section on all results below a folder, with attention; None without results.

    Raises:
        CaerError: results cannot be read.
    """
    found = [path.parent for path in results.rglob("results.json")] if results.is_dir() else []
    found = [folder for folder in found if (folder / saved_predictions.NAME).is_file()]
    found.sort(
        key=lambda folder: (-(folder / saved_predictions.NAME).stat().st_mtime_ns, str(folder))
    )
    if not found:
        return None
    html = pages.paragraph(
        "Accuracy (WAR), mean recall (UAR) and macro-F1 in percent, each with its 95 % interval.",
        "note",
    )
    for folder in found[:_MAX_FOLDERS]:
        html += _of(folder, str(folder.relative_to(results)))
    if len(found) > _MAX_FOLDERS:
        html += pages.paragraph(
            f"The newest {_MAX_FOLDERS} of {len(found)} folders of results.", "note"
        )
    predictions = answers.newest_answers(results, release)
    if predictions is not None:
        html += attended.shown(dataset, predictions, pictures)
    return Section("Benchmark", html, "benchmark")


def _of(folder: Path, title: str) -> Markup:
    rows, classes = saved_predictions.read(folder)
    found = analyse(rows, classes)
    scores = pages.table(tables.readable(tables.every(found)["scores"]))
    parts = [Markup("<h3>{}</h3>").format(title if title != "." else folder.name), scores]
    for part in uncertainty.sections(found):
        parts.append(
            Markup("<details><summary>{}</summary>{}</details>").format(
                part.title,
                Markup(part.html),  # noqa: S704 - made of tables and plots alone
            )
        )
    return Markup("").join(parts)
