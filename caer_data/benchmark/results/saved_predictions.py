"""Store the predictions of all rows in a folder of results, for later comparisons elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from caer_data.engine import parquet
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path

NAME = "predictions.parquet"


def write_predictions(rows: Mapping[str, Sequence[pd.DataFrame]], folder: Path) -> None:
    """Write the predictions of all rows and seeds into one file of the folder."""
    parts = [
        frame.assign(row=title, run=number)
        for title, frames in rows.items()
        for number, frame in enumerate(frames)
    ]
    with atomic_path(folder / NAME) as temporary:
        pd.concat(parts, ignore_index=True).to_parquet(temporary, index=False)


def read(folder: Path) -> tuple[dict[str, list[pd.DataFrame]], list[str]]:
    """Return the predictions of a results folder, one frame per row and seed, and the classes.

    Attention maps (`attention`: rows of h x w shares for each sample) are not read.

    Raises:
        CaerError: the folder contains no results.
    """
    wanted = (folder / "results.json", folder / NAME)
    missing = [path.name for path in wanted if not path.is_file()]
    if missing:
        raise CaerError(
            f"{folder}: holds no {' and no '.join(missing)}; give a folder of results that "
            "'caer-data benchmark' wrote, such as results/release/caer-net"
        )
    try:
        values: dict[str, Any] = json.loads(wanted[0].read_text(encoding="utf-8"))
        classes = [str(name) for name in values["runs"][0]["classes"]]
        table = parquet.to_frame(wanted[1]).drop(columns="attention", errors="ignore")
        parts = table.groupby(["row", "run"], sort=False, observed=True)
    except (CaerError, ValueError, KeyError, IndexError, OSError) as error:
        raise CaerError(
            f"{folder}: its results cannot be read ({error}); run the benchmark again"
        ) from error
    rows: dict[str, list[pd.DataFrame]] = {}
    for (title, _), frame in parts:
        rows.setdefault(str(title), []).append(frame.drop(columns=["row", "run"]))
    return rows, classes


def together(folders: Sequence[Path]) -> tuple[dict[str, list[pd.DataFrame]], list[str]]:
    """Return the rows of several folders of results; equal titles get their folder's name.

    Raises:
        CaerError: there are fewer than two rows, a folder is named twice, or the classes of the
            folders differ.
    """
    known: set[Path] = set()
    for folder in folders:
        if folder.resolve() in known:
            raise CaerError(f"compare: {folder} is named twice; name each folder once")
        known.add(folder.resolve())
    found = [(folder, *read(folder)) for folder in folders]
    classes = found[0][2]
    titles = [title for _, rows, _ in found for title in rows]
    merged: dict[str, list[pd.DataFrame]] = {}
    for folder, rows, of_folder in found:
        if of_folder != classes:
            raise CaerError(
                f"{folder}: its classes differ from those of {folders[0]}; compare results with "
                "the same classes"
            )
        for title, frames in rows.items():
            twice = titles.count(title) > 1
            merged[f"{title} ({_short(folder, folders)})" if twice else title] = frames
    if len(merged) < 2:
        raise CaerError("compare: there is only one row; name a second folder of results")
    return merged, classes


def _short(folder: Path, folders: Sequence[Path]) -> str:
    """Return the part of a folder's path that distinguishes it from the others."""
    parts = [path.resolve().parts for path in folders]
    own = folder.resolve().parts
    for length in range(1, len(own) + 1):
        if sum(other[-length:] == own[-length:] for other in parts) == 1:
            return "/".join(own[-length:])
    return str(folder)
