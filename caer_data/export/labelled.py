"""The labelled clips of a dataset: what a release is made of, one row a clip."""

from __future__ import annotations

import hashlib
import re

import pandas as pd

from caer_data.engine import clip_keys as identity
from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.export.manifest import SOURCES

_VOTE = re.compile(r"(?P<rater>\S.*?)=(?P<answer>[^\s=:]*:[^\s=:]*)(?=\s|$)")


def read(dataset: Dataset) -> pd.DataFrame:
    """Kept clips that have a kept label, joined with both and ordered by `clip_id`.

    Columns are those of `tables.CLIPS` and `tables.LABELS`, and `source_sha256`. Raters are
    numbered (`rater-1`), because the names in the dataset are people's e-mail addresses. A label
    whose clip changed since it was rated is left out (`changed` counts them).

    Raises:
        CaerError: there are no labels, none was kept, or a labelled clip has no media file.
    """
    if not dataset.has(tables.LABELS):
        raise CaerError(
            f"{dataset.folder}: the clips have no labels yet; run 'caer-data annotate pull' or "
            "'caer-data annotate import' first"
        )
    clips, labels, videos = dataset.clips, dataset.labels, dataset.videos
    clips = clips[clips.status == "kept"].drop(columns=["status", "reason"])
    labels = labels[labels.status == "kept"].drop(columns=["status", "reason"])
    other = identity.changed(labels, identity.known(clips))
    labels = labels[~other].drop(columns=identity.COLUMN)
    found = clips.merge(labels, on="clip_id", validate="1:1")
    if found.empty:
        raise CaerError(
            f"{dataset.folder}: no clip has both media and a kept label "
            f"({len(clips)} kept clips, {len(labels)} kept labels, {int(other.sum())} of clips "
            "that changed since they were rated); have more clips rated"
        )
    sources = videos[["video_id", "sha256"]].rename(columns={"sha256": "source_sha256"})
    found = found.merge(sources, on="video_id", how="left", validate="m:1")
    needed = ["path", "width", "height", "fps", "frames", "sha256", "source_sha256", "emotion"]
    lacking = found[found[needed].isna().any(axis=1)]
    if len(lacking):
        raise CaerError(
            f"{dataset.folder}: {len(lacking)} labelled clips have no media record "
            f"(the first is {lacking.clip_id.iloc[0]}); run 'caer-data build' again"
        )
    found["votes"] = without_names(found["votes"])
    return found.sort_values("clip_id", ignore_index=True)


def changed(dataset: Dataset) -> int:
    """Number of kept labels that `read` leaves out: their clip has other frames or another target.

    They were given for what the clip showed when it was rated.
    """
    clips, labels = dataset.clips, dataset.labels
    now = identity.known(clips[clips.status == "kept"])
    return int(identity.changed(labels[labels.status == "kept"], now).sum())


def sources(dataset: Dataset, clips: pd.DataFrame) -> pd.DataFrame:
    """Source videos of some clips, as `SOURCES`."""
    videos = dataset.videos
    used = videos[videos.video_id.isin(clips.video_id.unique())]
    return used[SOURCES.names].sort_values("video_id", ignore_index=True)


def without_names(votes: pd.Series) -> pd.Series:
    """Replace the raters of `rater=emotion:confidence` lists by numbers.

    Numbers follow the hash of the name, so that they do not give away the alphabetical order.
    """
    parsed = [list(_VOTE.finditer(text)) for text in votes]
    names = {match["rater"] for matches in parsed for match in matches}
    ranked = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    number = {name: position for position, name in enumerate(ranked, start=1)}
    return pd.Series(
        [
            " ".join(f"rater-{number[match['rater']]}={match['answer']}" for match in matches)
            for matches in parsed
        ],
        index=votes.index,
        dtype=votes.dtype,
    )
