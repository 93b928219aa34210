"""Corrections of persons by hand, for example from a contact sheet, as decisions.

They take effect with the next build, which finds the tracks again even if their names change.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

import pandas as pd

from caer_data.curate import sightings
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.errors import CaerError
from caer_data.engine.identity import Anchor

KINDS = ("merge", "apart", "split", "name")

_STAND_FOR = 5
"""Number of a person's longest tracks that a decision refers to; finding one again is enough."""


def merge(dataset: Dataset, persons: Sequence[str], who: str, why: str) -> Decision:
    """Decide that several persons are one, and return the decision.

    Persons of several shows keep their identifiers and get the same identity.

    Raises:
        CaerError: fewer than two persons, or persons who are seen at the same time.
    """
    about = about_merge(dataset, persons)
    return Decisions(dataset.folder).append(Decision("merge", who, about, why=why))


def about_merge(dataset: Dataset, persons: Sequence[str]) -> tuple[Anchor, ...]:
    """Return the anchors of a decision that several persons are one: a track of each.

    Raises:
        CaerError: as in `merge`.
    """
    ids = _several(dataset, persons, "a merge")
    tracks = dataset.tracks
    together = _together(tracks[tracks["person_id"].isin(ids)])
    if together:
        raise CaerError(
            f"{together[0]} and {together[1]}: are seen at the same time, so they are two persons; "
            "split off the wrong track first"
        )
    return tuple(_anchors(dataset, person, 1)[0] for person in ids)


def apart(dataset: Dataset, persons: Sequence[str], who: str, why: str) -> Decision:
    """Decide that persons of several shows with similar faces differ, and return the decision.

    Raises:
        CaerError: fewer than two persons, or two of one show.
    """
    ids = _several(dataset, persons, "separating persons")
    people = dataset.people
    shows = people.loc[people["person_id"].isin(ids), "show"]
    if shows.duplicated().any():
        raise CaerError(
            f"{', '.join(ids)}: some are of one show, where they are different persons already; to "
            "divide the tracks of one person, use 'caer-data people split'"
        )
    about = tuple(_anchors(dataset, person, 1)[0] for person in ids)
    return Decisions(dataset.folder).append(Decision("apart", who, about, why=why))


def _several(dataset: Dataset, persons: Sequence[str], what: str) -> list[str]:
    ids = list(dict.fromkeys(person_of(dataset, name) for name in persons))
    if len(ids) < 2:
        raise CaerError(f"{what} needs two or more persons; give the identifier of each")
    return ids


def split(dataset: Dataset, track_ids: Sequence[str], who: str, why: str) -> Decision:
    """Decide that some tracks of a person are another person, and return the decision.

    Raises:
        CaerError: a track does not exist, or the tracks are of several persons or all of one.
    """
    about = about_split(dataset, track_ids)
    return Decisions(dataset.folder).append(Decision("split", who, about, why=why))


def about_split(dataset: Dataset, track_ids: Sequence[str]) -> tuple[Anchor, ...]:
    """Return the anchors of a decision that some tracks of a person are another person.

    Raises:
        CaerError: as in `split`.
    """
    tracks = dataset.tracks
    chosen = tracks[tracks["track_id"].isin(track_ids)]
    missing = sorted(set(track_ids) - set(chosen["track_id"]))
    if missing or chosen.empty:
        raise CaerError(
            f"{dataset.folder}: has no track '{', '.join(missing)}'; 'caer-data people show' "
            "writes a page that lists the tracks of a person"
        )
    persons = sorted(set(chosen["person_id"].dropna()))
    if len(persons) != 1:
        raise CaerError(f"the tracks are of {', '.join(persons)}: split one person at a time")
    if len(chosen) == int((tracks["person_id"] == persons[0]).sum()):
        raise CaerError(f"these are all tracks of {persons[0]}; name those that are somebody else")
    about = sightings.of_dataset(dataset, chosen)
    return tuple(about[key] for key in sorted(about))


def name(dataset: Dataset, person: str, called: str, who: str, why: str) -> Decision:
    """Decide the name of a person, and return the decision.

    Raises:
        CaerError: there is no such person, or the name is empty.
    """
    about = tuple(_anchors(dataset, person_of(dataset, person), _STAND_FOR))
    value = json.dumps(called.strip())
    return Decisions(dataset.folder).append(Decision("name", who, about, value, why))


def undo(dataset: Dataset, key: str | None, who: str, why: str) -> Decision:
    """Undo a correction, by its key or the last one, and return the correction that was undone.

    Raises:
        CaerError: there is no such correction.
    """
    store = Decisions(dataset.folder)
    standing = [row for row in store.standing(*KINDS) if key in (None, row.key)]
    if not standing:
        which = f"'{key}'" if key else "of persons"
        raise CaerError(
            f"{dataset.folder}: there is no correction {which} to undo; see 'caer-data people list'"
        )
    store.append(Decision("undo", who, value=json.dumps(standing[-1].key), why=why))
    return standing[-1]


def person_of(dataset: Dataset, called: str) -> str:
    """Return the identifier of a person who is given by identifier or name.

    Raises:
        CaerError: no person, or more than one, has this name.
    """
    people = dataset.people
    ids = people.loc[(people["person_id"] == called) | (people["name"] == called), "person_id"]
    if len(ids) != 1:
        found = f"{len(ids)} persons" if len(ids) else "nobody"
        raise CaerError(
            f"{dataset.folder}: {found} called '{called}'; give an identifier from 'caer-data "
            "people list'"
        )
    return str(ids.iloc[0])


def _anchors(dataset: Dataset, person: str, count: int) -> list[Anchor]:
    """Return the anchors of a person's longest tracks, the longest first."""
    tracks = dataset.tracks
    own = tracks[tracks["person_id"] == person]
    order = (own["start_s"] - own["end_s"]).sort_values(kind="stable").index[:count]
    about = sightings.of_dataset(dataset, own.loc[order])
    return [about[track] for track in own.loc[order, "track_id"]]


def _together(tracks: pd.DataFrame) -> tuple[str, str] | None:
    """Return two persons who share frames of a shot; None if no two do."""
    for _, own in tracks.groupby("shot_id", observed=True):
        spans = list(zip(own["person_id"], own["start_frame"], own["end_frame"], strict=True))
        for (one, start, end), (other, first, last) in itertools.combinations(spans, 2):
            if one != other and start < last and first < end:
                return str(one), str(other)
    return None
