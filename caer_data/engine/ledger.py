"""The ledger of clip keys: every key ever minted in a dataset, with its anchor.

The table `keys` only ever grows and survives rebuilds. It also remembers each `clip_id` that a clip
has had, so that a list made before a rebuild still finds its clips; a name that has meant two clips
is refused.
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
        minted: the anchor that each key was minted for.
        names: every `clip_id` that the clip of each key has had.
    """

    def __init__(self) -> None:
        self.minted: dict[str, Anchor] = {}
        self.names: dict[str, set[str]] = {}

    @classmethod
    def of(cls, dataset: Dataset) -> Ledger:
        """Read a dataset's ledger; it is empty before the first build."""
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
        """Return the clips' keys, minting one for each new clip, and remember their names."""
        keys = identity.assign(found, self.minted)
        for key, name, anchor in zip(keys, clip_ids, found, strict=True):
            self.minted.setdefault(key, anchor)
            self.names.setdefault(key, set()).add(name)
        return keys

    def named(self) -> dict[str, set[str]]:
        """Return all keys that each `clip_id` has meant."""
        found: dict[str, set[str]] = {}
        for key, names in self.names.items():
            for name in names:
                found.setdefault(name, set()).add(key)
        return found

    def one_name_by_key(self) -> dict[str, str]:
        """Return one name per key: of all those it has had, the last in alphabetical order."""
        return {key: max(names, default=key) for key, names in self.names.items()}

    def table(self) -> pd.DataFrame:
        """Return the ledger as the table `keys`, sorted by key."""
        keys = sorted(self.minted)
        names = [sorted(self.names[key]) for key in keys]
        data = pd.DataFrame({"clip_key": keys, "names": names}, dtype=object)
        found = anchors.columns_of([self.minted[key] for key in keys], data.index)
        return pd.concat([data, found], axis=1)[tables.KEYS.names]
