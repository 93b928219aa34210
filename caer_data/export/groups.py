"""Groups of clips that stay together when a dataset is split."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine.errors import CaerError

GROUP_OF: Final = {
    "clip": "shot_id",
    "video": "video_id",
    "show": "show",
    "person": "person_id",
    "scene": "scene_id",
}
"""Column that defines the groups, by the word of `--by`."""

JOIN: Final = "+"
"""Separator between several words of `--by`."""


def words_of(by: str) -> list[str]:
    """Return the words of a grouping such as `person+scene`.

    Raises:
        CaerError: a word is unknown or occurs twice.
    """
    words = by.split(JOIN)
    if len(set(words)) < len(words) or not set(words) <= GROUP_OF.keys():
        raise CaerError(
            f"cannot split by '{by}'; use {', '.join(GROUP_OF)}, or several joined by '{JOIN}'"
        )
    return words


def groups_of(clips: pd.DataFrame, by: str) -> pd.Series:
    """Return the name of each clip's group.

    Args:
        clips: `clip_id` and the columns of `GROUP_OF` for the words of `by`. The optional column
            `identity` links persons across shows.
        by: a word of `GROUP_OF`, or several words; clips that share any of them form a group.

    Raises:
        CaerError: a word is unknown.
    """
    columns = [_column(clips, word) for word in words_of(by)]
    if len(columns) == 1:
        return columns[0]
    codes = [pd.factorize(column)[0] for column in columns]
    part = connected(
        len(clips), *(np.stack([np.arange(len(clips)), _first_of(code)]) for code in codes)
    )
    # a component is named by its first name in sorted order, whatever the order of rows
    names = columns[0].astype(str)
    return names.groupby(part, observed=True).transform("min")


def _column(clips: pd.DataFrame, word: str) -> pd.Series:
    own = clips["clip_id"].astype(object)
    # a clip without a known person forms its own group
    named = clips[GROUP_OF[word]].astype(object).fillna(own)
    if word == "person" and "identity" in clips:
        return clips["identity"].astype(object).fillna(named)
    return named


def _first_of(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each row the index of the first row with the same code."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.asarray(first[inverse.reshape(-1)], np.int64)


def connected(count: int, *edges: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the component number of each of `count` nodes; edges are pairs, shape (2, n)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.concatenate([np.zeros((2, 0), np.int64), *edges], axis=1)
    graph = coo_array((np.ones(pairs.shape[1], bool), (pairs[0], pairs[1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def with_scenes(clips: pd.DataFrame, repeated: pd.DataFrame) -> pd.DataFrame:
    """Return the clips with `scene_id`, the first of all shots that show the same footage.

    Args:
        clips: `clip_id, shot_id`.
        repeated: pairs of clips, `clip_id, of_clip_id`; pairs with other clips are ignored.
    """
    index = pd.Series(np.arange(len(clips)), clips["clip_id"].to_numpy(object))
    known = repeated[
        repeated["clip_id"].isin(index.index) & repeated["of_clip_id"].isin(index.index)
    ]
    pairs = np.stack([index[known[name]].to_numpy(np.int64) for name in ("clip_id", "of_clip_id")])
    shots = pd.factorize(clips["shot_id"])[0]
    part = connected(len(clips), pairs, np.stack([np.arange(len(clips)), _first_of(shots)]))
    return clips.assign(
        scene_id=clips["shot_id"].astype(object).groupby(part, observed=True).transform("min")
    )
