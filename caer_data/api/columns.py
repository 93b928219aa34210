"""Columns that a function needs of a frame that is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caer_data.engine.errors import CaerError

if TYPE_CHECKING:
    import pandas as pd


def need(what: str, frame: pd.DataFrame, **holds: str) -> None:
    """Raise a CaerError that names every missing column and its contents."""
    missing = [f"{name} ({text})" for name, text in holds.items() if name not in frame]
    if missing:
        columns, them = ("columns", "them") if len(missing) > 1 else ("column", "it")
        raise CaerError(f"{what}: the frame lacks the {columns} {', '.join(missing)}; add {them}")
