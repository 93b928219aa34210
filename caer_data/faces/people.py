"""Cluster the tracks of one show into persons.

Agglomerative clustering with average linkage on the embeddings' Euclidean distance, as
pyannote.video clusters faces. Two tracks seen at the same time are never one person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine import tables
from caer_data.engine.files import identifier
from caer_data.engine.hashing import digest

# A distance no embedding reaches. Averaged over two clusters it still exceeds every threshold, and
# real distances (0 to 2) keep nine digits beside it in double precision.
_NEVER = 1e6

_ROWS = 1024  # embeddings compared with all others at a time
_SLACK = 1e-3  # of distance: products in single precision are not exact


@dataclass(frozen=True)
class Correction:
    """What somebody who looked says of some tracks, given by their places.

    Attributes:
        apart: the tracks are one person, and nobody else's; else the persons of these tracks are
            one.
        tracks: places among a show's tracks.
    """

    apart: bool
    tracks: tuple[int, ...]


def show_ids(shows: Iterable[str]) -> dict[str, str]:
    """An identifier for each show; only names that differ in capitals alone mind each other."""
    ids: dict[str, str] = {}
    for show in shows:
        name = identifier(show)
        met = name in ids.values()
        ids[show] = f"{name}-{digest(show, 6)}" if met else name
    return ids


def cluster(
    show: str,
    show_id: str,
    tracks: pd.DataFrame,
    embeddings: npt.NDArray[np.float32],
    threshold: float,
    corrections: Sequence[Correction] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cluster one show's tracks.

    Args:
        show: name of the show.
        show_id: begins the identifiers of its persons.
        tracks: the show's rows of `tracks`, in order.
        embeddings: one row per track, (n, dimensions); NaN where no face could be embedded:
            such a track becomes a person of its own.
        threshold: distance at which clusters are no longer joined.
        corrections: made after clustering, in order.

    Returns:
        The tracks with `person_id`, and the show's rows of `people`. Persons are numbered by time
        on screen, longest first.
    """
    if tracks.empty:
        return tracks, tables.empty(tables.PEOPLE)
    groups = _corrected(_groups(tracks, embeddings, threshold), corrections)
    seconds = (tracks["end_s"] - tracks["start_s"]).to_numpy(float)
    quality = tracks["face_height"].to_numpy(float) * (0.2 + tracks["sharpness"].to_numpy(float))
    total = np.bincount(groups, weights=seconds)
    # ties are broken by the first track, so that the numbers do not depend on the clustering
    first = np.array([np.flatnonzero(groups == g)[0] for g in range(len(total))])
    order = np.lexsort((first, -np.round(total, 6)))
    number = np.empty(len(order), int)
    number[order] = np.arange(1, len(order) + 1)
    names = [f"{show_id}.p{number[g]:04d}" for g in groups]
    labelled = tracks.assign(
        person_id=pd.Series(names, tracks.index, dtype=tracks["track_id"].dtype)
    )
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
    """Cluster number of every track.

    Clusters are joined while their average distance is within the threshold, and then at least one
    pair of their tracks is: no cluster reaches beyond the tracks that chains of such pairs
    connect. Each of these parts is clustered for itself, which gives the same clusters and needs
    memory for the pairs of the largest part, not of the whole show.
    """
    groups = np.arange(len(tracks))  # a track that cannot be compared stays alone
    known = np.flatnonzero(np.isfinite(embeddings).all(axis=1))
    part = _connected(embeddings[known], threshold)
    for _, members in pd.Series(known).groupby(part):
        inside = members.to_numpy()
        joined = _average_linkage(tracks.iloc[inside], embeddings[inside], threshold)
        groups[inside] = inside[joined]
    numbers: npt.NDArray[np.int64] = np.unique(groups, return_inverse=True)[1]
    return numbers


def _corrected(
    groups: npt.NDArray[np.int64], corrections: Sequence[Correction]
) -> npt.NDArray[np.int64]:
    """Cluster numbers after corrections."""
    groups = groups.copy()
    for correction in corrections:
        own = list(correction.tracks)
        if correction.apart:
            groups[own] = groups.max() + 1
        else:
            groups[np.isin(groups, groups[own])] = groups[own].min()
    numbers: npt.NDArray[np.int64] = np.unique(groups, return_inverse=True)[1]
    return numbers


def _connected(embeddings: npt.NDArray[np.float32], threshold: float) -> npt.NDArray[np.int64]:
    """Number of the part each embedding belongs to; pairs within the threshold share a part."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(embeddings)
    part = np.arange(count)
    squares = (embeddings**2).sum(axis=1)
    limit = (threshold + _SLACK) ** 2
    for start in range(0, count, _ROWS):
        rows = slice(start, start + _ROWS)
        products = embeddings[rows] @ embeddings[start:].T
        near = squares[rows, None] + squares[None, start:] - 2 * products <= limit
        i, j = np.nonzero(near)
        edges = (np.ones(len(i), bool), (part[start + i], part[start + j]))
        found = connected_components(coo_array(edges, shape=(count, count)), directed=False)[1]
        part = found.astype(np.int64)[part]
    return part


def _average_linkage(
    tracks: pd.DataFrame, embeddings: npt.NDArray[np.float32], threshold: float
) -> npt.NDArray[np.int64]:
    """For every track, the first track of its cluster."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    if len(tracks) == 1:
        return np.zeros(1, np.int64)
    distances = pdist(embeddings.astype(np.float64))
    distances[_condensed(_seen_together(tracks), len(tracks))] = _NEVER
    found = fcluster(linkage(distances, "average"), threshold, "distance")
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    earliest: npt.NDArray[np.int64] = first[inverse]
    return earliest


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
