"""Who rates which clip: balanced dealing, later additions, and raters who leave."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from caer_data.recipe import Annotate


def read_raters(path: Path, raters_per_clip: int = 3) -> list[str]:
    """Read raters' e-mail addresses, one a line, in lower case and in the file's order.

    Blank lines and everything after `#` are ignored.

    Raises:
        CaerError: the file cannot be read, an address is wrong or occurs twice, or there are fewer
            raters than each clip needs.
    """
    raise NotImplementedError


def deal(
    clip_ids: Sequence[str],
    raters: Sequence[str],
    existing: pd.DataFrame,
    settings: Annotate,
    seed: int,
) -> pd.DataFrame:
    """Deal every clip that is not dealt yet; return all of `tables.ASSIGNMENTS`, old rows first.

    `clip_ids` may hold clips dealt before: they are left alone.
    """
    raise NotImplementedError


def replace(
    assignments: pd.DataFrame,
    answered: set[tuple[str, str]],
    old: str,
    new: str | None,
    seed: int,
) -> pd.DataFrame:
    """Give the unanswered clips of a rater who leaves to `new`, or to all others if None.

    `answered` holds (clip_id, rater). Doing it twice changes nothing more.
    """
    raise NotImplementedError
