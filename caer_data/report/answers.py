"""Predictions of models for the clips, from the newest benchmark results on a release.

Predictions use the release's names of clips. Its manifest has their `clip_key`, by which they are
joined to a dataset, even if its clips have other names now.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from caer_data.benchmark.results.saved_predictions import NAME
from caer_data.engine import parquet, tables
from caer_data.engine.errors import CaerError
from caer_data.export.manifest import MANIFEST

_FEW: Final = ["clip_id", "split", "label", "row", "run"]


def newest(results: Path) -> Path | None:
    """Return the most recent folder of results; None if there is none."""
    found = [path for path in results.rglob(NAME) if (path.parent / "results.json").is_file()]
    found.sort(key=lambda path: (path.stat().st_mtime_ns, str(path)))
    return found[-1].parent if found else None


@dataclass(frozen=True)
class ModelAnswers:
    """Predictions of all rows of one folder of results.

    Attributes:
        folder: the folder of results.
        release: the release that was tested.
    """

    folder: Path
    release: Path

    @cached_property
    def answers(self) -> pd.DataFrame:
        """One row per clip and row of the results, averaged over pictures and seeds.

        Columns: `clip_key`, `clip_id` (of the release), `row`, `predicted`, `label` (emotions),
        `p_label` (probability of the label).

        Raises:
            CaerError: results or release cannot be read.
        """
        try:
            table = parquet.to_frame(self.folder / NAME)
            classes = [name for name in table if str(name).startswith("p_")]
            table = table[[*_FEW, *classes]]
        except (CaerError, ValueError, KeyError) as error:
            raise CaerError(
                f"{self.folder}: its results cannot be read ({error}); run the benchmark again"
            ) from error
        labels = table.groupby(["row", "clip_id"], sort=False, observed=True)["label"].first()
        means = table.groupby(["row", "clip_id"], sort=False, observed=True)[classes].mean()
        words = np.array([str(name).removeprefix("p_") for name in classes])
        values = means.to_numpy()
        found = means.index.to_frame(index=False).assign(
            predicted=words[values.argmax(1)],
            label=words[labels.to_numpy()],
            p_label=values[np.arange(len(values)), labels.to_numpy()],
        )
        return found.assign(clip_key=found["clip_id"].map(self._keys)).dropna(subset=["clip_key"])

    @cached_property
    def _keys(self) -> dict[str, str]:
        rows = tables.read(MANIFEST, self.release / "manifest.parquet")
        rows = rows[["clip_id", "clip_key"]].dropna()
        return dict(zip(rows["clip_id"], rows["clip_key"], strict=True))

    @property
    def first(self) -> pd.DataFrame:
        """Predictions of the first row, by `clip_key`, by which clips can be filtered."""
        rows = self.answers
        own = rows[rows["row"] == rows["row"].iloc[0]] if len(rows) else rows
        return own.drop_duplicates("clip_key").set_index("clip_key")

    def of(self, clip_key: str | None) -> list[dict[str, Any]]:
        """Return the predictions of all rows for one clip."""
        own = self.answers[self.answers["clip_key"] == clip_key]
        shown = own[["row", "predicted", "label", "p_label"]].to_dict("records")
        return [{str(name): value for name, value in row.items()} for row in shown]

    def attention(self, clip_key: str | None) -> dict[str, Any] | None:
        """Return the first row's attention to a clip, averaged over time, pictures and seeds.

        Returns:
            `row`, `map` (h rows of w shares that sum to 1) and `box` (left, top, right, bottom of
            what the model sees, as shares of the frame); None if there is none.
        """
        own = self.answers[self.answers["clip_key"] == clip_key]
        if own.empty:
            return None
        wanted = [("clip_id", "in", sorted(set(own["clip_id"])))]
        try:
            table = parquet.to_frame(self.folder / NAME, filters=wanted)
        except CaerError:
            return None
        if "attention" not in table or table["attention"].isna().all():
            return None
        table = table[table["attention"].notna()]
        row = str(table["row"].iloc[0])
        maps = [np.stack([np.asarray(line) for line in one]) for one in
                table.loc[table["row"] == row, "attention"]]  # fmt: skip
        mean = np.mean(maps, axis=0)
        return {"row": row, "map": mean.round(5).tolist(), "box": self._seen(row)}

    def _seen(self, row: str) -> list[float]:
        """Return the centre crop that a row's model sees, as shares of the frame."""
        runs = json.loads((self.folder / "results.json").read_text(encoding="utf-8"))["runs"]
        own = next((run for run in runs if run.get("row") == row), runs[0])["recipe"]["input"]
        height, width = (min(1.0, c / f) for c, f in zip(own["crop"], own["frame"], strict=True))
        left, top = (1 - width) / 2, (1 - height) / 2
        return [round(side, 5) for side in (left, top, left + width, top + height)]


def newest_answers(results: Path | None, release: Path | None) -> ModelAnswers | None:
    """Return the newest results below a folder; None without results or a release."""
    if results is None or release is None or not (release / "manifest.parquet").is_file():
        return None
    folder = newest(results) if results.is_dir() else None
    return ModelAnswers(folder, release) if folder else None
