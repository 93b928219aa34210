"""`caer-data upgrade`: convert a dataset of an earlier version to the tables of this one.

Format 1 identified clips only by `clip_id`. Keys are minted from the existing tables, and every
answer, label, assignment and split gets the key of the clip with its name. Answers to clips that no
longer exist are kept, with a key that represents only the name.
"""

from __future__ import annotations

import re
from typing import Any, Final

from caer_data.curate import keeping
from caer_data.engine import anchors, ownership, parquet, tables
from caer_data.engine.columns import Table
from caer_data.engine.dataset import BUILT, Dataset
from caer_data.engine.hashing import digest
from caer_data.engine.ledger import Ledger
from caer_data.engine.secret import secret_of
from caer_data.export.splits import ASSIGNED
from caer_data.labels.decide import follow

_CARRIERS: Final = (tables.ASSIGNMENTS, tables.RATINGS, tables.LABELS, ASSIGNED)
_VOTE: Final = re.compile(
    r"(?P<rater>\S.*?)=(?P<emotion>[^\s=:]*):(?P<confidence>[^\s=:]*)(?=\s|$)"
)

_Rows = list[dict[str, Any]]


def upgrade(dataset: Dataset) -> bool:
    """Upgrade a dataset; return whether anything had to be done. An interruption is harmless.

    Raises:
        CaerError: the folder is not a dataset, or has a later version.
        BusyError: another command is working on it.
    """
    dataset.require()
    with dataset.lock():
        ownership.check_dataset(dataset.folder)
        if is_current(dataset):
            return False
        secret_of(dataset.folder)
        if dataset.has(tables.CLIPS):
            _upgrade_tables(dataset)
        ownership.claim_dataset(dataset.folder)
        return True


def is_current(dataset: Dataset) -> bool:
    """Return whether the dataset and its tables have the current version."""
    about = ownership.read_object(dataset.folder / ownership.NAME)
    written = [table for table in (tables.CLIPS, *_CARRIERS) if dataset.has(table)]
    return about.get("version") == ownership.VERSION and not any(
        _is_old(dataset, table) for table in written
    )


def _upgrade_tables(dataset: Dataset) -> None:
    for table in BUILT:
        if table is not tables.CLIPS and dataset.has(table):
            _fill(dataset, table)
    ledger = Ledger.of(dataset)
    old = _is_old(dataset, tables.CLIPS)
    rows = _read(dataset, tables.CLIPS)
    clips = tables.frame(tables.CLIPS, rows)
    if old:
        clips = keeping.mint_all(dataset, clips, ledger)
    held = anchors.present(clips)
    keys = dict(zip(held["clip_id"], held["clip_key"], strict=True))
    shown = {clip["clip_id"]: _old_presentation(clip) for clip in rows}
    for table in _CARRIERS:  # before the clips, so that an interrupted upgrade resumes
        if dataset.has(table) and _is_old(dataset, table):
            found = [_with_key(row, keys) for row in _read(dataset, table)]
            for row in found:
                if table is tables.ASSIGNMENTS:
                    row["presentation"] = shown.get(row["clip_id"])
                if table is tables.LABELS:
                    row["votes"] = votes_of(row["votes"])
            frame = tables.frame(table, found)
            if "video_key" in table.names:
                frame = anchors.stamp(frame, ledger.minted)
            dataset.write(table, frame)
    if old:
        dataset.write(tables.KEYS, ledger.table())
        dataset.write(tables.CLIPS, clips)
    follow(dataset)


def votes_of(text: str) -> _Rows:
    """Return votes of format 1, `rater=emotion:confidence` joined by spaces, as rows."""
    return [
        {**match.groupdict(), "confidence": float(match["confidence"])}
        for match in _VOTE.finditer(text)
    ]


def _fill(dataset: Dataset, table: Table) -> None:
    """Write a table with the columns added since; values that were not measured are empty."""
    schema = parquet.schema_of(dataset.path_of(table))
    if not schema.equals(table.schema, check_metadata=False):
        dataset.write(table, tables.frame(table, _read(dataset, table)))


def _is_old(dataset: Dataset, table: Table) -> bool:
    names = parquet.schema_of(dataset.path_of(table)).names
    lacking = {column.name for column in table.columns if not column.added} - set(names)
    return bool(lacking & {"clip_key", "video_key"})


def _read(dataset: Dataset, table: Table) -> _Rows:
    rows: _Rows = parquet.read(dataset.path_of(table)).to_pylist()
    return rows


def _with_key(row: dict[str, Any], keys: dict[str, str]) -> dict[str, Any]:
    """Return the row with its clip's key, or with one made from the name of a removed clip."""
    return row | {"clip_key": keys.get(row["clip_id"], f"?{row['clip_id']}")}


def _old_presentation(clip: dict[str, Any]) -> str:
    """Return the name of a format 1 clip on servers."""
    seen = (clip["clip_id"], clip["start_pts"], clip["end_pts"], clip["track_id"])
    return digest("\0".join(map(str, seen)), 20)
