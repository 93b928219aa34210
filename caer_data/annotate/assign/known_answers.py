"""Clips with known answers: given by the researcher, or agreed on by all raters."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

from caer_data.annotate.assign import clip_lists
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.ledger import Ledger

_CLEAR: Final = 0.75
"""Minimum mean confidence for a unanimous label to count as known."""


def take(dataset: Dataset, path: Path | None) -> pd.DataFrame:
    """Return `tables.KNOWN` of the dataset, updated from a CSV file.

    The file has a column `clip_key` or `clip_id`, and a column `emotion`.

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
    """Return correct answers by clip: from `tables.KNOWN`, else from a clear consensus.

    A consensus is clear if all raters of the clip gave the same label with a mean confidence of at
    least 0.75, the label was kept, and no rating is made up.
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
