"""A Sankey diagram from hours of video to exported clips, with all reasons for dropping clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from caer_data.curate.funnel import REASONS, duration_text
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.export.manifest import SPLITS
from caer_data.report.sankey import Box, Flow, sankey

_LABEL_WORDS = {
    "incomplete": "answers missing",
    "no_majority": "no majority",
    "low_confidence": "low confidence",
    "unlabelled": "not rated yet",
}


def picture(dataset: Dataset, splits: Mapping[str, str]) -> Markup:
    """Return a diagram of video, clips, labels and splits, with widths by duration.

    Args:
        dataset: a complete build.
        splits: split by `clip_key`; empty without a release.
    """
    videos, clips = dataset.videos, dataset.clips
    seconds = (clips["end_s"] - clips["start_s"]).astype(float)
    used = float(seconds.sum())
    lost = {
        f"{word} video": float(videos.loc[videos["status"] == word, "duration_s"].fillna(0).sum())
        for word in ("failed", "duplicate")
    }
    columns = [
        [Box("found", _words("videos", used + sum(lost.values())), used + sum(lost.values()))],
        [Box("shots", _words("shots", used), used)]
        + [Box(name, _words(name, size), size, lost=True) for name, size in lost.items()],
    ]
    flows = [Flow("found", "shots", used)]
    flows += [Flow("found", name, size) for name, size in lost.items()]
    present = clips["status"].isin(tables.PRESENT)
    kept = float(seconds[present].sum())
    by_reason = seconds[~present].groupby(clips["reason"].astype(object), observed=True).sum()
    reasons = {name: float(by_reason.get(name, 0.0)) for name in REASONS}
    columns.append(
        [Box("kept", _words("kept", kept), kept)]
        + [Box(name, _words(name, size), size, lost=True) for name, size in reasons.items()]
    )
    flows += [Flow("shots", "kept", kept)]
    flows += [Flow("shots", name, size) for name, size in reasons.items()]
    if dataset.has(tables.LABELS):
        _add_labels(dataset, seconds, splits, columns, flows)
    return sankey(columns, flows, _alt(columns))


def _add_labels(
    dataset: Dataset,
    seconds: pd.Series[float],
    splits: Mapping[str, str],
    columns: list[list[Box]],
    flows: list[Flow],
) -> None:
    """Add two columns: results of rating the kept clips, and the splits."""
    held = anchors.present(dataset.clips)
    labels = dataset.labels.drop_duplicates("clip_key").set_index("clip_key")
    state = labels["reason"].where(labels["status"] == "dropped", "labelled")
    found = held["clip_key"].map(state).astype(object).fillna("unlabelled")
    sizes = seconds[held.index].groupby(found, observed=True).sum()
    agreed = float(sizes.get("labelled", 0.0))
    rest = {name: float(sizes.get(name, 0.0)) for name in _LABEL_WORDS}
    columns.append(
        [Box("labelled", _words("labelled", agreed), agreed)]
        + [Box(n, _words(_LABEL_WORDS[n], size), size, lost=True) for n, size in rest.items()]
    )
    flows.append(Flow("kept", "labelled", agreed))
    flows += [Flow("kept", name, size) for name, size in rest.items()]
    if not splits:
        return
    split = held["clip_key"].map(dict(splits))[found == "labelled"]
    shares = seconds[split.index].groupby(split.astype(object), observed=True).sum()
    parts = {name: float(shares.get(name, 0.0)) for name in SPLITS}
    columns.append([Box(name, _words(name, size), size) for name, size in parts.items()])
    flows += [Flow("labelled", name, size) for name, size in parts.items()]


def splits_of(release: Path) -> dict[str, str]:
    """Return the split of a release by `clip_key`; empty if it has no keys."""
    from caer_data.export.manifest import MANIFEST

    rows = tables.read(MANIFEST, release / "manifest.parquet")[["clip_key", "split"]].dropna()
    return dict(zip(rows["clip_key"], rows["split"], strict=True))


def _words(name: str, seconds: float) -> str:
    return f"{name.replace('_', ' ')} {duration_text(seconds)}"


def _alt(columns: list[list[Box]]) -> str:
    parts = ["; ".join(box.words for box in column if box.size > 0) for column in columns]
    return "From video to clips, by duration. " + ". Then ".join(parts)
