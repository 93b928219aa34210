"""Iterate over the media of entries; media inside tables are read row by row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from caer_data.auditing.layouts.hugging_face import batches
from caer_data.auditing.media import MAX_BYTES, Item
from caer_data.engine import tables
from caer_data.engine.files import inside


def items_of(folder: Path, entries: pd.DataFrame, most: int = 4800) -> Iterator[tuple[int, Item]]:
    """Yield the row and media of every entry that has media.

    Args:
        folder: the dataset.
        entries: `kind, path, member`.
        most: maximum number of pictures kept from each.
    """
    packed: dict[str, list[tuple[int, int, str, str]]] = {}
    for index, row in enumerate(tables.rows(entries)):
        if row.kind == "none" or row.path is None:
            continue
        if row.member is None or pd.isna(row.member):
            yield index, Item(row.kind, inside(folder, row.path), most=most)
        else:
            column, _, number = str(row.member).rpartition(":")
            packed.setdefault(row.path, []).append((int(number), index, column, row.kind))
    for path, members in packed.items():
        yield from _members(inside(folder, path), members, most)


def _members(
    path: Path, members: list[tuple[int, int, str, str]], most: int
) -> Iterator[tuple[int, Item]]:
    """Yield media inside the rows of a table; empty or oversized media are skipped."""
    wanted = {number: (index, kind) for number, index, _, kind in members}
    column = members[0][2]
    at = 0
    for batch in batches(path, [f"{column}.bytes"]):
        cells = batch.column(column).field("bytes")
        for offset in range(len(batch)):
            if at + offset in wanted:
                index, kind = wanted[at + offset]
                data = cells[offset].as_py()
                if data and len(data) <= MAX_BYTES:
                    yield index, Item(kind, Path(f"{path.name}:{at + offset}"), bytes(data), most)
        at += len(batch)
