"""Compare two releases of a dataset: clips that were added, removed or changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.export import folder
from caer_data.export import manifest as manifests
from caer_data.export.layouts.caer_s_2019 import NAME as LEAKY

COMPARED: Final = (
    "split", "emotion", "votes", "confidence", "agreement", "made_up", "show", "episode",
    "person_id", "start_pts", "end_pts", "source_sha256", "framehash",
)  # fmt: skip
"""Columns of the manifest that are compared; boxes are compared, too."""


@dataclass(frozen=True)
class Clip:
    """A clip of a release, as shown to the user."""

    key: str
    clip_id: str
    split: str
    emotion: str


@dataclass(frozen=True)
class Change:
    """A clip in both releases, and its differences: values before and after, by column."""

    clip: Clip
    columns: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Difference:
    """Differences between two releases.

    Attributes:
        before: number of clips in the first release.
        after: number of clips in the second release.
        came: clips that are only in the second release.
        went: clips that are only in the first release.
        changed: clips in both releases that differ, as they are in the second.
        about: differing fields of `release.json`: values before and after.
    """

    before: int
    after: int
    came: list[Clip]
    went: list[Clip]
    changed: list[Change]
    about: dict[str, tuple[Any, Any]]

    @property
    def same(self) -> bool:
        """Whether both releases have the same clips with the same labels."""
        return not (self.came or self.went or self.changed)


def diff(one: Path, other: Path) -> Difference:
    """Compare two releases of one dataset; clips are matched by key, not by name.

    Raises:
        CaerError: a folder is not a release, cannot be read, or has two clips with the same key.
    """
    before, after = _clips(one), _clips(other)
    common = [key for key in after.index if key in before.index]
    return Difference(
        len(before),
        len(after),
        _listed(after, [key for key in after.index if key not in before.index]),
        _listed(before, [key for key in before.index if key not in after.index]),
        _changes(before, after, common),
        _about(one, other),
    )


def _clips(release: Path) -> pd.DataFrame:
    """Return the clips of a release by key, with the columns that are compared."""
    if not folder.about(release):
        raise CaerError(f"{release}: not a release (it has no {folder.ABOUT}); give its folder")
    manifest = manifests.read(release)
    # caer-s-2019 has its own splits
    usual = manifest[manifest["layout"] != LEAKY]
    rows = usual if len(usual) else manifest
    rows = rows.sort_values("frame", na_position="first", kind="stable")
    clips = rows.drop_duplicates("clip_id").copy()
    # a frame's hash does not identify the clip
    clips["framehash"] = clips["framehash"].where(clips["frame"].isna())
    keys = clips["clip_key"].astype(object).fillna(clips["clip_id"].astype(object))
    if keys.duplicated().any():
        twice = keys[keys.duplicated()].iloc[0]
        raise CaerError(f"{release / 'manifest.parquet'}: two clips have the key {twice}")
    clips["boxes"] = clips["clip_id"].map(_boxes(release))
    return clips.set_index(keys.rename("key")).sort_values("clip_id")


def _boxes(release: Path) -> dict[str, str]:
    """Return for each clip its number of boxes and a checksum of them."""
    boxes = manifests.read_boxes(release).sort_values(["clip_id", "frame"])
    hashes = pd.util.hash_pandas_object(boxes.drop(columns="clip_id"), index=False)
    of_clip = hashes.groupby(boxes["clip_id"], observed=True)
    return {
        str(clip): f"{count} {total:016x}"
        for (clip, count), total in zip(of_clip.size().items(), of_clip.sum(), strict=True)
    }


def _listed(clips: pd.DataFrame, keys: list[Any]) -> list[Clip]:
    return [_clip(str(key), row) for key, row in zip(keys, _rows(clips, keys), strict=True)]


def _rows(clips: pd.DataFrame, keys: list[Any]) -> list[dict[str, Any]]:
    return tables.records(clips.loc[keys])


def _clip(key: str, row: Mapping[str, Any]) -> Clip:
    return Clip(key, row["clip_id"], row["split"], row["emotion"])


def _changes(before: pd.DataFrame, after: pd.DataFrame, keys: list[Any]) -> list[Change]:
    found = []
    pairs = zip(keys, _rows(before, keys), _rows(after, keys), strict=True)
    for key, was, now in pairs:
        columns = {name: (_plain(was[name]), _plain(now[name])) for name in COMPARED}
        changed = {name: both for name, both in columns.items() if both[0] != both[1]}
        if None in changed.get("framehash", ()):
            del changed["framehash"]  # one of the two has only frames, no clips
        boxes = str(was["boxes"]), str(now["boxes"])
        if boxes[0] != boxes[1]:
            changed["boxes"] = boxes[0].split()[0], boxes[1].split()[0]
        if changed:
            found.append(Change(_clip(str(key), now), changed))
    return found


def _about(one: Path, other: Path) -> dict[str, tuple[Any, Any]]:
    """Return the differences between two `release.json` files, by field."""
    was, now = (_facts(release) for release in (one, other))
    names = [name for name in dict.fromkeys([*was, *now]) if was.get(name) != now.get(name)]
    return {name: (was.get(name), now.get(name)) for name in names}


def _facts(release: Path) -> dict[str, Any]:
    facts = folder.about(release).get("facts")
    about = facts.get("about") if isinstance(facts, dict) else None
    return about if isinstance(about, dict) else {}


def _plain(value: Any) -> Any:
    """Return a cell as a JSON value."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
