"""Clustering of the tracks of one show into persons.

As in pyannote.video, clustering is agglomerative with average linkage on the Euclidean distance of
embeddings. Two tracks that are visible at the same time are never one person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine import tables
from caer_data.engine.cores import cores
from caer_data.engine.files import identifier
from caer_data.engine.hashing import digest

# A distance that no embeddings have. Averaged over two clusters, it still exceeds every threshold,
# and real distances (0 to 2) keep nine digits next to it in double precision.
_NEVER = 1e6

_ROWS, _COLUMNS = 1024, 2048  # embeddings compared at a time, so that the products stay in caches
_SLACK = 1e-3  # tolerance of distances in single precision
_ROUNDING = 1e-6  # tolerance of distances in double precision
_SHARES = (8, 4, 2)  # candidates: one in this many dimensions is compared first
_SAMPLE = 1000  # number of embeddings used to choose among them
_MANY = 1 / 1000  # share of a tile's pairs above which it is compared as a whole
_SMALL = 2000  # maximum number of tracks whose distances are computed at once


@dataclass(frozen=True)
class Correction:
    """A correction of persons by hand.

    Attributes:
        apart: if True, the tracks become a person of their own; otherwise the persons of these
            tracks are merged.
        tracks: indexes of tracks of the show.
    """

    apart: bool
    tracks: tuple[int, ...]


def show_ids(shows: Iterable[str]) -> dict[str, str]:
    """Return an identifier for each show.

    It is made from the name alone. If two names differ only in case, the later one gets a hash.
    """
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
    """Cluster one show's tracks into persons.

    Args:
        show: name of the show.
        show_id: prefix of the identifiers of its persons.
        tracks: the show's rows of `tracks`, in order.
        embeddings: one row per track, (n, dimensions). A track with NaN (no face could be embedded)
            becomes a person of its own.
        threshold: distance at which clusters are no longer joined.
        corrections: applied after clustering, in order.

    Returns:
        The tracks with `person_id`, and the show's rows of `people`. Persons are numbered by
        descending time on screen.
    """
    if tracks.empty:
        return tracks.assign(person_id=tracks["track_id"]), tables.empty(tables.PEOPLE)
    groups = _corrected(_groups(tracks, embeddings, threshold), corrections)
    seconds = (tracks["end_s"] - tracks["start_s"]).to_numpy(float)
    quality = tracks["face_height"].to_numpy(float) * (0.2 + tracks["sharpness"].to_numpy(float))
    total = np.bincount(groups, weights=seconds)
    # ties are broken by the first track, so that numbers do not depend on the clustering
    first = np.unique(groups, return_index=True)[1]
    order = np.lexsort((first, -np.round(total, 6)))
    number = np.empty(len(order), int)
    number[order] = np.arange(1, len(order) + 1)
    names = [f"{show_id}.p{number[g]:04d}" for g in groups]
    labelled = tracks.assign(
        person_id=pd.Series(names, tracks.index, dtype=tracks["track_id"].dtype)
    )
    rows = []
    own = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    shots, videos = (pd.factorize(tracks[name])[0] for name in ("shot_id", "video_id"))
    ids = tracks["track_id"].to_numpy()
    for g in order:
        members = own[g]
        best = members[np.argmax(quality[members])]
        rows.append(
            {
                "person_id": names[members[0]],
                "show": show,
                "tracks": len(members),
                "shots": len(set(shots[members].tolist())),
                "videos": len(set(videos[members].tolist())),
                "seconds": float(round(total[g], 6)),
                "best_track_id": ids[best],
            }
        )
    return labelled, tables.frame(tables.PEOPLE, rows)


def _groups(
    tracks: pd.DataFrame, embeddings: npt.NDArray[np.float32], threshold: float
) -> npt.NDArray[np.int64]:
    """Return the cluster number of every track.

    If the average distance of two clusters is within the threshold, so is at least one pair of
    their tracks. A cluster therefore never extends beyond the tracks connected by chains of such
    pairs. Clustering each connected part separately gives the same result, and needs memory for the
    pairs of the largest part only.
    """
    groups = np.arange(len(tracks))  # a track without an embedding stays alone
    known = np.flatnonzero(np.isfinite(embeddings).all(axis=1))
    seen = _seen(tracks)
    part = np.unique(_connected(embeddings[known], threshold), return_inverse=True)[1]
    ends = np.cumsum(np.bincount(part))[:-1]
    for inside in np.split(known[np.argsort(part, kind="stable")], ends):
        if len(inside) < 2:
            continue
        joined = _average_linkage(seen[inside], embeddings[inside], threshold)
        groups[inside] = inside[joined]
    numbers: npt.NDArray[np.int64] = np.unique(groups, return_inverse=True)[1]
    return numbers


def _corrected(
    groups: npt.NDArray[np.int64], corrections: Sequence[Correction]
) -> npt.NDArray[np.int64]:
    """Return the cluster numbers after corrections."""
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
    """Return the connected part of each embedding; pairs within the threshold share a part.

    Each core compares some rows with all later ones. Threads of the matrix library are not used,
    because they spin while waiting and take cores from other processes. A few dimensions are
    compared first, after a rotation that concentrates most of the differences in them: pairs that
    are too far apart in these alone are not neighbours.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from threadpoolctl import threadpool_limits

    count = len(embeddings)
    part = np.arange(count)
    turned = _turned(embeddings)
    limit = np.float32((threshold + _SLACK) ** 2)
    whole, few = _expanded(turned), _expanded(turned[:, : _enough(turned, limit)])
    workers = cores()

    def near(start: int) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        own = slice(start, start + _ROWS)
        of_few, of_whole = ((side[0][own], side[1][start:]) for side in (few, whole))
        return start, *_near(of_few, of_whole, limit)

    with threadpool_limits(1), ThreadPoolExecutor(workers) as threads:
        for first in range(0, count, workers * _ROWS):
            starts = range(first, min(count, first + workers * _ROWS), _ROWS)
            for start, i, j in threads.map(near, starts):
                apart = part[start + i] != part[start + j]
                ends = np.stack([part[start + i[apart]], part[start + j[apart]]])
                edges = np.unique(ends, axis=1)
                if edges.size:
                    one = np.ones(edges.shape[1], bool)
                    graph = coo_array((one, tuple(edges)), shape=(count, count))
                    joined = connected_components(graph, directed=False)[1]
                    part = joined.astype(np.int64)[part]
    return part


def _turned(embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rotate embeddings so that the first dimensions account for most of their distances."""
    some = embeddings[:: max(1, len(embeddings) // _SMALL)].astype(np.float64)
    axes = np.linalg.eigh(np.cov(some, rowvar=False))[1][:, ::-1] if len(some) > 1 else None
    if axes is None:
        return embeddings
    turned: npt.NDArray[np.float32] = embeddings @ axes.astype(np.float32)
    return turned


def _enough(turned: npt.NDArray[np.float32], limit: np.float32) -> int:
    """Return how many of the first dimensions tell nearly all pairs apart; all if fewer do not."""
    some = turned[:: max(1, len(turned) // _SAMPLE)]
    for share in _SHARES:
        count = -(-int(turned.shape[1]) // share)
        rows, columns = _expanded(some[:, :count])
        near = np.count_nonzero(rows @ columns.T <= limit) - len(some)
        if near <= len(some) ** 2 * _MANY / 2:
            return count
    return int(turned.shape[1])


_Sides = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


def _near(
    few: _Sides, whole: _Sides, limit: np.float32
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return rows and columns of products up to a limit, with one tile in memory at a time.

    Args:
        few: rows and columns whose products never exceed those of `whole`.
        whole: rows and columns whose products are compared with the limit.
        limit: the maximum product.
    """
    rows, columns = few
    products = np.empty((len(rows), _COLUMNS), np.float32)
    small = np.empty(products.shape, bool)
    found = []
    for start in range(0, len(columns), _COLUMNS):
        tile = columns[start : start + _COLUMNS]
        if len(tile) < _COLUMNS:
            products, small = (np.empty((len(rows), len(tile)), a.dtype) for a in (products, small))
        np.less_equal(np.matmul(rows, tile.T, out=products), limit, out=small)
        places = np.flatnonzero(small)
        if few[0].shape == whole[0].shape:  # all dimensions were compared
            i, j = np.divmod(places, len(tile))
        elif len(places) > small.size * _MANY:
            of_tile = whole[1][start : start + _COLUMNS]
            np.less_equal(np.matmul(whole[0], of_tile.T, out=products), limit, out=small)
            i, j = np.divmod(np.flatnonzero(small), len(tile))
        else:
            i, j = np.divmod(places, len(tile))
            exact = np.einsum("ij,ij->i", whole[0][i], whole[1][j + start])
            i, j = i[exact <= limit], j[exact <= limit]
        found.append((i, j + start))
    i, j = (np.concatenate(places) for places in zip(*found, strict=True))
    return i, j


def _expanded(
    embeddings: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return two matrices whose product is |a|^2 - 2ab + |b|^2, the squared distances of pairs."""
    squares = (embeddings**2).sum(axis=1, keepdims=True)
    ones = np.ones_like(squares)
    return np.hstack([-2 * embeddings, squares, ones]), np.hstack([embeddings, ones, squares])


def _average_linkage(
    seen: npt.NDArray[np.int64], embeddings: npt.NDArray[np.float32], threshold: float
) -> npt.NDArray[np.int64]:
    """Return, for every track, the first track of its cluster; for `seen` see `_seen_together`."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    together = _seen_together(seen)
    if not len(together) and _all_near(embeddings, threshold):
        return np.zeros(len(seen), np.int64)
    distances = pdist(embeddings.astype(np.float64))
    distances[_condensed(together, len(seen))] = _NEVER
    found = fcluster(linkage(distances, "average"), threshold, "distance")
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    earliest: npt.NDArray[np.int64] = first[inverse]
    return earliest


def _all_near(embeddings: npt.NDArray[np.float32], threshold: float) -> bool:
    """Whether no pair is certainly further apart than the threshold, so that no average is."""
    if len(embeddings) > _SMALL:
        return False
    exact = embeddings.astype(np.float64)
    squares = (exact**2).sum(axis=1)
    furthest = (squares[:, None] + squares - 2 * exact @ exact.T).max()
    return bool(threshold > _ROUNDING and furthest <= (threshold - _ROUNDING) ** 2)


def _seen(tracks: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return each track's shot number, first frame, and one past its last frame: (n, 3)."""
    shot = pd.factorize(tracks["shot_id"])[0]
    frames = (tracks[name].to_numpy(int) for name in ("start_frame", "end_frame"))
    return np.stack([shot, *frames], axis=1)


def _seen_together(seen: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the pairs (i < j) of tracks of one shot that share frames: (n, 2).

    Args:
        seen: the result of `_seen`.
    """
    order = np.argsort(seen[:, 0], kind="stable")
    _, first, count = np.unique(seen[order, 0], return_index=True, return_counts=True)
    pairs = [np.empty((0, 2), np.int64)]
    for n in np.flatnonzero(count > 1):
        members = order[first[n] : first[n] + count[n]]
        i, j = (members[side] for side in np.triu_indices(len(members), 1))
        both = (seen[i, 1] < seen[j, 2]) & (seen[j, 1] < seen[i, 2])
        pairs.append(np.stack([i[both], j[both]], axis=1))
    return np.concatenate(pairs)


def _condensed(pairs: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Return the positions of pairs (i < j) in scipy's condensed distance vector."""
    i, j = pairs[:, 0], pairs[:, 1]
    positions: npt.NDArray[np.int64] = count * i - i * (i + 1) // 2 + j - i - 1
    return positions
