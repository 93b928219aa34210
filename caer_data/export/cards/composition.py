"""Composition of a release according to its manifest: shows, persons, lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from caer_data.engine import tables

COLUMNS: Final = ("clip_id", "show", "video_id", "person_id", "identity", "start_s", "end_s")
"""Columns of the manifest that `of_manifest` uses."""

MAX_SHOWS: Final = 50
"""Maximum number of shows listed on the card, those with the most clips."""


@dataclass(frozen=True)
class Composition:
    """Statistics of the clips of a release.

    Attributes:
        shows: one dict per show, most clips first: `show, episodes, persons, clips, minutes`.
        more_shows: number of shows not listed.
        persons: number of persons with clips; a person in several shows counts once, if known.
        without_person: number of clips whose person is unknown.
        clips_of_a_person: median and maximum number of clips per person.
        most_shown: share of clips that show the most frequent person.
        seconds: minimum, quartiles and maximum of clip length, in s.
        minutes: total length of all clips.
    """

    shows: tuple[dict[str, Any], ...]
    more_shows: int
    persons: int
    without_person: int
    clips_of_a_person: tuple[float, int]
    most_shown: float
    seconds: tuple[float, ...]
    minutes: float


def of_manifest(manifest: pd.DataFrame) -> Composition:
    """Return statistics of the clips of a manifest, counting each clip once."""
    clips = manifest.drop_duplicates("clip_id")
    clips = clips.assign(
        seconds=clips["end_s"] - clips["start_s"],
        person=clips["identity"].astype(object).fillna(clips["person_id"].astype(object)),
    )
    shows = (
        clips.groupby("show", observed=True)
        .agg(
            episodes=("video_id", "nunique"),
            persons=("person", "nunique"),
            clips=("clip_id", "nunique"),
            seconds=("seconds", "sum"),
        )
        .reset_index()
        .sort_values(["clips", "show"], ascending=[False, True])
    )
    of_person = clips["person"].value_counts()
    most = int(of_person.max()) if len(of_person) else 0
    return Composition(
        shows=tuple(
            {
                "show": str(row.show),
                "episodes": int(row.episodes),
                "persons": int(row.persons),
                "clips": int(row.clips),
                "minutes": float(row.seconds) / 60,
            }
            for row in tables.rows(shows.head(MAX_SHOWS))
        ),
        more_shows=max(0, len(shows) - MAX_SHOWS),
        persons=len(of_person),
        without_person=int(clips["person"].isna().sum()),
        clips_of_a_person=(float(of_person.median()), most) if most else (0.0, 0),
        most_shown=most / len(clips),
        seconds=tuple(float(clips["seconds"].quantile(q)) for q in (0, 0.25, 0.5, 0.75, 1)),
        minutes=float(clips["seconds"].sum() / 60),
    )
