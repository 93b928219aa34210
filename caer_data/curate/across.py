"""The stage of a build that finds the same person in several shows.

The embeddings stay in the dataset's artifacts; tables contain only the resulting identities.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from caer_data.curate import sightings
from caer_data.curate.analysis_results import faces_artifact, faces_of
from caer_data.curate.keeping import Absent
from caer_data.curate.setup import Setup, Video
from caer_data.engine import tables
from caer_data.engine.artifacts import Artifact, Store
from caer_data.engine.decisions import Decision
from caer_data.faces import across

KINDS: Final = ("merge", "apart")
"""Decisions about persons of several shows."""


def identify(
    setup: Setup,
    videos: list[Video],
    tracks: dict[str, pd.DataFrame],
    people: pd.DataFrame,
    absent: Absent,
) -> tuple[pd.DataFrame, Absent]:
    """Add the column `identity` to people, including those of absent shows with embeddings.

    Args:
        setup: the build.
        videos: the analysed videos.
        tracks: tracks with persons, by `video_id`.
        people: people of all present shows.
        absent: tables of absent videos.

    Returns:
        The people, and the tables of absent videos, both with identities.
    """
    artifacts = [faces_artifact(v.job) for v in videos]
    if not artifacts:
        return people, absent
    models = artifacts[0].json("models.json")
    found = [
        (tracks[v.job.video_id], p.array("embeddings.npy"))
        for v, p in zip(videos, artifacts, strict=True)
    ]
    found += _of_absent(setup, absent, models)
    threshold = setup.recipe.people.threshold or models["track_threshold"]
    more = absent.people[~absent.people["person_id"].isin(people["person_id"])]
    every = pd.concat([people, more], ignore_index=True)
    same, apart = _by_hand(setup, videos, tracks, absent, every)
    identity = across.identities(
        every,
        pd.concat([rows for rows, _ in found], ignore_index=True),
        np.concatenate([vectors for _, vectors in found]),
        threshold,
        same,
        apart,
    )
    every = every.assign(identity=identity)
    here = every.iloc[: len(people)].reset_index(drop=True)
    return here, replace(absent, people=every.iloc[len(people) :].reset_index(drop=True))


def _by_hand(
    setup: Setup,
    videos: list[Video],
    tracks: dict[str, pd.DataFrame],
    absent: Absent,
    people: pd.DataFrame,
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the pairs of persons of two shows that were merged, and those that were separated.

    The last decision about a pair counts. Persons have their current identifiers.
    """
    decisions = [row for row in setup.decisions if row.kind in KINDS]
    persons: dict[str, set[str]] = {row.key: set() for row in decisions}
    for video, own, faces in _seen(videos, tracks, absent, decisions):
        names = dict(zip(own["track_id"], own["person_id"], strict=True))
        for row in decisions:
            at = sightings.tracks_at(video, own, faces, row.about)
            persons[row.key] |= {names[t] for t in at if t is not None and pd.notna(names[t])}
    show = dict(zip(people["person_id"], people["show"], strict=True))
    said: dict[tuple[str, str], str] = {}
    for row in decisions:
        for one, other in itertools.combinations(sorted(persons[row.key] & set(show)), 2):
            if show[one] != show[other]:
                said[one, other] = row.kind
    same, apart = ([pair for pair, kind in said.items() if kind == wanted] for wanted in KINDS)
    return same, apart


def _seen(
    videos: list[Video],
    tracks: dict[str, pd.DataFrame],
    absent: Absent,
    decisions: list[Decision],
) -> Iterator[tuple[Mapping[str, Any], pd.DataFrame, pd.DataFrame]]:
    """Yield the row, tracks and faces of each video, even if absent, that decisions are about."""
    about = {anchor.video_key for row in decisions for anchor in row.about}
    for video in videos:
        if video.job.sha256 in about:
            yield video.row, tracks[video.job.video_id], faces_of(video.job).to_pandas()
    for row in tables.records(absent.videos):
        if row["sha256"] in about:
            own = absent.tracks[absent.tracks["video_id"] == row["video_id"]]
            wanted = pc.is_in(absent.faces["track_id"], pc.cast(own["track_id"].tolist(), "string"))
            yield row, own, absent.faces.filter(wanted).to_pandas()


def _of_absent(
    setup: Setup, absent: Absent, models: dict[str, Any]
) -> list[tuple[pd.DataFrame, npt.NDArray[Any]]]:
    """Return tracks of absent videos with embeddings, if the current models computed them."""
    store, found = Store(setup.work), []
    for video in absent.videos.to_dict("records"):
        own = absent.tracks[absent.tracks["video_id"] == video["video_id"]]
        vectors = next(
            (
                artifact.array("embeddings.npy")
                for artifact in _artifacts(store, str(video["sha256"]))
                if artifact.json("models.json")["embedder"] == models["embedder"]
            ),
            None,
        )
        if vectors is not None and len(vectors) == len(own):
            found.append((own, vectors))
    return found


def _artifacts(store: Store, sha256: str) -> list[Artifact]:
    files = sorted((store.folder / "faces").glob(f"{sha256[:16]}.*.zip"))
    artifacts = [store.get("faces", *path.stem.split(".")) for path in files]
    return [artifact for artifact in artifacts if artifact is not None]
