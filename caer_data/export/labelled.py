"""The labelled clips of a dataset, which make up a release, one row per clip."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from caer_data.engine import anchors, identity, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import LABELS
from caer_data.engine.errors import CaerError
from caer_data.engine.secret import secret_of
from caer_data.export import possible
from caer_data.export.manifest import SOURCES
from caer_data.labels import vote_text


def read(dataset: Dataset) -> pd.DataFrame:
    """Return kept clips with a kept label, one row per clip, sorted by `clip_id`.

    The columns are those of `tables.CLIPS` and `tables.LABELS`, `source_sha256`, the person's
    `identity`, and `cut` and `cut_score` of the shot; `votes` is text, `rater=emotion:confidence`
    joined by spaces. Raters are numbered (`rater-1`), because their names in the dataset are e-mail
    addresses. Labels whose clip has changed since it was rated are omitted (`changed` counts them).

    Raises:
        CaerError: there are no kept labels, a labelled clip has no media file, or the tables are
            from different builds.
    """
    if not dataset.has(tables.LABELS):
        raise CaerError(
            f"{dataset.folder}: the clips have no labels yet; run 'caer-data annotate pull' or "
            "'caer-data annotate import' first"
        )
    clips, videos = dataset.clips, dataset.videos
    every = dataset.read_arrow(tables.LABELS)
    votes = every["votes"]  # three dictionaries per clip, had pandas converted them
    labels = tables.to_pandas(every.drop_columns("votes"))
    labels = labels.assign(votes=np.arange(len(labels)))
    labels = labels[labels.status == "kept"].drop(columns=["status", "reason"])
    labels = labels.assign(clip_key=current_keys(labels, clips))
    other = int(labels["clip_key"].isna().sum())
    labels = labels.dropna(subset="clip_key").drop(columns=["clip_id", *anchors.COLUMNS])
    clips = anchors.present(clips).drop(columns=["status", "reason"])
    found = clips.merge(labels, on="clip_key", validate="1:1")
    if found.empty:
        raise CaerError(
            f"{dataset.folder}: no clip has both media and a kept label "
            f"({len(clips)} kept clips, {len(labels)} kept labels, {other} of them for clips that "
            "have changed since they were rated); have more clips rated"
        )
    sources = videos[["video_id", "sha256"]].rename(columns={"sha256": "source_sha256"})
    found = found.merge(sources, on="video_id", how="left", validate="m:1")
    same = dataset.people.set_index("person_id")["identity"]
    shots = dataset.shots[["shot_id", "cut", "cut_score"]]
    found = found.merge(shots, on="shot_id", how="left", validate="m:1")
    found["identity"] = found["person_id"].map(same).astype(object)
    if (found["source_sha256"] != found["video_key"]).any():
        raise CaerError(
            f"{dataset.folder}: the tables are from two builds, because the last one was "
            "interrupted; run 'caer-data build' again"
        )
    needed = ["path", "width", "height", "fps", "frames", "sha256", "source_sha256", "emotion"]
    lacking = found[found[needed].isna().any(axis=1)]
    if len(lacking):
        raise CaerError(
            f"{dataset.folder}: {len(lacking)} labelled clips have no media record "
            f"(the first is {lacking.clip_id.iloc[0]}); run 'caer-data build' again"
        )
    _refuse_changed(dataset, found)
    used = votes.take(pa.array(found["votes"]))
    found["votes"] = without_names(used, secret_of(dataset.folder))
    _refuse(dataset, found, [("votes", _wrong_votes(used))])
    return found.sort_values("clip_id", ignore_index=True)


def current_keys(rows: pd.DataFrame, clips: pd.DataFrame) -> pd.Series:
    """Return the current key of each row's clip; None if the clip changed or is gone."""
    keys = rows["clip_key"].astype(object)
    other = ~anchors.are_present(rows, clips)
    found = anchors.verdicts(rows[other], clips)
    now = [verdict.key if verdict and verdict.verdict == "same" else None for verdict in found]
    keys[other] = pd.Series(now, index=rows.index[other], dtype=object)
    return keys


def changed(dataset: Dataset) -> int:
    """Return how many kept labels `read` omits because their clip has changed since."""
    labels = dataset.read_columns(tables.LABELS, ["clip_key", "status", *anchors.COLUMNS])
    clips = dataset.read_columns(tables.CLIPS, anchors.READ)
    labels = labels[(labels["status"] == "kept") & ~anchors.are_present(labels, clips)]
    found = anchors.verdicts(labels, clips)
    return sum(verdict is not None and verdict.verdict == "changed" for verdict in found)


def _refuse_changed(dataset: Dataset, found: pd.DataFrame) -> None:
    """Raise a CaerError if a row of the clips or labels has a value that no build writes."""
    wrong = found["label"] != found["emotion"].map(LABELS)
    if wrong.any():
        first = found[wrong].iloc[0]
        raise CaerError(
            f"{dataset.folder}: the table of labels was changed: clip {first.clip_id} has the "
            f"label {first.label}, but the emotion '{first.emotion}'; run 'caer-data annotate "
            "pull' or 'caer-data annotate import' again"
        )
    wrong_rate = ~found["fps"].map(possible.is_rate).astype(bool).to_numpy()
    _refuse(dataset, found, [("fps", wrong_rate), *possible.wrong_clips(_numbers_of(found))])


def _refuse(
    dataset: Dataset, clips: pd.DataFrame, wrong: Iterable[tuple[str, possible.Mask]]
) -> None:
    """Raise a CaerError about the first clip with an impossible cell, if there is one."""
    for name, rows in wrong:
        at = np.flatnonzero(rows)
        if len(at):
            first = clips.iloc[at[0]]
            rated = name in tables.LABELS.names and name not in tables.CLIPS.names
            remedy = (
                "'caer-data annotate pull' or 'caer-data annotate import'"
                if rated
                else "'caer-data build'"
            )
            raise CaerError(
                f"{dataset.folder}: the table of {'labels' if rated else 'clips'} was changed: the "
                f"column '{name}' of {first.clip_id} cannot be '{first[name]}'; run "
                f"{remedy} again"
            )


def _wrong_votes(votes: pa.ChunkedArray) -> possible.Mask:
    """Return which clips have a vote whose confidence is impossible."""
    lists = votes.combine_chunks()
    sure = pc.struct_field(lists.flatten(), "confidence").to_numpy(False)
    clip = np.repeat(np.arange(len(lists)), lists.value_lengths().fill_null(0).to_numpy())
    wrong = np.zeros(len(lists), bool)
    wrong[clip[possible.outside(sure, 0, 1)]] = True
    return wrong


def _numbers_of(rows: pd.DataFrame) -> possible.Numbers:
    def number(name: str) -> npt.NDArray[Any]:
        cells = rows[name]
        return cells.to_numpy(float, na_value=np.nan) if cells.hasnans else cells.to_numpy()

    return number


def sources(dataset: Dataset, clips: pd.DataFrame) -> pd.DataFrame:
    """Return the source videos of some clips, as `SOURCES`.

    Raises:
        CaerError: a row is impossible, such as one with a rate of 1/0, or lacks a needed cell, or a
            clip does not fit its video.
    """
    videos = dataset.videos
    used = videos[videos.video_id.isin(clips.video_id.unique())].assign(rip_of=None)
    empty = [(c.name, used[c.name].isna().to_numpy()) for c in SOURCES.columns if not c.nullable]
    rates = [(name, ~used[name].map(possible.is_rate).astype(bool).to_numpy())
             for name in ("fps", "time_base")]  # fmt: skip
    for name, rows in (*empty, *rates, *possible.wrong_videos(_numbers_of(used))):
        if rows.any():
            first = used.iloc[np.flatnonzero(rows)[0]]
            raise CaerError(
                f"{dataset.folder}: the table of videos was changed: the column '{name}' of "
                f"{first.video_id} cannot be '{first[name]}'; run 'caer-data build' again"
            )
    known = possible.Videos.of(used)
    place = known.names.get_indexer(pd.Index(clips["video_id"]))
    _refuse(dataset, clips, possible.wrong_spans(_numbers_of(clips), place, known))
    return used[SOURCES.names].sort_values("video_id", ignore_index=True)


def without_names(votes: pa.ChunkedArray, secret: bytes) -> pd.Series:
    """Return votes as text, `rater-1=happy:0.75 rater-2=...`, with raters replaced by numbers.

    The numbers follow the order of keyed hashes of the names. Without the dataset's secret, nobody
    can match numbers to a list of names.

    Args:
        votes: lists of `rater, emotion, confidence`, as in `labels`.
        secret: the dataset's secret.
    """
    lists = votes.combine_chunks()
    each = lists.flatten()
    clip = np.repeat(np.arange(len(lists)), lists.value_lengths().fill_null(0).to_numpy())
    raters, emotions = (
        pc.struct_field(each, name).dictionary_encode() for name in ("rater", "emotion")
    )
    sure, how_sure = np.unique(
        pc.struct_field(each, "confidence").to_numpy(False), return_inverse=True
    )
    names = raters.dictionary.to_pylist()
    ranked = sorted(names, key=lambda name: identity.pseudonym(secret, name))
    place = {name: position for position, name in enumerate(ranked, start=1)}
    number = np.array([place[name] for name in names], np.int64)[raters.indices.to_numpy()]
    # clips share few different votes, so each of these is rendered once
    said = emotions.dictionary.to_pylist()
    keys = (number * len(said) + emotions.indices.to_numpy()) * len(sure) + how_sure
    different, which = np.unique(keys, return_inverse=True)
    texts = []
    for key in different.tolist():
        rest, level = divmod(key, len(sure))
        rater, emotion = divmod(rest, len(said))
        vote = vote_text.Vote(vote_text.numbered(rater), said[emotion], float(sure[level]))
        texts.append(vote_text.render([vote]))
    by_number = np.lexsort((number, clip))
    words = pa.array(texts, pa.string()).take(pa.array(which[by_number]))
    ends = np.searchsorted(clip, np.arange(len(lists) + 1))
    joined = pc.binary_join(pa.ListArray.from_arrays(ends.astype(np.int32), words), " ")
    return pd.Series(joined.to_pandas())
