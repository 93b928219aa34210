"""Compare two releases of a dataset: clips that were added, removed or changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from caer_data.engine import heap
from caer_data.engine.errors import CaerError
from caer_data.export import checked, folder
from caer_data.export import manifest as manifests
from caer_data.export.layouts.caer_s_2019 import NAME as LEAKY

COMPARED: Final = (
    "split", "emotion", "votes", "confidence", "agreement", "made_up", "show", "episode",
    "person_id", "start_s", "end_s", "source_sha256", "framehash",
)  # fmt: skip
"""Columns of the manifest that are compared; boxes are compared, too.

Times are seconds, because timestamps of another rip have another unit.
"""

_TIMES: Final = ("start_s", "end_s")
_SAME_S: Final = 0.0025
"""Maximum difference of equal times: containers such as Matroska round timestamps to 1 ms, also
that of the first frame, and both are rounded again here. A frame of 240 per second takes longer."""


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
        about: differing fields of `release.json` and `release.yaml`: values before and after.
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
    place = before.index.get_indexer(after.index)
    went = np.ones(len(before), np.bool_)
    went[place[place >= 0]] = False
    return Difference(
        len(before),
        len(after),
        _listed(after[place < 0]),
        _listed(before[went]),
        _changes(before.iloc[place[place >= 0]], after[place >= 0]),
        _about(one, other),
    )


def _clips(release: Path) -> pd.DataFrame:
    """Return the clips of a release by key, sorted by name, with the columns that are compared.

    Columns: `clip_id`, those of `COMPARED`, and the boxes: `boxes`, their number, and `boxes_sum`,
    a checksum.
    """
    if not folder.about(release):
        raise CaerError(f"{release}: not a release (it has no {folder.ABOUT}); give its folder")
    usual, leaky = _FirstFiles(), _FirstFiles()
    for part in manifests.parts(release):
        own = checked.by_word(part["layout"], LEAKY.__eq__)  # it has its own splits
        leaky.add(part.filter(pa.array(own)))
        usual.add(part.filter(pa.array(~own)))
    clips = (usual if len(usual) else leaky).rows()
    del usual, leaky
    keys = pd.Index(clips["clip_key"].where(clips["clip_key"].notna(), clips["clip_id"]))
    if keys.has_duplicates:
        twice = keys[keys.duplicated()][0]
        raise CaerError(f"{release / 'manifest.parquet'}: two clips have the key {twice}")
    # a frame's hash does not identify the clip
    clips["framehash"] = clips["framehash"].astype(object).where(clips["frame"].isna())
    clips = clips.drop(columns=["clip_key", "frame"]).set_index(keys.rename("key"))
    clips = clips.sort_values("clip_id")
    clips[[*_TIMES]] = clips[[*_TIMES]].round(3)
    clips["boxes"], clips["boxes_sum"] = _boxes(release, pd.Index(clips["clip_id"]))
    heap.return_unused()
    return clips


class _FirstFiles:
    """The first file of each clip by frame, a whole clip before frames; others are not kept."""

    def __init__(self) -> None:
        self._held: pa.Table | None = None
        self._waiting: list[pa.Table] = []

    def __len__(self) -> int:
        return sum(map(len, self._waiting)) + (0 if self._held is None else len(self._held))

    def add(self, files: pa.Table) -> None:
        """Add files, all after those added before."""
        self._waiting.append(_first_of_clips(files.select(["clip_key", "clip_id", *_OF_FILES])))
        if sum(map(len, self._waiting)) > max(checked.PART, len(self) // 2):
            self._merge()

    def rows(self) -> pd.DataFrame:
        """Return the files, those of whole clips first, then by frame; at least one was added."""
        held = self._merge()
        order = np.argsort(_frames(held), kind="stable")
        clips: pd.DataFrame = held.take(pa.array(order)).to_pandas()
        return clips.astype({"clip_key": object, "clip_id": object})

    def _merge(self) -> pa.Table:
        held = [] if self._held is None else [self._held]
        self._held = _first_of_clips(pa.concat_tables([*held, *self._waiting]))
        self._waiting.clear()
        return self._held


_OF_FILES: Final = ("frame", *COMPARED)


def _first_of_clips(files: pa.Table) -> pa.Table:
    """Return the first file of each clip by frame, in the order of the files."""
    clip = checked.words_of(files["clip_id"].combine_chunks())[0]
    order = np.lexsort((_frames(files), clip))
    is_first = np.append(True, np.diff(clip[order]) != 0)[: len(order)]
    return checked.take(files, np.sort(order[is_first]))


def _frames(files: pa.Table) -> npt.NDArray[np.int64]:
    """Return the frames of files; those of whole clips are -1."""
    return checked.numbers(pc.fill_null(files["frame"], -1))


def _boxes(release: Path, clips: pd.Index) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Return for each clip its number of boxes, and a checksum of them in any order."""
    count, total = np.zeros(len(clips), np.int64), np.zeros(len(clips), np.uint64)
    for part in manifests.parts_of_boxes(release):
        codes, words = checked.words_of(part["clip_id"].combine_chunks())
        clip = clips.get_indexer(words.to_pylist())[codes]
        sums = pd.util.hash_pandas_object(part.drop_columns("clip_id").to_pandas(), index=False)
        known = clip >= 0
        clip, own = clip[known], sums.to_numpy()[known]
        starts = np.flatnonzero(np.append(True, np.diff(clip) != 0)[: len(clip)])
        if len(starts):
            np.add.at(count, clip[starts], np.diff(np.append(starts, len(clip))))
            np.add.at(total, clip[starts], np.add.reduceat(own, starts))
    return count, total


def _listed(clips: pd.DataFrame) -> list[Clip]:
    return [
        Clip(str(key), *row)
        for key, row in zip(
            clips.index, clips[["clip_id", "split", "emotion"]].itertuples(index=False), strict=True
        )
    ]


def _changes(before: pd.DataFrame, after: pd.DataFrame) -> list[Change]:
    """Return the differences between clips in two releases, in the order of the rows."""
    differ = np.zeros((len(after), len(COMPARED)), np.bool_)
    for index, name in enumerate(COMPARED):
        was, now = (clips[name].to_numpy(object) for clips in (before, after))
        empty = pd.isna(was), pd.isna(now)
        differ[:, index] = (was != now) & ~(empty[0] & empty[1])
        if name in _TIMES:
            differ[:, index] &= np.abs(was.astype(float) - now.astype(float)) > _SAME_S
        if name == "framehash":  # one of the two has only frames, no clips
            differ[:, index] &= ~(empty[0] | empty[1])
    counts = [clips["boxes"].to_numpy() for clips in (before, after)]
    sums = [clips["boxes_sum"].to_numpy() for clips in (before, after)]
    boxes_differ = (counts[0] != counts[1]) | (sums[0] != sums[1])
    found = []
    for at in np.flatnonzero(differ.any(axis=1) | boxes_differ):
        columns = {
            name: (_plain(before[name].iloc[at]), _plain(after[name].iloc[at]))
            for name, own in zip(COMPARED, differ[at], strict=True)
            if own
        }
        if boxes_differ[at]:
            columns["boxes"] = str(counts[0][at] or "nan"), str(counts[1][at] or "nan")
        found.append(Change(_listed(after.iloc[at : at + 1])[0], columns))
    return found


def _about(one: Path, other: Path) -> dict[str, tuple[Any, Any]]:
    """Return the differences between two `release.json` files, by field."""
    was, now = (_facts(release) for release in (one, other))
    names = [name for name in dict.fromkeys([*was, *now]) if was.get(name) != now.get(name)]
    return {name: (was.get(name), now.get(name)) for name in names}


def _facts(release: Path) -> dict[str, Any]:
    """Return what a release says about itself, with the fields of its `release.yaml`."""
    facts = folder.about(release).get("facts")
    about, card = (
        facts.get(name) if isinstance(facts, dict) else None for name in ("about", "card")
    )
    stated = {
        f"release.yaml, {name}": value
        for name, value in _object(card).items()
        if value not in (None, []) and name != "license_url"  # which follows from the licence
    }
    return _object(about) | stated


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _plain(value: Any) -> Any:
    """Return a cell as a JSON value."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
