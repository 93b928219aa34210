"""Report sections on emotions (as in the paper's Table 1), splits, and the audit of a release."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

import pandas as pd
from markupsafe import Markup

from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.export.audit import Verdict, audit
from caer_data.export.manifest import MANIFEST, SPLITS
from caer_data.report import leaking, pages
from caer_data.report.pages import Section
from caer_data.report.pictures import Pictures

PAPER: Final = {
    "anger": (1_628, 139_681),
    "disgust": (719, 59_630),
    "fear": (514, 46_441),
    "happy": (2_726, 219_377),
    "neutral": (4_579, 377_276),
    "sad": (1_473, 138_599),
    "surprise": (1_562, 126_873),
}
"""Clips and frames of CAER by emotion (Lee et al. 2019, Table 1)."""


def emotions(dataset: Dataset) -> Section | None:
    """Return a section on clips and frames by emotion, compared with CAER; None if unlabelled."""
    if not dataset.has(tables.LABELS):
        return None
    labels = dataset.labels
    labels = labels[labels["status"] == "kept"][["clip_key", "emotion"]]
    own = anchors.present(dataset.clips).merge(labels, on="clip_key")
    if own.empty:
        return None
    frames = (own["end_frame"] - own["start_frame"]).astype(int)
    clips = own["emotion"].value_counts()
    by_frames = frames.groupby(own["emotion"].astype(object), observed=True).sum()
    whole, of_paper = len(own), sum(count for count, _ in PAPER.values())
    rows = [
        {
            "emotion": emotion,
            "clips": int(clips.get(emotion, 0)),
            "share": _percent(int(clips.get(emotion, 0)), whole),
            "frames": int(by_frames.get(emotion, 0)),
            "CAER: clips": PAPER[emotion][0],
            "CAER: share": _percent(PAPER[emotion][0], of_paper),
            "CAER: frames": PAPER[emotion][1],
        }
        for emotion in EMOTIONS
    ]
    total = {
        "emotion": "all",
        "clips": whole,
        "share": "100 %",
        "frames": int(frames.sum()),
        "CAER: clips": of_paper,
        "CAER: share": "100 %",
        "CAER: frames": sum(count for _, count in PAPER.values()),
    }
    caption = "Labelled clips by emotion, and those of CAER (Lee et al. 2019, Table 1)"
    return Section("Emotions", pages.table(pd.DataFrame([*rows, total]), caption), "emotions")


def splits(dataset: Dataset, release: Path, pictures: Pictures) -> Section | None:
    """Return a section on splits, audit and leaks; None if there is no release."""
    path = release / "manifest.parquet"
    if not path.is_file():
        return None
    manifest = tables.read(MANIFEST, path)
    clips = manifest.drop_duplicates(["clip_id", "split"])
    counts = pd.crosstab(clips["emotion"], clips["split"])
    counts = counts.reindex(index=list(EMOTIONS), columns=list(SPLITS), fill_value=0)
    counts.loc["all"] = counts.sum()
    by_split = counts.rename_axis("emotion").reset_index()
    verdicts = pd.DataFrame(
        [
            {"check": v.check, "verdict": _verdict(v.verdict), "what was found": v.text}
            for v in _audited(release, manifest)
        ],
        dtype=object,
    )
    html = pages.table(by_split, "Clips of the release") + pages.table(verdicts, "Audit")
    html += leaking.shown(dataset, release, manifest, pictures)
    return Section("Splits and audit", html, "splits")


def _audited(release: Path, manifest: pd.DataFrame) -> list[Verdict]:
    """Return the verdicts in `audit.json`, which include repeats; without it, audit again.

    Raises:
        CaerError: the file cannot be read.
    """
    path = release / "audit.json"
    if not path.is_file():
        return audit(manifest)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))["verdicts"]
        found = [(part, Verdict(**one)) for part, every in told.items() for one in every]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CaerError(f"{path}: cannot be read; export the release again") from error
    return [
        one if part == "release" else replace(one, check=f"{one.check} ({part})")
        for part, one in found
    ]


def _verdict(word: str) -> Markup:
    kind = {"ok": "kept", "finding": "dropped"}.get(word, "plain")
    return Markup('<span class="{}">{}</span>').format(kind, word)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.1f} %"
