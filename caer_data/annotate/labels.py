"""From ratings to one label a clip."""

from __future__ import annotations

import pandas as pd

from caer_data.dataset import Dataset
from caer_data.recipe import Labels


def decide(ratings: pd.DataFrame, settings: Labels, raters_per_clip: int) -> pd.DataFrame:
    """Decide every clip that has an accepted answer; return `tables.LABELS`."""
    raise NotImplementedError


def update(
    dataset: Dataset, fresh: pd.DataFrame, *, snapshot: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take ratings into the dataset, decide again, write both tables; return ratings and labels.

    `pull` passes what `accept.accept` returned with `snapshot=True` (it replaces all earlier
    ratings from the server); `import` passes what `csv_import.read` returned with `snapshot=False`.
    """
    raise NotImplementedError
