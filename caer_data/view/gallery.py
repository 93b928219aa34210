"""Persons as the page shows them: who, for how long, and the tracks that show them."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from caer_data.engine.decisions import Decisions
from caer_data.view.catalogue import Catalogue, plain
from caer_data.view.noted import about_persons

_FACES: Final = 8
"""Of each person, in the list of all."""
_MAX_TRACKS: Final = 600


def people(catalogue: Catalogue, decisions: Decisions) -> list[dict[str, Any]]:
    """Every person, longest seen first within a show, with the tracks of the largest faces.

    `noted` is what was decided about them by hand.
    """
    noted = about_persons(catalogue, decisions)
    ordered = catalogue.people.sort_values(["show", "seconds"], ascending=[True, False])
    tracks = catalogue.tracks.sort_values("face_height", ascending=False)
    faces = tracks.groupby("person_id", sort=False)["track_id"].agg(lambda ids: list(ids[:_FACES]))
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
    """One person with their tracks, longest first.

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
