"""Names of datasets and clips on the rating server: a keyed hash for each showing to each rater.

The server never sees the key or the name of a clip. Nobody can therefore recognise a clip that is
shown twice, shown to somebody else, or known from a release.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field

import pandas as pd

from caer_data.engine import anchors, identity, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.files import write_text
from caer_data.engine.ledger import Ledger
from caer_data.engine.secret import secret_of


def dataset_id(dataset: Dataset, *, make: bool = False) -> str:
    """Return the dataset's random name on servers; with `make`, create it if it is missing.

    Raises:
        CaerError: the dataset has no name yet, because nothing was pushed.
    """
    path = dataset.folder / "annotation.json"
    if not path.is_file():
        if not make:
            raise CaerError(
                f"{dataset.folder}: nothing was pushed yet; run 'caer-data annotate push'"
            )
        write_text(path, json.dumps({"dataset_id": uuid.uuid4().hex}, indent=1) + "\n")
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["dataset_id"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CaerError(f"{path}: damaged ({error}); restore it from a backup") from error


@dataclass
class Presentations:
    """Maps the server's names back to clips.

    Attributes:
        secret: the dataset's secret.
        clips: keys of all clips that may have been shown.
        assigned: clip key by presentation, according to the assignments.
    """

    secret: bytes
    clips: list[str]
    assigned: dict[str, str]
    _by_rater: dict[str, dict[str, str]] = field(default_factory=dict)

    def clip_of(self, name: str, rater: str) -> str | None:
        """Return the key of the clip shown to a rater under a name; None if there is none."""
        if name in self.assigned:
            return self.assigned[name]
        if rater not in self._by_rater:  # clips may have been reassigned to somebody else since
            self._by_rater[rater] = {
                identity.presentation(self.secret, key, rater): key for key in self.clips
            }
        return self._by_rater[rater].get(name)


def of(dataset: Dataset) -> Presentations:
    """Return the presentations of a dataset."""
    rows = dataset.assignments
    rows = rows[rows["presentation"].notna()]
    assigned = dict(zip(rows["presentation"], rows["clip_key"], strict=True))
    checks = dataset.read_or_empty(tables.CHECKS)
    assigned |= dict(zip(checks["presentation"], checks["clip_key"], strict=True))
    return Presentations(secret_of(dataset.folder), sorted(Ledger.of(dataset).minted), assigned)


def fill(dataset: Dataset, assignments: pd.DataFrame) -> pd.DataFrame:
    """Fill in missing clip names, anchors and presentations in the assignments."""
    return _fill(dataset, assignments, tables.ASSIGNMENTS, showing=0)


def fill_checks(dataset: Dataset, checks: pd.DataFrame) -> pd.DataFrame:
    """Fill in the same for `tables.CHECKS`; a repeat and the vote get different names."""
    return _fill(dataset, checks, tables.CHECKS, showing=1)


def _fill(dataset: Dataset, rows: pd.DataFrame, table: tables.Table, showing: int) -> pd.DataFrame:
    secret = secret_of(dataset.folder)
    ledger, clips = Ledger.of(dataset), dataset.clips
    held = anchors.present(clips)
    names = dict(zip(held["clip_key"], held["clip_id"], strict=True))
    rows = anchors.stamp(rows, ledger.minted | anchors.of_clips(clips))
    lacking = rows["clip_id"].isna()
    rows["clip_id"] = rows["clip_id"].mask(lacking, rows["clip_key"].map(names))
    shown = [
        name if isinstance(name, str) else identity.presentation(secret, key, rater, showing)
        for name, key, rater in zip(
            rows["presentation"], rows["clip_key"], rows["rater"], strict=True
        )
    ]
    rows["presentation"] = pd.Series(shown, index=rows.index, dtype=object)
    return rows[table.names]
