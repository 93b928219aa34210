"""Reading the results of a video's analysis from its artifacts.

Artifacts do not contain the video's name: shots are `s0001`, tracks `s0001.t1`. `shots_of`,
`tracks_of` and `faces_of` add the video's identifier as a prefix.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from caer_data.curate import hand_cuts
from caer_data.curate.job import Job
from caer_data.engine import tables
from caer_data.engine.artifacts import Artifact
from caer_data.engine.errors import CaerError
from caer_data.media.fields import Fields
from caer_data.media.probe import VideoInfo


def timestamps(job: Job) -> npt.NDArray[np.int64]:
    """Return the timestamp of every frame of an analysed video, in its time base."""
    pts: npt.NDArray[np.int64] = shots_artifact(job).array("pts.npy")
    return pts


def glimpses(job: Job) -> npt.NDArray[np.uint8]:
    """Return a tiny picture of every frame of an analysed video; see `glimpse`."""
    pictures: npt.NDArray[np.uint8] = shots_artifact(job).array("glimpses.npy")
    return pictures


def retimed(job: Job) -> npt.NDArray[np.int64]:
    """Return `retimed.npy`: frames whose timestamps differ from the file's; see `Job.shots`."""
    rows: npt.NDArray[np.int64] = shots_artifact(job).array("retimed.npy")
    return rows


def described(job: Job, first_pts: int) -> dict[str, Any]:
    """Return the properties of a video that anchors need."""
    return {
        "sha256": job.sha256,
        "width": job.info.width,
        "height": job.info.height,
        "first_pts": first_pts,
        "time_base": str(job.info.time_base),
    }


def shots_artifact(job: Job) -> Artifact:
    """Return the shots artifact of a video after its decode pass."""
    return _present(job.shots, job)


def faces_artifact(job: Job) -> Artifact:
    """Return the faces artifact of an analysed video."""
    return _present(job.faces, job)


def sound_artifact(job: Job) -> Artifact:
    """Return the sound artifact of an analysed video."""
    return _present(job.sound, job)


def speakers_artifact(job: Job) -> Artifact:
    """Return the speakers artifact of an analysed video, if speakers are requested."""
    return _present(job.speakers, job)


def prints_artifact(job: Job) -> Artifact:
    """Return the fingerprints artifact of a video after its decode pass."""
    return _present(job.prints, job)


def measured(job: Job) -> dict[str, Any]:
    """Return the properties of the video that the decode pass determined."""
    values: dict[str, Any] = shots_artifact(job).json("video.json")
    return values


def shown_as(job: Job) -> VideoInfo:
    """Return the video's properties with what its pictures say about its fields.

    Whatever shows its frames after the decode pass uses these, so that all see the same pictures.
    """
    return replace(job.info, fields=Fields(measured(job)["fields"]))


def shots_of(job: Job) -> pd.DataFrame:
    """Return the video's rows of `shots`."""
    if job.cuts:
        shots = tables.check(tables.SHOTS, found_shots(job))
    else:
        shots = tables.read_arrow(tables.SHOTS, shots_artifact(job).open("shots.parquet"))
    return tables.to_pandas(_named(shots, job.video_id))


def found_shots(job: Job) -> pd.DataFrame:
    """Return the detected shots, corrected by decisions by hand."""
    artifact = shots_artifact(job)
    found = tables.read(tables.SHOTS, artifact.open("shots.parquet"))
    if not job.cuts:
        return found
    return hand_cuts.applied(found, artifact.array("pts.npy"), job.info.time_base, job.cuts)


def tracks_of(job: Job) -> pd.DataFrame:
    """Return the video's rows of `tracks`, without persons."""
    tracks = tables.read_arrow(tables.TRACKS, faces_artifact(job).open("tracks.parquet"))
    return tables.to_pandas(_named(tracks, job.video_id))


def faces_of(job: Job) -> pa.Table:
    """Return the video's rows of `faces`."""
    faces = tables.read_arrow(tables.FACES, faces_artifact(job).open("faces.parquet"))
    return _named(faces, job.video_id)


def _named(rows: pa.Table, video_id: str) -> pa.Table:
    """Return rows of an artifact with the identifiers that they have in this dataset."""
    for index, field in enumerate(rows.schema):
        if field.name == "video_id":
            rows = rows.set_column(index, field, pa.repeat(pa.scalar(video_id), len(rows)))
        elif field.name in ("shot_id", "track_id"):
            names = pc.binary_join_element_wise(video_id, rows[field.name], ".")
            rows = rows.set_column(index, field, names)
    return rows


def _present(artifact: Artifact | None, job: Job) -> Artifact:
    if artifact is None:
        raise CaerError(
            f"{job.path}: its intermediate results no longer exist; run the same command again"
        )
    return artifact
