"""Creates tombstones from the names of videos, persons, clips and raters that a user gives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from caer_data.curate import sightings
from caer_data.engine import anchors, identity, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import Decision
from caer_data.engine.errors import CaerError
from caer_data.engine.forgotten import Forgotten, pseudonym_of_clip
from caer_data.engine.identity import Anchor
from caer_data.engine.secret import secret_of


@dataclass(frozen=True)
class Selection:
    """What a user wants to forget, by names in the dataset.

    Attributes:
        videos: `video_id`, path or hash of videos.
        persons: `person_id` of persons, or names given by hand.
        clips: `clip_id` or `clip_key` of clips.
        raters: e-mail addresses or names of raters.
    """

    videos: Sequence[str] = ()
    persons: Sequence[str] = ()
    clips: Sequence[str] = ()
    raters: Sequence[str] = ()

    def __bool__(self) -> bool:
        return any((self.videos, self.persons, self.clips, self.raters))


def tombstones(dataset: Dataset, asked: Selection, who: str, why: str) -> list[Decision]:
    """Return one tombstone for each name given, except for those that exist already.

    Nothing is written. If the same command was interrupted, the dataset may no longer contain a
    name; it is then recognised by its hash.

    Raises:
        CaerError: the dataset contains nothing with this name.
    """
    earlier = Forgotten.of(dataset.folder)
    known = {str(row.content.get("asked")) for row in earlier.tombstones}
    same = {(row.about, _without_asked(row)) for row in earlier.tombstones}
    found: list[Decision] = []
    for what, names in (
        ("video", asked.videos),
        ("person", asked.persons),
        ("clip", asked.clips),
        ("rater", asked.raters),
    ):
        for name in names:
            about, described = _FINDERS[what](dataset, name)
            mark = identity.pseudonym(secret_of(dataset.folder), f"{what} {name}")
            if not about and not described:
                if mark in known:
                    continue
                raise CaerError(
                    f"{dataset.folder}: contains no {what} '{name}'; see {_WHERE[what]} for all "
                    f"{what}s"
                )
            value = json.dumps({"what": what, "asked": mark, **described}, sort_keys=True)
            row = Decision("forget", who, tuple(about), value, why)
            if (row.about, _without_asked(row)) not in same:
                found.append(row)
    return [replace(row, who=who) for row in found]


_WHERE = {
    "video": "'caer-data inspect'",
    "person": "'caer-data people list'",
    "clip": "the table 'clips'",
    "rater": "'caer-data annotate status'",
}


def _without_asked(row: Decision) -> str:
    return json.dumps({k: v for k, v in row.content.items() if k != "asked"}, sort_keys=True)


def _video(dataset: Dataset, name: str) -> tuple[list[Anchor], dict[str, Any]]:
    videos = dataset.videos
    hit = videos["sha256"].notna() & (
        (videos["video_id"] == name) | (videos["path"] == name) | (videos["sha256"] == name)
    )
    keys = sorted(set(videos.loc[hit, "sha256"]))
    if not keys:
        return [], {}
    return [], {"videos": keys, **clips_in(dataset, Forgotten(videos=frozenset(keys)))}


def _person(dataset: Dataset, name: str) -> tuple[list[Anchor], dict[str, Any]]:
    people, tracks = dataset.people, dataset.tracks
    ids = set(people.loc[(people["person_id"] == name) | (people["name"] == name), "person_id"])
    own = tracks[tracks["person_id"].isin(ids)]
    about = [anchor for _, anchor in sorted(sightings.of_dataset(dataset, own).items())]
    return about, clips_in(dataset, Forgotten(spans=tuple(about))) if about else {}


def _clip(dataset: Dataset, name: str) -> tuple[list[Anchor], dict[str, Any]]:
    keys = dataset.keys if dataset.has(tables.KEYS) else tables.empty(tables.KEYS)
    named = [name in names for names in keys["names"]]
    minted = keys[(keys["clip_key"] == name) | pd.Series(named, index=keys.index, dtype=bool)]
    if len(set(minted["clip_key"])) > 1:
        raise CaerError(
            f"'{name}' has been the name of {len(minted)} clips; give a key instead, one of "
            f"{', '.join(sorted(minted['clip_key']))}"
        )
    about = [replace(anchor, box=None) for anchor in anchors.of_rows(minted) if anchor]
    return about, clips_in(dataset, Forgotten(spans=tuple(about))) if about else {}


def _rater(dataset: Dataset, name: str) -> tuple[list[Anchor], dict[str, Any]]:
    rater = name.strip().lower()
    exists = any(
        rater in set(dataset.read(table)["rater"])
        for table in (tables.ASSIGNMENTS, tables.RATINGS, tables.CHECKS)
        if dataset.has(table)
    )
    pseudonym = identity.pseudonym(secret_of(dataset.folder), rater)
    return [], {"raters": [pseudonym]} if exists else {}


_FINDERS = {"video": _video, "person": _person, "clip": _clip, "rater": _rater}


def clips_in(dataset: Dataset, forgotten: Forgotten) -> dict[str, list[str]]:
    """Return the keys of clips that show what is forgotten, and pseudonyms of all their names."""
    keys = dataset.keys if dataset.has(tables.KEYS) else tables.empty(tables.KEYS)
    found = anchors.of_rows(keys)
    gone = [anchor is not None and forgotten.covers(anchor) for anchor in found]
    rows = keys[pd.Series(gone, index=keys.index, dtype=bool)]
    names = {name for names in rows["names"] for name in names}
    return {
        "clips": sorted(rows["clip_key"]),
        "names": sorted(pseudonym_of_clip(dataset.folder, name) for name in names),
    }
