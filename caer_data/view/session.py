"""The state of a running page: the catalogue of the newest build, reloaded when a build ends."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pandas as pd

from caer_data.engine import decisions, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import Decisions
from caer_data.engine.errors import CaerError
from caer_data.report.answers import ModelAnswers
from caer_data.view import choices, query
from caer_data.view.catalogue import Catalogue, plain
from caer_data.view.pictures import Thumbnails

_CARD: Final = [
    "clip_id",
    "clip_key",
    "show",
    "status",
    "reason",
    "person_id",
    "track_id",
    "seconds",
    "emotion",
    "pattern",
    "agreement",
    "confidence",
    "split",
    "verdict",
    "predicted",
    "decision",
]
"""Columns of a clip that the list shows."""


@dataclass(frozen=True)
class Shown:
    """One state of the dataset: its catalogue and data derived from it."""

    catalogue: Catalogue
    decisions: Decisions

    @cached_property
    def thumbnails(self) -> Thumbnails:
        """Pictures of the catalogue."""
        return Thumbnails(self.catalogue)

    @cached_property
    def clips(self) -> pd.DataFrame:
        """The catalogue's clips with `decision`: keep, drop, target, or empty."""
        clips = self.catalogue.clips
        rows = self.decisions.standing("keep", "drop", "target")
        found = choices.decided(self.catalogue, rows)
        return clips.assign(decision=clips["clip_id"].map(found).astype(object))

    @cached_property
    def index(self) -> query.Index:
        """Clips prepared for queries."""
        return query.Index(self.clips)

    def page(self, asked: query.Query, first: int, count: int) -> dict[str, Any]:
        """Return some of the clips that a query finds: `total`, `from`, `clips`."""
        indices = self.index.find(asked)
        rows = self.clips.iloc[indices[first : first + count]][_CARD].to_dict("records")
        return {"total": len(indices), "from": first, "clips": [plain(row) for row in rows]}


class Session:
    """A dataset that is viewed while builds and decisions proceed.

    Args:
        folder: the dataset folder.
        splits: split by `clip_key`; empty without a release.
        said: predictions of models for its clips.

    Raises:
        CaerError: the folder is not a dataset, or its build has not finished.
    """

    def __init__(
        self, folder: Path, splits: dict[str, str], said: ModelAnswers | None = None
    ) -> None:
        self.folder = folder
        self._splits = splits
        self._said = said
        self._lock = threading.Lock()
        self._state: object = None
        self._decided: object = None
        self._shown: Shown | None = None
        self._catalogue = Catalogue(Dataset(folder), splits, said)
        Dataset(folder).require()
        if not Dataset(folder).has(tables.CLIPS):
            raise CaerError(f"{folder}: its build has not finished; run 'caer-data build' again")

    def warm(self) -> None:
        """Prepare clips and filters, so that the first page does not have to wait."""
        _ = self.shown.index

    @property
    def shown(self) -> Shown:
        """The current state of the dataset, reloaded after a build, an import or a decision."""
        with self._lock:
            state, decided = self._tables(), _state_of(self.folder / decisions.NAME)
            if self._shown is None or state != self._state:
                self._catalogue = Catalogue(Dataset(self.folder), self._splits, self._said)
            if self._shown is None or (state, decided) != (self._state, self._decided):
                self._shown = Shown(self._catalogue, Decisions(self.folder))
            self._state, self._decided = state, decided
            return self._shown

    def _tables(self) -> object:
        """Return a value that changes whenever the tables do."""
        written = sorted((self.folder / "tables").glob("*.parquet"))
        return [_state_of(path) for path in (self.folder / "generations" / "current", *written)]


def _state_of(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
