"""Finds the same person in several shows, by embeddings.

`people` clusters the tracks of each show into persons. This module compares these clusters across
shows by the mean distance between their tracks, and joins them by average linkage, too. Persons of
one show are never joined, since the clustering of that show has separated them. Decisions by hand
take precedence: persons that were merged are compared as one, and persons that were separated are
never joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

_NEVER = 1e6
_MAX_TRACKS = 24  # tracks per person that are compared: those that show the face best
_ROWS = 1024  # number of persons compared with all others at a time
_SLACK = 1e-3  # tolerance of distances, since products in single precision are not exact

Vectors = npt.NDArray[np.float32]


def identities(
    people: pd.DataFrame,
    tracks: pd.DataFrame,
    embeddings: Vectors,
    threshold: float,
    same: Sequence[tuple[str, str]] = (),
    apart: Sequence[tuple[str, str]] = (),
) -> pd.Series:
    """Find the persons of different shows who are the same.

    Args:
        people: rows of `people`; the first of several equal persons gives its name to all.
        tracks: rows of `tracks` with `person_id`.
        embeddings: one row per track; NaN where no face could be embedded.
        threshold: mean distance at which persons are no longer joined.
        same: pairs of persons who were merged by hand, regardless of their faces.
        apart: pairs of persons who were separated by hand, unless `same` contradicts this.

    Returns:
        For each row of `people`, the `person_id` of the first person with this face; None if no
        track of a person has an embedding and nothing was decided by hand.
    """
    names = people["person_id"].to_numpy(object)
    node = _nodes(names, same)
    own = _best(people, tracks, embeddings)
    known = np.array([index for index, rows in enumerate(own) if len(rows)], np.int64)
    vectors = [own[index] for index in known]
    shows = pd.factorize(people["show"])[0][known]
    root = np.arange(len(names))
    different = _different(names, node, apart)
    for members in _parts(vectors, shows, node[known], threshold):
        nodes = node[known[members]]
        never = _never(nodes, shows[members], different)
        groups = _joined([vectors[m] for m in members], nodes, never, threshold)
        for group in np.unique(groups):
            joined = np.unique(nodes)[groups == group]
            root[joined] = joined.min()
    # persons without an embedding are known only if they were merged by hand
    told = np.bincount(node, minlength=len(node))[node] > 1
    told[known] = True
    found = np.full(len(people), None, object)
    found[told] = names[root[node[told]]]
    return pd.Series(found, people.index, dtype=object)


def _nodes(
    names: npt.NDArray[np.object_], same: Sequence[tuple[str, str]]
) -> npt.NDArray[np.int64]:
    """Return, for each person, the index of the first of those merged with it by hand."""
    node = np.arange(len(names))
    at = {name: place for place, name in enumerate(names)}
    for one, other in same:
        if one in at and other in at:
            low, high = sorted((node[at[one]], node[at[other]]))
            node[node == high] = low
    return node


def _different(
    names: npt.NDArray[np.object_], node: npt.NDArray[np.int64], apart: Sequence[tuple[str, str]]
) -> list[tuple[int, int]]:
    """Return the pairs of nodes that were separated by hand."""
    at = {name: int(node[place]) for place, name in enumerate(names)}
    return [(at[a], at[b]) for a, b in apart if a in at and b in at]


def _never(
    nodes: npt.NDArray[np.int64],
    shows: npt.NDArray[np.int64],
    different: Sequence[tuple[int, int]],
) -> npt.NDArray[np.bool_]:
    """Return which nodes of a part must not be joined, shape (n, n)."""
    unique, place = np.unique(nodes, return_inverse=True)
    codes, show = np.unique(shows, return_inverse=True)
    seen = np.zeros((len(unique), len(codes)), np.int64)
    seen[place, show] = 1
    never = (seen @ seen.T) > 0
    at = {int(n): number for number, n in enumerate(unique)}
    for one, other in different:
        if one in at and other in at:
            never[at[one], at[other]] = never[at[other], at[one]] = True
    return np.asarray(never)


def _best(people: pd.DataFrame, tracks: pd.DataFrame, embeddings: Vectors) -> list[Vectors]:
    """Return the embeddings of each person's clearest tracks."""
    finite = np.asarray(np.isfinite(embeddings).all(axis=1), bool)
    clear = (tracks["face_height"] * (0.2 + tracks["sharpness"])).to_numpy(float)
    order = np.lexsort((np.arange(len(tracks)), -clear))
    order = order[finite[order]]
    of_person = (
        pd.Series(order).groupby(tracks["person_id"].to_numpy(object)[order], observed=True).indices
    )
    nothing = np.zeros(0, np.int64)
    indices = (order[of_person.get(name, nothing)[:_MAX_TRACKS]] for name in people["person_id"])
    return [embeddings[index] for index in indices]


def _parts(
    vectors: list[Vectors],
    shows: npt.NDArray[np.int64],
    node: npt.NDArray[np.int64],
    threshold: float,
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the indexes of persons who are connected by chains of close pairs or by their node.

    The distance of two means never exceeds the mean distance, so that no pair is missed.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if len(vectors) < 2:
        return
    means = np.stack([rows.mean(axis=0) for rows in vectors])
    squares = (means**2).sum(axis=1)
    count, limit = len(means), (threshold + _SLACK) ** 2
    part = np.unique(node, return_inverse=True)[1].astype(np.int64)
    for start in range(0, count, _ROWS):
        rows = slice(start, start + _ROWS)
        distances = squares[rows, None] + squares[None, start:] - 2 * means[rows] @ means[start:].T
        i, j = np.nonzero((distances <= limit) & (shows[rows, None] != shows[None, start:]))
        edges = (np.ones(len(i), bool), (part[start + i], part[start + j]))
        found = connected_components(coo_array(edges, shape=(count, count)), directed=False)[1]
        part = found.astype(np.int64)[part]
    for members in pd.Series(np.arange(count)).groupby(part, observed=True).indices.values():
        if len(members) > 1:
            yield np.asarray(members, np.int64)


def _joined(
    vectors: list[Vectors],
    nodes: npt.NDArray[np.int64],
    never: npt.NDArray[np.bool_],
    threshold: float,
) -> npt.NDArray[np.int64]:
    """Return the cluster number of each node; the nearest person of a node is used."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import cdist, squareform

    order = np.argsort(nodes, kind="stable")
    vectors = [vectors[place] for place in order]
    together = np.concatenate(vectors).astype(np.float64)
    starts = np.cumsum([0, *(len(rows) for rows in vectors[:-1])])
    sizes = np.array([len(rows) for rows in vectors])
    distances = np.zeros((len(vectors), len(vectors)))
    for index, rows in enumerate(vectors):
        sums = cdist(rows.astype(np.float64), together).sum(axis=0)
        distances[index] = np.add.reduceat(sums, starts) / (sizes * len(rows))
    distances = (distances + distances.T) / 2
    first = np.unique(nodes[order], return_index=True)[1]
    for axis in (0, 1):
        distances = np.minimum.reduceat(distances, first, axis=axis)
    distances[never] = _NEVER
    np.fill_diagonal(distances, 0)
    if len(distances) < 2:
        return np.ones(len(distances), np.int64)
    found = fcluster(linkage(squareform(distances, checks=False), "average"), threshold, "distance")
    return np.asarray(found, np.int64)
