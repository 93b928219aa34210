"""Keys for tables that tests write by hand."""

from __future__ import annotations

import pandas as pd

from caer_data.curate import keeping
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.ledger import Ledger
from caer_data.engine.ownership import claim_dataset


def by_name(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose clips are called what they are named, where a test does not care for keys."""
    return rows.assign(clip_key=rows["clip_id"])


def key_clips(dataset: Dataset) -> None:
    """Give the kept clips of a dataset their keys, and its labels, as a build would have."""
    ledger = Ledger.of(dataset)
    clips = keeping.mint_all(dataset, dataset.clips, ledger)
    dataset.write(tables.CLIPS, clips)
    dataset.write(tables.KEYS, ledger.table())
    claim_dataset(dataset.folder)


def votes(*given: tuple[str, str, float]) -> list[dict[str, str | float]]:
    """Column `votes` of a label: rater, emotion, confidence."""
    names = ("rater", "emotion", "confidence")
    return [dict(zip(names, vote, strict=True)) for vote in given]


def label_by_name(dataset: Dataset, labels: list[dict]) -> None:
    """Write labels whose rows name a `clip_id`, with key and anchor of that clip."""
    held = anchors.present(dataset.clips)
    keys = dict(zip(held["clip_id"], held["clip_key"], strict=True))
    rows = [{"clip_key": keys[row["clip_id"]], **row} for row in labels]
    known = anchors.of_clips(dataset.clips)
    dataset.write(tables.LABELS, anchors.stamp(tables.frame(tables.LABELS, rows), known))
