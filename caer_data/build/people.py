"""Cluster the tracks of one show into persons.

Agglomerative clustering with average linkage on the embeddings' Euclidean distance, as
pyannote.video clusters faces. Two tracks seen at the same time are never one person.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data import tables
from caer_data.files import slug

# A distance no embedding reaches. Averaged over two clusters it still exceeds every threshold, and
# real distances (0 to 2) keep nine digits beside it in double precision.
_NEVER = 1e6

_AVERAGED = 0.88


def track_threshold(face_threshold: float) -> float:
    """Distance at which two tracks are two persons, from that of two single faces.

    A track's embedding is the mean of several; means lie closer together than single faces do,
    those of different people too. Measured on tracks of four faces.
    """
    return _AVERAGED * face_threshold


def cluster(
    show: str,
    tracks: pd.DataFrame,
    embeddings: npt.NDArray[np.float32],
    threshold: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cluster one show's tracks.

    Args:
        show: name of the show.
        tracks: the show's rows of `tracks`, in order.
        embeddings: one row a track, (n, dimensions); a row of NaN where no face could be embedded:
            such a track becomes a person of its own.
        threshold: distance at which clusters are no longer joined.

    Returns:
        The tracks with `person_id`, and the show's rows of `people`. Persons are numbered by time
        on screen, longest first.
    """
    if tracks.empty:
        return tracks, tables.empty(tables.PEOPLE)
    groups = _groups(tracks, embeddings, threshold)
    seconds = (tracks["end_s"] - tracks["start_s"]).to_numpy(float)
    quality = tracks["face_height"].to_numpy(float) * (0.2 + tracks["sharpness"].to_numpy(float))
    total = np.bincount(groups, weights=seconds)
    # ties are broken by the first track, so that the numbers do not depend on the clustering
    first = np.array([np.flatnonzero(groups == g)[0] for g in range(len(total))])
    order = np.lexsort((first, -np.round(total, 6)))
    number = np.empty(len(order), int)
    number[order] = np.arange(1, len(order) + 1)
    names = [f"{slug(show)}.p{number[g]:04d}" for g in groups]
    labelled = tracks.assign(person_id=pd.array(names, dtype=tracks["track_id"].dtype))
    rows = []
    for g in order:
        members = np.flatnonzero(groups == g)
        best = members[np.argmax(quality[members])]
        rows.append(
            {
                "person_id": names[members[0]],
                "show": show,
                "tracks": len(members),
                "shots": int(tracks["shot_id"].iloc[members].nunique()),
                "videos": int(tracks["video_id"].iloc[members].nunique()),
                "seconds": float(round(total[g], 6)),
                "best_track_id": tracks["track_id"].iloc[best],
            }
        )
    return labelled, tables.frame(tables.PEOPLE, rows)


def _groups(
    tracks: pd.DataFrame, embeddings: npt.NDArray[np.float32], threshold: float
) -> npt.NDArray[np.int64]:
    """Cluster number of every track."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    count = len(tracks)
    known = np.flatnonzero(np.isfinite(embeddings).all(axis=1))
    groups = np.empty(count, np.int64)
    used = 0
    if len(known) >= 2:
        distances = pdist(embeddings[known].astype(np.float64))
        together = _seen_together(tracks.iloc[known])
        distances[_condensed(together, len(known))] = _NEVER
        found = fcluster(linkage(distances, "average"), threshold, "distance") - 1
        groups[known] = found
        used = int(found.max()) + 1
    elif len(known) == 1:
        groups[known] = 0
        used = 1
    unknown = np.setdiff1d(np.arange(count), known)
    groups[unknown] = used + np.arange(len(unknown))
    return groups


def _seen_together(tracks: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Pairs (i < j) of tracks of one shot that share frames: (n, 2)."""
    pairs = []
    position = np.arange(len(tracks))
    start = tracks["start_frame"].to_numpy(int)
    end = tracks["end_frame"].to_numpy(int)
    for members in pd.Series(position).groupby(tracks["shot_id"].to_numpy()).indices.values():
        for n, i in enumerate(members):
            pairs += [(i, j) for j in members[n + 1 :] if start[i] < end[j] and start[j] < end[i]]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _condensed(pairs: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Positions of pairs (i < j) in scipy's condensed distance vector."""
    i, j = pairs[:, 0], pairs[:, 1]
    positions: npt.NDArray[np.int64] = count * i - i * (i + 1) // 2 + j - i - 1
    return positions
