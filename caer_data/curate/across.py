"""The stage of a build that finds the same person in several shows.

The embeddings stay in the dataset's artifacts: tables say who is whom, and nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.curate.analysis_results import faces_artifact
from caer_data.curate.keeping import Absent
from caer_data.curate.setup import Setup, Video
from caer_data.engine.artifacts import Artifact, Store
from caer_data.faces import across


def identify(
    setup: Setup,
    videos: list[Video],
    tracks: dict[str, pd.DataFrame],
    people: pd.DataFrame,
    absent: Absent,
) -> tuple[pd.DataFrame, Absent]:
    """People with `identity`, including those of absent shows whose embeddings exist.

    Args:
        setup: the build.
        videos: those that were analysed.
        tracks: with persons, by `video_id`.
        people: of all shows that are present.
        absent: tables of videos that are absent today.
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
    identity = across.identities(
        every,
        pd.concat([rows for rows, _ in found], ignore_index=True),
        np.concatenate([vectors for _, vectors in found]),
        threshold,
    )
    every = every.assign(identity=identity)
    here = every.iloc[: len(people)].reset_index(drop=True)
    return here, replace(absent, people=every.iloc[len(people) :].reset_index(drop=True))


def _of_absent(
    setup: Setup, absent: Absent, models: dict[str, Any]
) -> list[tuple[pd.DataFrame, npt.NDArray[Any]]]:
    """Tracks of absent videos with their embeddings, of the models that are used today."""
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
