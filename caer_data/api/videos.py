"""Public functions for videos: datasets, shots, faces, persons."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caer_data.api import given

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from caer_data.curate.result import BuildResult
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.engines import Engine
    from caer_data.engine.pool import Limits
    from caer_data.engine.progress import Reporter
    from caer_data.engine.recipe import Recipe

    Pathlike = str | os.PathLike[str]
    RecipeLike = str | os.PathLike[str] | Mapping[str, Any] | Recipe


def build(
    shows: Pathlike,
    output: Pathlike,
    recipe: RecipeLike | None = None,
    *,
    workers: int | None = None,
    limit: int | None = None,
    pyannote: Pathlike | None = None,
    reporter: Reporter | None = None,
    limits: Limits | None = None,
    drop_rated: bool = False,
    engine: Engine | None = None,
) -> BuildResult:
    """Build a dataset from a folder of shows, or resume one, and write its report.

    It can be called from a script without a `__main__` guard, since worker processes never import
    the caller's file.

    Args:
        shows: folder of shows, or one video.
        output: the dataset's folder.
        recipe: name or file of a recipe, its values, or a `Recipe`; by default the dataset's own,
            otherwise `caer`.
        workers: number of processes; by default one per core.
        limit: maximum number of videos to process.
        pyannote: folder of pyannote.video's results to use instead of detecting shots and faces.
        reporter: receives the progress.
        limits: what one video may use.
        drop_rated: whether to continue if rated clips would be changed or removed.
        engine: runs the work on videos; by default `workers` processes of this machine.

    Returns:
        The result of the build: counts of videos and clips, and failures with their reasons.

    Raises:
        CaerError: there are no videos, the recipe has a mistake, the output folder cannot be
            written or is not a dataset, or another command is working on it.

    >>> done = build("shows", "dataset", {"filter": {"min_sharpness": 0}})
    >>> done.videos, done.kept, done.failed
    (1, 1, {})
    """
    from caer_data.curate import run
    from caer_data.labels.decide import follow
    from caer_data.report import pages
    from caer_data.report.dataset import write_report

    def finish(dataset: Dataset) -> None:
        follow(dataset)
        write_report(dataset)

    return run.build(
        given.path("build", "shows", shows),
        given.path("build", "output", output),
        None if recipe is None else given.recipe("build", recipe),
        workers=None if workers is None else given.whole("build", "workers", workers, 1),
        limit=None if limit is None else given.whole("build", "limit", limit, 1),
        pyannote=None if pyannote is None else given.path("build", "pyannote", pyannote),
        reporter=reporter,
        limits=limits,
        drop_rated=drop_rated,
        engine=engine,
        finish=finish,
        meanwhile=pages.preload,
    )


def detect_shots(video: Pathlike, recipe: RecipeLike = "caer") -> pd.DataFrame:
    """Find the shots of one video, with PySceneDetect's or other detectors and refined cuts.

    They are those that a build finds: the pictures, and not only the file's flags, decide whether
    frames are deinterlaced.

    Args:
        video: a video file.
        recipe: a recipe, of which the sections `media` and `shots` are used.

    Returns:
        One row per shot: `start_frame, end_frame` (one past the last), `start_pts, end_pts` in the
        video's time base, `start_s, end_s` in seconds from its first frame; `cut`, how it begins
        (cut, dissolve or wipe; None for the first shot), and `cut_score`, how clear that is, 0 to
        1.

    Raises:
        CaerError: it is not a video, or no frame can be decoded.

    >>> detect_shots("episode.mp4")[["start_frame", "end_frame"]].values.tolist()
    [[0, 72]]
    """
    import pandas as pd

    from caer_data.engine import recipe as recipes
    from caer_data.engine.cores import cores
    from caer_data.media.probe import probe
    from caer_data.shots.detect import detect

    path = given.path("detect_shots", "video", video)
    chosen = recipes.load(given.recipe("detect_shots", recipe))
    return pd.DataFrame(detect(path, probe(path), chosen.shots, cores()))


@dataclass(frozen=True)
class FoundFaces:
    """Faces of one video, tracked through its shots.

    Attributes:
        shots: one row per shot: `shot_id, video_id, start_frame, end_frame, start_pts, end_pts,
            start_s, end_s`.
        tracks: one row per face tracked through a shot: `track_id, shot_id, video_id,
            start_frame, end_frame, start_s, end_s, coverage, detections, score, face_height,
            sharpness, brightness`.
        faces: one row per box: `track_id, frame, time_s`, `x1, y1, x2, y2` in pixels of the
            displayed frame (right and bottom exclusive), `score, interpolated`.
        embeddings: one row per track, float32 (n, dimensions); NaN if no face could be embedded.
        threshold: maximum distance between the embeddings of one person.
    """

    shots: pd.DataFrame
    tracks: pd.DataFrame
    faces: pd.DataFrame
    embeddings: npt.NDArray[np.float32]
    threshold: float


def find_faces(video: Pathlike, recipe: RecipeLike = "caer") -> FoundFaces:
    """Find the faces of one video and track each of them through its shot.

    Args:
        video: a video file.
        recipe: a recipe, of which the sections `media`, `shots` and `faces` are used.

    Returns:
        The tables `shots`, `tracks` and `faces`, and `embeddings` and `threshold` for
        `cluster_people`: see `FoundFaces`.

    Raises:
        CaerError: it is not a video, no frame can be decoded, or a model is missing.

    >>> found = find_faces("episode.mp4")
    >>> found.tracks[["start_frame", "end_frame"]].values.tolist(), found.embeddings.shape
    ([[0, 72]], (1, 128))
    """
    import tempfile

    from caer_data.curate import analyse, analysis_results, prerequisites
    from caer_data.curate.job import Job
    from caer_data.curate.pyannote_files import Imported
    from caer_data.engine import recipe as recipes
    from caer_data.engine.cores import cores
    from caer_data.engine.files import sha256_of
    from caer_data.media.probe import probe

    path = given.path("find_faces", "video", video)
    chosen = recipes.load(given.recipe("find_faces", recipe))
    prerequisites.check(chosen)
    info = probe(path)  # reports an unusable file before all of it is read
    with tempfile.TemporaryDirectory(prefix="caer-data-") as work:
        job = Job(path, path.stem, sha256_of(path), info, chosen, Path(work), cores(), Imported())
        analyse.analyse(job, lambda stage, seconds: None)
        artifact = analysis_results.faces_artifact(job)
        return FoundFaces(
            analysis_results.shots_of(job),
            analysis_results.tracks_of(job).drop(columns="person_id", errors="ignore"),
            analysis_results.faces_of(job).to_pandas(),
            artifact.array("embeddings.npy"),
            float(artifact.json("models.json")["track_threshold"]),
        )


def cluster_people(
    tracks: pd.DataFrame, embeddings: npt.NDArray[np.float32], threshold: float = 0.4
) -> pd.Series[str]:
    """Cluster tracks into persons by average linkage of embeddings, as pyannote.video does.

    Tracks of one shot that share frames are never one person.

    Args:
        tracks: one row per track: `track_id, shot_id, start_frame, end_frame, start_s, end_s`. They
            may be of several videos if their identifiers are unique.
        embeddings: one row per track, (n, dimensions); NaN for a track that cannot be compared.
        threshold: distance at which clusters are no longer joined; 0.4 suits the embedder `dlib`
            (see `FoundFaces.threshold`).

    Returns:
        The person of every track (`p0001`, `p0002`, ...), indexed like `tracks`. Persons are
        numbered by descending time on screen. Add the show as a prefix before combining several
        shows.

    Raises:
        CaerError: a column is missing or has empty cells, a track occurs twice, there is not one
            embedding per track, or the threshold is negative or not a number.

    >>> import numpy as np, pandas as pd
    >>> tracks = pd.DataFrame({"track_id": ["a", "b", "c"], "shot_id": ["s1", "s1", "s2"]})
    >>> tracks = tracks.assign(start_frame=0, end_frame=9, start_s=0.0, end_s=[0.3, 0.5, 0.4])
    >>> cluster_people(tracks, np.array([[0, 1], [1, 0], [0, 0.9]], np.float32)).tolist()
    ['p0001', 'p0002', 'p0001']
    """
    from caer_data.faces import people

    holds = {"track_id": "its name", "shot_id": "its shot"}
    holds |= {"start_frame": "first frame", "end_frame": "one past its last frame"}
    whole, vectors = given.tracks(
        "cluster_people", tracks, embeddings, **holds, start_s="seconds", end_s="seconds"
    )
    threshold = given.distance("cluster_people", "threshold", threshold)
    rest: dict[str, Any] = {"video_id": "", "face_height": 1.0, "sharpness": 1.0}
    whole = whole.assign(**{n: v for n, v in rest.items() if n not in whole})
    labelled, _ = people.cluster("", "", whole, vectors, threshold)
    return labelled["person_id"].str.removeprefix(".").rename("person_id")
