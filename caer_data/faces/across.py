"""The same person in several shows, by the embeddings of all shows.

Persons of a show are clustered by `people`; here these clusters are compared with those of other
shows, by the mean distance between their tracks, and joined by average linkage as there. Persons of
one show are never joined: the show's own clustering said that they differ.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

_NEVER = 1e6
_MOST = 24  # tracks of a person that are compared, those that show the face best
_ROWS = 1024  # number of persons compared with all others at a time
_SLACK = 1e-3  # of distance: products in single precision are not exact

Vectors = npt.NDArray[np.float32]


def identities(
    people: pd.DataFrame, tracks: pd.DataFrame, embeddings: Vectors, threshold: float
) -> pd.Series:
    """Which persons of different shows are one.

    Args:
        people: rows of `people`; the first of several persons who are one names them all.
        tracks: rows of `tracks` with `person_id`.
        embeddings: one row per track; NaN where no face could be embedded.
        threshold: mean distance at which persons are no longer joined.

    Returns:
        The `person_id` of the first person with this face, by the index of `people`; None if no
        track of a person has an embedding.
    """
    own = _best(people, tracks, embeddings)
    known = [index for index, vectors in enumerate(own) if len(vectors)]
    vectors = [own[index] for index in known]
    shows = pd.factorize(people["show"].iloc[known])[0]
    first = np.arange(len(known))
    for members in _parts(vectors, shows, threshold):
        groups = _joined([vectors[m] for m in members], shows[members], threshold)
        for group in np.unique(groups):
            first[members[groups == group]] = members[groups == group].min()
    names = people["person_id"].to_numpy(object)
    found = np.full(len(people), None, object)
    found[known] = names[np.asarray(known, int)[first]]
    return pd.Series(found, people.index, dtype=object)


def _best(people: pd.DataFrame, tracks: pd.DataFrame, embeddings: Vectors) -> list[Vectors]:
    """Embeddings of each person's clearest tracks."""
    finite = np.asarray(np.isfinite(embeddings).all(axis=1), bool)
    clear = (tracks["face_height"] * (0.2 + tracks["sharpness"])).to_numpy(float)
    order = np.lexsort((np.arange(len(tracks)), -clear))
    order = order[finite[order]]
    of_person = pd.Series(order).groupby(tracks["person_id"].to_numpy(object)[order]).indices
    nothing = np.zeros(0, np.int64)
    indices = (order[of_person.get(name, nothing)[:_MOST]] for name in people["person_id"])
    return [embeddings[index] for index in indices]


def _parts(
    vectors: list[Vectors], shows: npt.NDArray[np.int64], threshold: float
) -> Iterator[npt.NDArray[np.int64]]:
    """Places of persons whom chains of close pairs of different shows connect.

    The distance of two means is at most the mean distance, so that no pair is missed.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if len(vectors) < 2:
        return
    means = np.stack([rows.mean(axis=0) for rows in vectors])
    squares = (means**2).sum(axis=1)
    count, limit = len(means), (threshold + _SLACK) ** 2
    part: npt.NDArray[np.int64] = np.arange(count)
    for start in range(0, count, _ROWS):
        rows = slice(start, start + _ROWS)
        distances = squares[rows, None] + squares[None, start:] - 2 * means[rows] @ means[start:].T
        i, j = np.nonzero((distances <= limit) & (shows[rows, None] != shows[None, start:]))
        edges = (np.ones(len(i), bool), (part[start + i], part[start + j]))
        found = connected_components(coo_array(edges, shape=(count, count)), directed=False)[1]
        part = found.astype(np.int64)[part]
    for members in pd.Series(np.arange(count)).groupby(part).indices.values():
        if len(members) > 1:
            yield np.asarray(members, np.int64)


def _joined(
    vectors: list[Vectors], shows: npt.NDArray[np.int64], threshold: float
) -> npt.NDArray[np.int64]:
    """Cluster number of each person."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import cdist, squareform

    together = np.concatenate(vectors).astype(np.float64)
    starts = np.cumsum([0, *(len(rows) for rows in vectors[:-1])])
    sizes = np.array([len(rows) for rows in vectors])
    distances = np.zeros((len(vectors), len(vectors)))
    for index, rows in enumerate(vectors):
        sums = cdist(rows.astype(np.float64), together).sum(axis=0)
        distances[index] = np.add.reduceat(sums, starts) / (sizes * len(rows))
    distances[shows[:, None] == shows[None, :]] = _NEVER
    distances = (distances + distances.T) / 2
    np.fill_diagonal(distances, 0)
    found = fcluster(linkage(squareform(distances, checks=False), "average"), threshold, "distance")
    return np.asarray(found, np.int64)
