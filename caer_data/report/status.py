"""Facts for `caer-data status`: completed steps of a dataset, and the next command."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import Decisions

_APPLIED: Final = (
    "keep", "drop", "target", "merge", "apart", "split", "cut_add", "cut_remove", "cut_move",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One step from shows to results.

    Attributes:
        name: name of the step.
        done: whether it is finished.
        text: its state in words.
        next: the command that performs or resumes it; empty if nothing is left to do.
    """

    name: str
    done: bool
    text: str
    next: str = ""


def steps(dataset: Dataset, release: Path, results: Path) -> list[Step]:
    """Return all steps in order; those after the first unfinished one may lack their input.

    Args:
        dataset: the dataset folder, which may be missing.
        release: the release folder, which may be missing.
        results: the folder of benchmark results, which may be missing.

    Raises:
        CaerError: a table cannot be read.
    """
    found = [_build(dataset)]
    if dataset.has(tables.CLIPS):
        found += [_decisions(dataset), _ratings(dataset), _labels(dataset)]
    found += [_release(dataset, release), _results(release, results)]
    return found


def next_step(found: list[Step]) -> Step | None:
    """Return the first step with something left to do; None if there is none."""
    return next((step for step in found if not step.done), None)


def as_dict(dataset: Dataset, found: list[Step]) -> dict[str, Any]:
    """Return the values for `--json`."""
    coming = next_step(found)
    return {
        "dataset": str(dataset.folder),
        "steps": [asdict(step) for step in found],
        "next": coming.next if coming else None,
    }


def _build(dataset: Dataset) -> Step:
    command = f"caer-data build --shows FOLDER -o {_quoted(dataset.folder)}"
    if not dataset.exists:
        return Step("build", False, "nothing has been built", command)
    if not dataset.has(tables.CLIPS):
        return Step("build", False, "a build was started but not finished", command)
    videos, clips = dataset.videos, dataset.clips
    kept = int(clips["status"].isin(tables.PRESENT).sum())
    failed = int((videos["status"] == "failed").sum())
    words = f"{kept:,} of {len(clips):,} clips kept from {len(videos):,} videos"
    return Step("build", kept > 0, words + (f", {failed} failed" if failed else ""), command)


def _decisions(dataset: Dataset) -> Step:
    store = Decisions(dataset.folder)
    standing = store.standing(*_APPLIED)
    built = built_at(dataset)
    waiting = [row for row in store.rows if row.kind in (*_APPLIED, "undo") and row.when > built]
    words = f"{len(standing)} by hand" + (f", {len(waiting)} not built yet" if waiting else "")
    rebuild = f"caer-data build --shows FOLDER -o {_quoted(dataset.folder)}"
    return Step("decisions", not waiting, words, rebuild if waiting else "")


def built_at(dataset: Dataset) -> str:
    """Return the time when the tables were written, in UTC and ISO 8601."""
    moment = dataset.path_of(tables.CLIPS).stat().st_mtime
    return datetime.fromtimestamp(moment, UTC).isoformat()


def _ratings(dataset: Dataset) -> Step:
    where = _of(dataset)
    assigned = len(dataset.assignments) if dataset.has(tables.ASSIGNMENTS) else 0
    if not dataset.has(tables.RATINGS):
        words = f"{assigned:,} assigned, none fetched" if assigned else "nobody has rated a clip"
        begun = f"caer-data annotate pull{where}" if assigned else f"caer-data annotate push{where}"
        return Step("ratings", False, words, begun)
    ratings = dataset.ratings
    accepted = int((ratings["status"] == "accepted").sum())
    made_up = " (made up)" if (ratings["source"] == "made-up").any() else ""
    words = f"{accepted:,} answers by {ratings['rater'].nunique()} raters{made_up}"
    if assigned > accepted:
        return Step(
            "ratings", False, f"{words} of {assigned:,} assigned", f"caer-data annotate pull{where}"
        )
    return Step("ratings", True, words)


def _labels(dataset: Dataset) -> Step:
    pull = f"caer-data annotate pull{_of(dataset)}"
    if not dataset.has(tables.LABELS):
        return Step("labels", False, "no clip has a label", pull)
    labels = dataset.labels
    kept = int((labels["status"] == "kept").sum())
    waiting = int(labels["reason"].eq("incomplete").fillna(False).sum())
    words = f"{kept:,} of {len(labels):,} rated clips agreed on"
    if waiting:
        return Step("labels", False, f"{words}, {waiting:,} waiting for answers", pull)
    return Step("labels", kept > 0, words, "" if kept else pull)


def _release(dataset: Dataset, release: Path) -> Step:
    command = f"caer-data export{_of(dataset)}" + _option("-o", release, "release")
    manifest = release / "manifest.parquet"
    if not manifest.is_file():
        return Step("release", False, f"none in {release}", command)
    labels = dataset.path_of(tables.LABELS)
    if labels.is_file() and labels.stat().st_mtime > manifest.stat().st_mtime:
        return Step("release", False, f"{release} is older than the labels", command)
    return Step("release", True, f"{release}")


def _results(release: Path, results: Path) -> Step:
    found = sorted(results.rglob("results.json")) if results.is_dir() else []
    command = f"caer-data benchmark {_quoted(release)}" + _option("-o", results, "results")
    if not found:
        return Step("benchmark", False, f"no results in {results}", command)
    folders = "1 folder" if len(found) == 1 else f"{len(found)} folders"
    return Step("benchmark", True, f"{folders} of results in {results}")


def _of(dataset: Dataset) -> str:
    return _option("-d", dataset.folder, "dataset")


def _option(name: str, folder: Path, usual: str) -> str:
    return "" if folder == Path(usual) else f" {name} {_quoted(folder)}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
