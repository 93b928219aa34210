"""Persons for the page: identifiers, time on screen, and tracks."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from caer_data.engine.decisions import Decisions
from caer_data.view.catalogue import Catalogue, plain
from caer_data.view.noted import about_persons

_FACES: Final = 8
"""Maximum number of tracks per person in the list of all persons."""
_MAX_TRACKS: Final = 600


def people(catalogue: Catalogue, decisions: Decisions) -> list[dict[str, Any]]:
    """Return all persons, longest on screen first within a show, with their largest faces.

    `noted` has the decisions made about them by hand.
    """
    noted = about_persons(catalogue, decisions)
    ordered = catalogue.people.sort_values(["show", "seconds"], ascending=[True, False])
    tracks = catalogue.tracks.sort_values("face_height", ascending=False)
    faces = tracks.groupby("person_id", sort=False, observed=True)["track_id"].agg(
        lambda ids: list(ids[:_FACES])
    )
    clips = catalogue.clips
    kept = clips.loc[clips["status"] != "dropped", "person_id"].value_counts()
    return [
        plain(row)
        | {
            "faces": faces.get(row["person_id"], []),
            "clips": int(kept.get(row["person_id"], 0)),
            "noted": noted.get(row["person_id"], []),
        }
        for row in ordered.to_dict("records")
    ]


def person(catalogue: Catalogue, decisions: Decisions, person_id: str) -> dict[str, Any]:
    """Return one person with their tracks, longest first.

    Raises:
        UnknownNameError: there is no such person.
    """
    row = catalogue.row("people", person_id)
    own = catalogue.tracks[catalogue.tracks["person_id"] == person_id]
    length: pd.Series[float] = own["end_s"] - own["start_s"]
    own = own.assign(seconds=length).sort_values("seconds", ascending=False)
    names = ["track_id", "shot_id", "video_id", "seconds", "face_height", "sharpness"]
    return plain(row) | {
        "noted": about_persons(catalogue, decisions).get(person_id, []),
        "all_tracks": len(own),
        "own_tracks": [plain(r) for r in own[names].head(_MAX_TRACKS).to_dict("records")],
    }
