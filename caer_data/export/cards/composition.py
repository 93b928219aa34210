"""What a release is made of, by its manifest: shows, persons, lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from caer_data.engine import tables

MAX_SHOWS: Final = 50
"""Shows that the card lists, those with most clips."""


@dataclass(frozen=True)
class Composition:
    """Statistics of the clips of a release.

    Attributes:
        shows: one dict per show, most clips first: `show, episodes, persons, clips, minutes`.
        more_shows: shows that are not listed.
        persons: persons of whom there are clips, over all shows where that is known.
        without_person: clips whose person is not known.
        clips_of_a_person: median and largest number.
        most_shown: share of the clips that show the person who is shown most.
        seconds: shortest clip, quartiles, longest, s.
        minutes: length of all clips together.
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
    """Statistics of the clips of a manifest, each clip once."""
    clips = manifest.drop_duplicates("clip_id")
    clips = clips.assign(
        seconds=clips["end_s"] - clips["start_s"],
        person=clips["identity"].astype(object).fillna(clips["person_id"]),
    )
    shows = (
        clips.groupby("show")
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
