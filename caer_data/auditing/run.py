"""The audit of a folder: recognise it, read its media, compare, report findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from caer_data.auditing import compare, faces
from caer_data.auditing.entries import Recognised, counted, emotion_of
from caer_data.auditing.items import items_of
from caer_data.auditing.layouts import recognise
from caer_data.auditing.media import Look
from caer_data.auditing.media import look as look_at
from caer_data.auditing.walk import files_of
from caer_data.engine import ownership
from caer_data.engine.errors import CaerError
from caer_data.engine.pool import Limits, Task, run_tasks
from caer_data.engine.progress import Reporter
from caer_data.export import audit as checks
from caer_data.export import manifest as manifests
from caer_data.export import pairs as pair_lists
from caer_data.export.audit import Verdict
from caer_data.export.manifest import SPLITS
from caer_data.export.release import parts_of

LIMITS: Final = Limits(memory=3 * 1024**3, stall_s=60.0)
"""Limits for one entry."""

PRELOAD: Final = ("caer_data.auditing.media",)

_KEPT: Final = 2_000_000  # maximum number of pictures of all entries together


@dataclass
class Audited:
    """Result of an audit.

    Attributes:
        folder: the audited folder.
        layout: the recognised layout.
        entries: its clips or pictures, with their measurements.
        verdicts: one per check.
        pairs: see `export.pairs.PAIRS`; `start_s` counts from the start of the file if its table
            does not state its position in the source.
        notes: remarks on how it was read, and on what was skipped.
        unread: reasons why entries cannot be read, by `clip_id`.
        apart: whether it has at least two splits.
    """

    folder: Path
    layout: str
    entries: pd.DataFrame
    verdicts: list[Verdict]
    pairs: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    apart: bool = True

    @property
    def findings(self) -> list[Verdict]:
        """Verdicts that are findings."""
        return [verdict for verdict in self.verdicts if verdict.verdict == "finding"]


def audit_folder(folder: Path, jobs: int, reporter: Reporter, with_faces: bool = False) -> Audited:
    """Audit a release of caer-data or any other dataset.

    Args:
        folder: the dataset.
        jobs: number of processes that read media.
        reporter: receives the progress.
        with_faces: whether to compare faces, too.

    Raises:
        CaerError: it is not a folder or not a known kind of dataset, or a table cannot be read.
    """
    if not folder.is_dir():
        raise CaerError(f"{folder}: not a folder; name the folder of a dataset")
    if ownership.is_release(folder):
        return _release(folder)
    if (folder / ownership.NAME).is_file():
        raise CaerError(
            f"{folder}: a dataset of caer-data without splits yet; 'caer-data export' draws and "
            "audits them"
        )
    files = files_of(folder)
    found = recognise(files)
    notes = [*found.notes, *(f"{n:,} {what}" for what, n in sorted(files.passed_over.items()))]
    many = counted(len(found.entries), "entry", "entries")
    reporter.say(f"{folder}: recognised as {found.layout}, {many}.")
    looks, unread = _looks(folder, found, jobs, reporter)
    return _audited(folder, found, looks, unread, notes, jobs, with_faces, reporter)


def _release(folder: Path) -> Audited:
    """Return the audit of a release, which uses its manifest instead of its media."""
    manifests.check(folder)
    manifest = manifests.read(folder)
    repeated = manifests.read_repeated(folder)
    parts = parts_of(manifest)
    verdicts = [v for _, files in parts for v in checks.audit(files, repeated)]
    pairs = pd.concat([pair_lists.find(files, repeated, part) for part, files in parts])
    entries = manifest.assign(
        kind=np.where(manifest["frame"].notna(), "picture", "video"), label=manifest["emotion"]
    )
    entries.loc[entries["sha256"].isna() | entries["member"].notna(), "kind"] = "none"
    notes = ["audited by its manifest, not its media; 'caer-data verify' compares the two"]
    return Audited(folder, "a release of caer-data", entries, verdicts, pairs, notes)


_NO_MEDIA: Final = (
    "the table holds no media for it, or too much, and its file is not in this folder"
)


def _looks(
    folder: Path, found: Recognised, jobs: int, reporter: Reporter
) -> tuple[dict[int, Look], dict[str, str]]:
    """Return the measurements of each entry, by row, and reasons for the unreadable ones."""
    entries = found.entries
    total = int((entries["kind"] != "none").sum())
    most = max(8, min(4800, _KEPT // max(total, 1)))
    looks: dict[int, Look] = {}
    unread: dict[str, str] = {}
    with reporter.stage("media", total, "files") as bar:
        for index, value, error in _run(look_at, folder, entries, jobs, most):
            if error is None:
                looks[index] = value
            else:
                unread[str(entries["clip_id"].iloc[index])] = error
            bar.advance(1)
    for index in np.flatnonzero((entries["kind"] != "none").to_numpy()).tolist():
        name = str(entries["clip_id"].iloc[index])
        if index not in looks and name not in unread:
            unread[name] = _NO_MEDIA
    return looks, unread


def _run(
    function: Any, folder: Path, entries: pd.DataFrame, jobs: int, most: int, *arguments: Any
) -> Iterator[tuple[int, Any, str | None]]:
    """Call a function on the media of each entry within limits; yield its row, result and error."""
    tasks = (
        Task(str(index), function, (item, *arguments))
        for index, item in items_of(folder, entries, most)
    )
    for outcome in run_tasks(tasks, jobs, _no_progress, LIMITS, PRELOAD, reuse=True):
        yield int(outcome.task.name), outcome.value, outcome.error


def _no_progress(task: Task, stage: str, amount: float) -> None:
    """Ignore progress, which is only needed for the time limits."""


def _audited(
    folder: Path,
    found: Recognised,
    looks: dict[int, Look],
    unread: dict[str, str],
    notes: list[str],
    jobs: int,
    with_faces: bool,
    reporter: Reporter,
) -> Audited:
    entries = _measured(found.entries, looks)
    apart = entries["split"].nunique() > 1
    filled = entries.assign(split=entries["split"].fillna(SPLITS[0]))
    repeated = compare.repeated(filled, looks, apart, jobs) if looks else None
    noun = noun_of(entries)
    told = [
        _own_clips(filled, _own_classes(filled, verdict, noun), noun)
        for verdict in checks.audit(filled, repeated, noun)
    ]
    verdicts = told if apart else _without_splits(filled, told)
    pairs = pair_lists.find(filled, repeated)
    copies = filled.dropna(subset=["sha256"])
    if apart:
        same = checks.straddling(copies, "same file", "sha256", noun)
        if copies.empty:
            same = Verdict("same file", "not measured", 0, _no_file(entries))
        verdicts.insert(0, same)
        pairs = pd.concat([pair_lists.of_files(copies), pairs], ignore_index=True)
    if with_faces and apart:
        verdict, close = _faces(folder, filled, jobs, reporter)
        verdicts.append(verdict)
        pairs = pd.concat([pairs, close], ignore_index=True)
    elif apart:
        verdicts.append(Verdict("same face", "not measured", 0, "faces are compared with --faces"))
    return Audited(folder, found.layout, entries, verdicts, pairs, notes, unread, bool(apart))


def _measured(entries: pd.DataFrame, looks: dict[int, Look]) -> pd.DataFrame:
    """Return the entries with their measurements in the columns that the checks use."""
    entries = entries.copy()
    seen = [looks.get(index) for index in range(len(entries))]
    entries["sha256"] = [look.sha256 or None if look else None for look in seen]
    entries["perceptual_hash"] = [look.hashes if look else None for look in seen]
    entries["emotion"] = [emotion_of(label) for label in entries["label"]]
    timed = entries["video_id"].notna() & entries["start_s"].notna() & entries["end_s"].notna()
    for name in ("start", "end"):  # milliseconds serve as timestamps
        entries[f"{name}_pts"] = (entries[f"{name}_s"] * 1000).where(timed)
    lengths = np.array([look.seconds if look else np.nan for look in seen])
    alone = (entries["kind"].isin(["video", "frames"]) & entries["start_s"].isna()).to_numpy(bool)
    entries.loc[alone, "start_s"] = 0.0
    entries.loc[alone, "end_s"] = lengths[alone]
    heights = np.array([look.height if look else np.nan for look in seen])
    boxes: pd.Series[float] = (entries["y2"] - entries["y1"]) / np.where(
        heights > 0, heights, np.nan
    )
    entries["face_height"] = boxes.where(boxes.between(0, 1))
    return entries


def noun_of(entries: pd.DataFrame) -> str:
    """Return what to call one entry: `picture`, `clip`, or `file` if there are both."""
    kinds = set(entries.loc[entries["kind"] != "none", "kind"])
    if kinds == {"picture"}:
        return "picture"
    return "file" if "picture" in kinds else "clip"


def _no_file(entries: pd.DataFrame) -> str:
    if (entries["kind"] == "frames").any():
        return "its clips are folders of pictures, not files"
    return "no file was read"


def _own_clips(entries: pd.DataFrame, verdict: Verdict, noun: str) -> Verdict:
    """Return `not measured` for clips of which no table says what pictures are from them."""
    if verdict.check != "same clip" or noun != "picture" or entries["clip_id"].duplicated().any():
        return verdict
    return Verdict(verdict.check, "not measured", 0, "nothing says which clip a picture is from")


def _own_classes(entries: pd.DataFrame, verdict: Verdict, noun: str) -> Verdict:
    """Return the verdict on class balance by the dataset's own classes, and others unchanged."""
    if verdict.check != "class balance":
        return verdict
    labelled = entries.dropna(subset=["label"])
    if labelled.empty:
        return Verdict(verdict.check, "not measured", 0, f"no {noun} has a class")
    labels = labelled["label"].astype(str)
    return checks.balance(labelled["split"], labels, sorted(set(labels)))


def _without_splits(entries: pd.DataFrame, told: list[Verdict]) -> list[Verdict]:
    """Return the verdicts for a dataset without splits, of those for one split."""
    text = "there are none, so nothing can leak between them; repeats are listed"
    copies = entries.dropna(subset=["sha256"])
    twice = int(copies["sha256"].duplicated(keep=False).sum())
    same = Verdict("same file", "note", twice, f"{twice:,} files that are identical to another one")
    if copies.empty:
        same = Verdict("same file", "not measured", 0, _no_file(entries))
    by_check = {verdict.check: verdict for verdict in told}
    shown = [by_check[name] for name in ("repeated footage", "box size by class", "class balance")]
    return [Verdict("splits", "note", 0, text), same, *shown]


def _faces(
    folder: Path, entries: pd.DataFrame, jobs: int, reporter: Reporter
) -> tuple[Verdict, pd.DataFrame]:
    """Find faces that are as close to one in another split as two pictures of one person."""
    media = np.flatnonzero((entries["kind"] != "none").to_numpy(bool))
    step = max(1, -(-len(media) // faces.MAX_ENTRIES))
    chosen = entries.iloc[media[::step]]
    vectors: dict[int, Any] = {}
    with reporter.stage("faces", len(chosen), "files") as bar:
        for index, vector, error in _run(faces.embed, folder, chosen, jobs, 1, 0.5):
            if error is None and vector is not None:
                vectors[index] = vector
            bar.advance(1)
    check = "same face"
    if not vectors:
        return Verdict(check, "not measured", 0, "no face was found"), pair_lists.nothing()
    indices = sorted(vectors)
    rows = chosen.iloc[indices].reset_index(drop=True)
    sides = rows["split"].map(SPLITS.index).to_numpy(np.int64)
    stacked = np.stack([vectors[index] for index in indices])
    nearest, distance = compare.same_faces(stacked, sides, faces.threshold())
    near = np.flatnonzero(nearest >= 0)
    pairs = pair_lists.of_places(
        rows, "same face", [(int(p), int(nearest[p]), 1 - float(distance[p])) for p in near]
    )
    some = f"of {len(indices):,} with a face" + (f" (every {step}th entry)" if step > 1 else "")
    if not len(near):
        return Verdict(check, "ok", 0, f"no face {some} is close to one of another split"), pairs
    show = "shows" if len(near) == 1 else "show"
    text = f"{len(near):,} {some} {show} a face that is close to one of another split"
    return Verdict(check, "finding", len(near), text), pairs


def counts(entries: pd.DataFrame) -> pd.DataFrame:
    """Return the number of entries by class (rows) and split."""
    split = entries["split"].astype(object).fillna("no split")
    label = entries["label"].astype(object).fillna("no class").astype(str)
    table = pd.crosstab(label, split)
    table = table[[name for name in (*SPLITS, "no split") if name in table]]
    most = Counter(label).most_common(40)
    return table.loc[sorted(name for name, _ in most)].rename_axis(None, axis=1).reset_index()
