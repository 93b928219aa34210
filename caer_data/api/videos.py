"""From videos: datasets, shots, faces, persons."""

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

    Works from a plain script, too: worker processes never import the caller's file.

    Args:
        shows: folder of shows, or one video.
        output: the dataset's folder.
        recipe: name or file of a recipe, its values, or one read before; without one the dataset's
            own, else `caer`.
        workers: processes; without a number, one for each core.
        limit: process at most this many videos.
        pyannote: folder of pyannote.video's results, taken instead of finding shots and faces.
        reporter: receives the progress.
        limits: what one video may use.
        drop_rated: continue where rated clips would change or be removed.
        engine: where videos are worked on; without one, on this machine by `workers`.

    Returns:
        Result of the build: counts of videos and clips, failures with their reasons.

    Raises:
        CaerError: no videos, a mistake in the recipe, a folder that cannot be written or that holds
            something other than a dataset, or one that another command is working on.

    >>> done = build("shows", "dataset", {"filter": {"min_sharpness": 0}})
    >>> done.videos, done.kept, done.failed
    (1, 1, {})
    """
    from caer_data.curate import run
    from caer_data.labels.decide import follow
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
    )


def detect_shots(video: Pathlike, recipe: RecipeLike = "caer") -> pd.DataFrame:
    """Find the shots of one video: PySceneDetect's detectors and others, cuts refined.

    Args:
        video: a video file.
        recipe: its sections `media` and `shots` count.

    Returns:
        One row per shot: `start_frame, end_frame` (one past the last), `start_pts, end_pts` in the
        video's time base, `start_s, end_s` in seconds from its first frame; `cut`, how it begins
        (cut, dissolve, wipe; None: the first), and `cut_score`, how clear that is, 0 to 1.

    Raises:
        CaerError: not a video, or none of its frames can be decoded.

    >>> detect_shots("episode.mp4")[["start_frame", "end_frame"]].values.tolist()
    [[0, 72]]
    """
    import pandas as pd

    from caer_data.engine import recipe as recipes
    from caer_data.media.decode import frames
    from caer_data.media.probe import probe
    from caer_data.shots.detect import ShotDetector

    path = given.path("detect_shots", "video", video)
    chosen = recipes.load(given.recipe("detect_shots", recipe))
    info = probe(path)
    detector = ShotDetector(chosen.shots, info)
    for frame in frames(path, info, for_analysis=True):
        detector.push(frame)
    return pd.DataFrame(detector.finish())


@dataclass(frozen=True)
class FoundFaces:
    """Faces of one video, followed through its shots.

    Attributes:
        shots: one row per shot: `shot_id, video_id, start_frame, end_frame, start_pts, end_pts,
            start_s, end_s`.
        tracks: one row per face followed through a shot: `track_id, shot_id, video_id,
            start_frame, end_frame, start_s, end_s, coverage, detections, score, face_height,
            sharpness, brightness`.
        faces: one row per box: `track_id, frame, time_s`, `x1, y1, x2, y2` in pixels of the
            displayed frame (right and bottom exclusive), `score, interpolated`.
        embeddings: one row per track, float32 (n, dimensions); NaN where none could be made.
        threshold: distance of embeddings within which two tracks are one person.
    """

    shots: pd.DataFrame
    tracks: pd.DataFrame
    faces: pd.DataFrame
    embeddings: npt.NDArray[np.float32]
    threshold: float


def find_faces(video: Pathlike, recipe: RecipeLike = "caer") -> FoundFaces:
    """Find the faces of one video and follow each through its shot.

    Args:
        video: a video file.
        recipe: its sections `media`, `shots` and `faces` count.

    Returns:
        The tables `shots`, `tracks` and `faces`, and `embeddings` and `threshold` for
        `cluster_people`: see `FoundFaces`.

    Raises:
        CaerError: not a video, none of its frames can be decoded, or a model is missing.

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
    info = probe(path)  # says what is wrong with the file, before all of it is read
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
    """Tell which tracks show one person: average linkage of embeddings, as pyannote.video does.

    Tracks of one shot that share frames are never one person.

    Args:
        tracks: one row per track: `track_id, shot_id, start_frame, end_frame, start_s, end_s`; of
            several videos, if the identifiers are unique over all of them.
        embeddings: one row per track, (n, dimensions); NaN for a track that cannot be compared.
        threshold: distance at which clusters are no longer joined; 0.4 suits the embedder `dlib`
            (see `FoundFaces.threshold`).

    Returns:
        `p0001`, `p0002`, ... for every track, indexed like `tracks`: longest on screen first. Put
        the show in front where persons of several shows come together.

    Raises:
        CaerError: a column is missing or has empty cells, a track occurs twice, there is not one
            embedding per track, or the threshold is no number of 0 or more.

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
