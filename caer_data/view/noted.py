"""Decisions about persons and cuts, under their current names.

The page shows them at once, although they take effect only with the next build.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, Final

import pandas as pd

from caer_data.curate import corrections, hand_cuts, sightings
from caer_data.engine import tables
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.identity import Anchor
from caer_data.view.catalogue import Catalogue

_BOX: Final = ["track_id", "frame", "time_s", "x1", "y1", "x2", "y2"]


def about_persons(catalogue: Catalogue, decisions: Decisions) -> dict[str, list[dict[str, Any]]]:
    """Return merges, splits and names in effect by `person_id`: `kind`, `value`, other persons."""
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in decisions.standing(*corrections.KINDS):
        persons = list(dict.fromkeys(_persons_at(catalogue, row)))
        for person in persons:
            others = [other for other in persons if other != person]
            found[person].append({"kind": row.kind, "value": row.content, "others": others})
    return dict(found)


def about_cuts(video: dict[str, Any], decisions: Decisions) -> list[dict[str, Any]]:
    """Return decisions in effect about cuts in a video: `kind`, `at_s`, `to_s`, `who`, `why`."""
    if pd.isna(video["first_pts"]):
        return []
    return [
        {
            "kind": row.kind,
            "at_s": _seconds(video, row.about[0].start_pts),
            "to_s": None if row.content is None else _seconds(video, row.content),
            "who": row.who,
            "why": row.why,
        }
        for row in decisions.standing(*hand_cuts.KINDS)
        if row.about[0].video_key == video["sha256"]
    ]


def _seconds(video: dict[str, Any], pts: int) -> float:
    return float((pts - int(video["first_pts"])) * Fraction(video["time_base"]))


def _persons_at(catalogue: Catalogue, row: Decision) -> Iterator[str]:
    """Yield the current persons shown at the anchors of a decision."""
    for video in tables.records(catalogue.videos[catalogue.videos["status"] != "duplicate"]):
        own = [anchor for anchor in row.about if anchor.video_key == video["sha256"]]
        if not own or pd.isna(video["first_pts"]):
            continue
        near = _near(catalogue.tracks, video, own)
        path = catalogue.dataset.path_of(tables.FACES)
        faces = tables.read_some(tables.FACES, path, _BOX, track_id=near.index)
        for track in sightings.tracks_at(video, near, faces, own):
            person = None if track is None else near.loc[track, "person_id"]
            if isinstance(person, str):
                yield person


def _near(tracks: pd.DataFrame, video: dict[Any, Any], anchors: Sequence[Anchor]) -> pd.DataFrame:
    """Return tracks of a video that overlap in time with an anchor, or nearly do."""
    of_video = pd.DataFrame(tracks[tracks["video_id"] == video["video_id"]])
    fits = pd.Series(data=False, index=of_video.index, dtype=bool)
    for anchor in anchors:
        start, end = (_seconds(video, pts) for pts in (anchor.start_pts, anchor.end_pts))
        fits |= (of_video["start_s"] < end + 1) & (of_video["end_s"] > start - 1)
    return of_video.loc[fits]
