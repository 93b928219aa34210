"""Choice of the shots that become clips, by filter and decisions by hand, and their keys."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from caer_data.curate import (
    apply_decisions,
    audio_pass,
    keeping,
    redact,
    speaker_pass,
    speech,
)
from caer_data.curate import filter as filter_stage
from caer_data.curate.analysis_results import (
    faces_artifact,
    faces_of,
    measured,
    shots_of,
    sound_artifact,
    timestamps,
)
from caer_data.curate.setup import Setup, Video
from caer_data.curate.speaking import Speakers
from caer_data.engine import tables
from caer_data.engine.identity import Anchor
from caer_data.engine.ledger import Ledger

_KINDS: Final = apply_decisions.KINDS
_ROWS_AT_ONCE: Final = 10_000
_TOGETHER: Final = 16  # videos whose faces are in memory at once


def choose(setup: Setup, videos: list[Video], tracks: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Keep or drop every shot; return the rows of `clips`, not yet cut."""
    started = time.perf_counter()
    chosen: list[pd.DataFrame] = [tables.empty(tables.CLIPS)]
    decided = {row.about[0].video_key for row in setup.decisions if row.kind in _KINDS}
    plain: list[dict[str, Any]] = []  # of videos that nobody has decided anything about

    def flush() -> None:
        if plain:
            chosen.append(tables.frame(tables.CLIPS, plain))
            plain.clear()

    for video in videos:
        timing = filter_stage.Timing(
            Fraction(video.row["fps"]), video.job.info.time_base, timestamps(video.job)
        )
        own = tracks[video.job.video_id]
        rows = filter_stage.choose(
            video.row,
            shots_of(video.job),
            own,
            timing,
            setup.recipe.filter,
            setup.recipe.clips,
            _speaker_of(video, own),
        )
        if video.row["sha256"] not in decided and not video.job.forgotten:
            plain += rows
            if len(plain) >= _ROWS_AT_ONCE:
                flush()
            continue
        flush()
        clips = by_hand(setup, video, tables.frame(tables.CLIPS, rows), own)
        spans = redact.spans_of(faces_artifact(video.job)) if video.job.forgotten else []
        chosen.append(apply_decisions.without_spans(clips, spans))
    flush()
    setup.seconds["filter"] = time.perf_counter() - started
    return pd.concat(chosen, ignore_index=True)


def _speaker_of(video: Video, tracks: pd.DataFrame) -> Callable[[float, float], str | None]:
    """Return a function that names the speaker between two times of a video.

    It returns None if the recipe does not request speakers.
    """
    job = video.job
    if not job.wants_speakers:
        return lambda start_s, end_s: None
    heard, _ = audio_pass.read(sound_artifact(job))
    spoken = speech.spoken(heard, float(measured(job)["first_pts"] * job.info.time_base))
    names = tracks["track_id"].str.slice(len(job.video_id) + 1)
    people = pd.Series(tracks["person_id"].to_numpy(), index=names)
    return Speakers(speaker_pass.scores_of(job), spoken, people).of


def by_hand(setup: Setup, video: Video, clips: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Return the clips of a video after decisions by hand."""
    about = [
        row
        for row in setup.decisions
        if row.kind in _KINDS and row.about[0].video_key == video.row["sha256"]
    ]
    if not about:
        return clips
    faces = faces_of(video.job).to_pandas()
    return apply_decisions.apply(clips, video.row, tracks, faces, about, setup.recipe)


def mint_keys(
    videos: list[Video], tracks: dict[str, pd.DataFrame], clips: pd.DataFrame, ledger: Ledger
) -> None:
    """Set the key of every kept clip, in place; an unchanged clip keeps its earlier key."""
    by_video = clips[clips["status"] == "kept"].groupby("video_id", sort=False, observed=True)
    kept = {str(name): own for name, own in by_video}
    with_clips = [video for video in videos if video.job.video_id in kept]
    found: list[Anchor] = []
    for start in range(0, len(with_clips), _TOGETHER):
        together = with_clips[start : start + _TOGETHER]
        ids = [video.job.video_id for video in together]
        boxes = keeping.middle_boxes(
            pd.concat([kept[name] for name in ids]),
            pd.concat([tracks[name] for name in ids]),
            pa.concat_tables([faces_of(video.job) for video in together]).to_pandas(),
        )
        for name, video in zip(ids, together, strict=True):
            found += keeping.anchored(kept[name], video.row, boxes)
    if with_clips:
        own = pd.concat([kept[video.job.video_id] for video in with_clips])
        columns = keeping.mint(own, found, ledger)
        for column in columns:
            clips.loc[own.index, column] = columns[column]
