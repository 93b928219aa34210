"""The stage that clusters the faces of each show into persons, corrected by hand."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from caer_data.curate import sightings
from caer_data.curate.analysis_results import faces_artifact, faces_of, tracks_of
from caer_data.curate.setup import Setup, Video
from caer_data.engine import tables
from caer_data.engine.decisions import Decision
from caer_data.faces import people as people_stage
from caer_data.faces.people import Correction

KINDS = ("merge", "split", "name")


def persons(setup: Setup, videos: list[Video]) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Return tracks with persons, by `video_id`, and the people of all shows."""
    started = time.perf_counter()
    models = [faces_artifact(v.job).json("models.json") for v in videos]
    for warning in sorted({w for m in models for w in m["warnings"]}):
        setup.reporter.warn(warning)
    usual = models[0]["track_threshold"] if models else 0.0
    threshold = setup.recipe.people.threshold or usual
    decisions = [row for row in setup.decisions if row.kind in KINDS]
    tracks: dict[str, pd.DataFrame] = {}
    people = [tables.empty(tables.PEOPLE)]
    shows: dict[str, list[Video]] = {}
    for video in videos:
        shows.setdefault(video.row["show"], []).append(video)
    with setup.reporter.stage("people", len(shows), "shows") as bar:
        ids = people_stage.show_ids(shows)
        for show, own in shows.items():
            frames = [tracks_of(v.job) for v in own]
            together = pd.concat(frames, ignore_index=True)
            vectors = [faces_artifact(v.job).array("embeddings.npy") for v in own]
            spoken_of = _tracks_of_decisions(own, frames, decisions)
            labelled, found = people_stage.cluster(
                show,
                ids[show],
                together,
                np.concatenate(vectors),
                threshold,
                _corrections(spoken_of, together),
            )
            ends = np.cumsum([len(frame) for frame in frames])  # clustering keeps the order
            for video, frame, end in zip(own, frames, ends.tolist(), strict=True):
                mine = labelled.iloc[end - len(frame) : end]
                tracks[video.job.video_id] = mine.reset_index(drop=True)
            people.append(_named(found, labelled, spoken_of))
            bar.advance(1, show)
    setup.seconds["people"] = time.perf_counter() - started
    return tracks, pd.concat(people, ignore_index=True)


def _tracks_of_decisions(
    videos: list[Video], frames: list[pd.DataFrame], decisions: Sequence[Decision]
) -> list[tuple[Decision, list[str]]]:
    """Return each decision that refers to tracks of a show, with these tracks."""
    about = {anchor for row in decisions for anchor in row.about}
    found: dict[str, list[str]] = {row.key: [] for row in decisions}
    for video, tracks in zip(videos, frames, strict=True):
        if not any(anchor.video_key == video.job.sha256 for anchor in about):
            continue
        faces = faces_of(video.job).to_pandas()
        for row in decisions:
            at = sightings.tracks_at(video.row, tracks, faces, row.about)
            found[row.key] += [track for track in at if track is not None]
    return [(row, found[row.key]) for row in decisions if found[row.key]]


def _corrections(
    spoken_of: list[tuple[Decision, list[str]]], tracks: pd.DataFrame
) -> list[Correction]:
    """Return the merges and splits of a show, in the order in which they were decided."""
    position = {track: index for index, track in enumerate(tracks["track_id"])}
    return [
        Correction(apart=row.kind == "split", tracks=tuple(position[track] for track in found))
        for row, found in spoken_of
        if row.kind in ("merge", "split")
    ]


def _named(
    people: pd.DataFrame, tracks: pd.DataFrame, spoken_of: list[tuple[Decision, list[str]]]
) -> pd.DataFrame:
    """Return people with their names; if there are several decisions, the last one counts."""
    names: dict[str, str] = {}
    for row, found in spoken_of:
        if row.kind == "name":
            persons = tracks.loc[tracks["track_id"].isin(found), "person_id"]
            names[Counter(persons).most_common(1)[0][0]] = json.loads(row.value)
    return people.assign(name=people["person_id"].map(names).astype(object))
