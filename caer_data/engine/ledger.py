"""Every key ever minted for a clip of a dataset, with what it was minted for; survives rebuilds.

The table `keys` only ever grows. It also remembers each `clip_id` that a clip has had, so that a
list made before a rebuild finds its clips, or is refused where a name has meant two.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from caer_data.engine import anchors, identity, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.identity import Anchor


class Ledger:
    """Keys of a dataset.

    Attributes:
        minted: by key, the anchor that it was minted for.
        names: by key, every `clip_id` it has had.
    """

    def __init__(self) -> None:
        self.minted: dict[str, Anchor] = {}
        self.names: dict[str, set[str]] = {}

    @classmethod
    def of(cls, dataset: Dataset) -> Ledger:
        """Read the ledger; empty before the first build."""
        ledger = cls()
        if dataset.has(tables.KEYS):
            rows = dataset.read(tables.KEYS)
            found = anchors.of_rows(rows)
            for key, names, anchor in zip(rows["clip_key"], rows["names"], found, strict=True):
                if anchor is not None:
                    ledger.minted[key] = anchor
                ledger.names[key] = set(names)
        return ledger

    def assign(self, clip_ids: Sequence[str], found: Sequence[Anchor]) -> list[str]:
        """Give clips their keys, new ones where they are new, and remember their names."""
        keys = identity.assign(found, self.minted)
        for key, name, anchor in zip(keys, clip_ids, found, strict=True):
            self.minted.setdefault(key, anchor)
            self.names.setdefault(key, set()).add(name)
        return keys

    def named(self) -> dict[str, set[str]]:
        """Keys that a `clip_id` has meant, by `clip_id`."""
        found: dict[str, set[str]] = {}
        for key, names in self.names.items():
            for name in names:
                found.setdefault(name, set()).add(key)
        return found

    def one_name_by_key(self) -> dict[str, str]:
        """One of the names each key has had, by key: the last in alphabetical order."""
        return {key: max(names, default=key) for key, names in self.names.items()}

    def table(self) -> pd.DataFrame:
        """As `tables.KEYS`, by key."""
        keys = sorted(self.minted)
        names = [sorted(self.names[key]) for key in keys]
        data = pd.DataFrame({"clip_key": keys, "names": names}, dtype=object)
        found = anchors.columns_of([self.minted[key] for key in keys], data.index)
        return pd.concat([data, found], axis=1)[tables.KEYS.names]
