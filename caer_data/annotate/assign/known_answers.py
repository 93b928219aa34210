"""Clips whose answer is known: said by the researcher, or so clear that all raters agreed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

from caer_data.annotate.assign import clip_lists
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.ledger import Ledger

_CLEAR: Final = 0.75
"""Mean confidence from which a label that all raters gave counts as known."""


def take(dataset: Dataset, path: Path | None) -> pd.DataFrame:
    """Rows of `tables.KNOWN`: those of the dataset, and over them those of a CSV.

    The file has the columns `clip_key` or `clip_id`, and `emotion`.

    Raises:
        CaerError: see `clip_lists.read_emotions`.
    """
    rows = dataset.read_or_empty(tables.KNOWN)
    if path is None:
        return rows
    held = anchors.present(dataset.clips)
    names = dict(zip(held["clip_key"], held["clip_id"], strict=True))
    said = clip_lists.read_emotions(path, names, Ledger.of(dataset))
    fresh = tables.frame(
        tables.KNOWN,
        [{"clip_key": k, "clip_id": names[k], "emotion": said[k]} for k in sorted(said)],
    )
    fresh = anchors.stamp(fresh, anchors.of_clips(dataset.clips))[tables.KNOWN.names]
    rest = rows[~rows["clip_key"].isin(list(said))]
    joined = pd.concat([rest, fresh], ignore_index=True) if len(rest) else fresh
    return joined.sort_values("clip_key", ignore_index=True)


def answers(known: pd.DataFrame, labels: pd.DataFrame) -> dict[str, str]:
    """Right answer by clip: of `tables.KNOWN`, and where it says nothing, of a clear consensus.

    Clear is a kept label that all raters of the clip gave, with a mean confidence of 0.75 or more,
    none of them made up.
    """
    clear = labels[
        (labels["status"] == "kept")
        & (labels["agreement"] == labels["raters"])
        & (labels["raters"] >= 2)
        & (labels["confidence_all"] >= _CLEAR)
        & ~labels["made_up"].astype(bool)
    ]
    agreed = dict(zip(clear["clip_key"], clear["emotion"], strict=True))
    return agreed | dict(zip(known["clip_key"], known["emotion"], strict=True))
