"""Ratings from a CSV file, for raters outside Label Studio."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from caer_data.dataset import Dataset


def read(path: Path, dataset: Dataset) -> pd.DataFrame:
    """Read and judge a CSV; return its rows as `tables.RATINGS`. The dataset is not changed.

    Raises:
        CaerError: any mistake in the file, with its row.
    """
    raise NotImplementedError
