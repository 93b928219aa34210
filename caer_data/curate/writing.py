"""Writing of a build's tables, and notes on time spent and artifacts used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from caer_data.curate import clean, keeping
from caer_data.curate.analysis_results import (
    faces_artifact,
    faces_of,
    prints_artifact,
    shots_artifact,
    shots_of,
    sound_artifact,
    speakers_artifact,
)
from caer_data.curate.cutting import Cut
from caer_data.curate.dialogue import Dialogue
from caer_data.curate.intake import Probed
from caer_data.curate.repeating import Repeated
from caer_data.curate.setup import Setup, Video
from caer_data.engine import tables
from caer_data.engine.artifacts import Artifact, Store, write_json
from caer_data.engine.ledger import Ledger


@dataclass(frozen=True)
class Built:
    """All results of a build.

    Attributes:
        probed: all files.
        videos: the analysed videos.
        tracks: tracks with persons, by `video_id`.
        people: people of all shows.
        cut: the clips.
        absent: tables of absent videos.
        repeated: repeated content.
        ledger: the ledger of keys.
        said: speech and subtitles.
    """

    probed: Probed
    videos: list[Video]
    tracks: dict[str, pd.DataFrame]
    people: pd.DataFrame
    cut: Cut
    absent: keeping.Absent
    repeated: Repeated
    ledger: Ledger
    said: Dialogue


def write(setup: Setup, built: Built) -> None:
    """Write the tables as a new generation, then the notes."""
    with setup.dataset.generation() as path_of:
        _write_tables(setup, path_of, built)
    _write_notes(setup, built)


def _write_tables(setup: Setup, path_of: Callable[[tables.Table], Path], built: Built) -> None:
    def put(table: tables.Table, rows: pd.DataFrame) -> None:
        tables.write(table, rows, path_of(table))

    videos, tracks, people, absent = built.videos, built.tracks, built.people, built.absent
    put(tables.VIDEOS, keeping.with_absent(list(built.probed.rows.values()), absent))
    put(tables.AUDIO_TRACKS, tables.frame(tables.AUDIO_TRACKS, built.probed.sounds))
    shots = [tables.empty(tables.SHOTS), *(shots_of(v.job) for v in videos), absent.shots]
    put(tables.SHOTS, pd.concat(shots, ignore_index=True))
    own = (tracks[v.job.video_id] for v in videos)
    every = [tables.empty(tables.TRACKS), *own, absent.tracks]
    put(tables.TRACKS, pd.concat(every, ignore_index=True))
    tables.write_arrow(
        tables.FACES,
        chain((faces_of(v.job) for v in videos), [absent.faces]),
        path_of(tables.FACES),
    )
    more = absent.people[~absent.people["person_id"].isin(people["person_id"])]
    put(tables.PEOPLE, pd.concat([people, more], ignore_index=True))
    put(tables.REPEATS, built.repeated.table)
    put(tables.KEYS, built.ledger.table())
    put(tables.CLIPS, built.cut.clips)
    gone = set(absent.videos["video_id"])
    spoken, lines = built.said.tables(setup.dataset, gone, built.cut.clips)
    put(tables.SPEECH, spoken)
    put(tables.LINES, lines)


def _write_notes(setup: Setup, built: Built) -> None:
    """Write the time spent by stage, and which artifacts the tables are based on."""
    by_video = {
        v.job.video_id: {
            **shots_artifact(v.job).json("seconds.json"),
            **faces_artifact(v.job).json("seconds.json"),
        }
        for v in built.videos
    }
    for values in by_video.values():
        for stage, seconds in values.items():
            setup.seconds[stage] += seconds
    stages = dict(setup.seconds)
    write_json(setup.work / "timings.json", {"stages": stages, "videos": by_video})
    clean.note(setup.work, _used(setup, built), set(built.absent.videos["video_id"]))


def _used(setup: Setup, built: Built) -> dict[str, dict[str, Any]]:
    """Return the artifacts that the tables are based on, by video."""
    clips: defaultdict[str, list[str]] = defaultdict(list)
    for group in built.cut.groups:
        path = Store(setup.work).path("clips", group.name, group.key(setup.recipe.clips))
        clips[group.clips[0].sha256].append(Artifact(path).name)
    used = {}
    for video in built.videos:
        shots, faces = shots_artifact(video.job).name, faces_artifact(video.job).name
        prints, sound = prints_artifact(video.job).name, sound_artifact(video.job).name
        repeats = built.repeated.artifact
        artifacts = [shots, prints, faces, sound, repeats, *clips[video.row["sha256"]]]
        if video.job.wants_speakers:
            artifacts.append(speakers_artifact(video.job).name)
        used[video.job.video_id] = {"faces": faces, "pieces": artifacts}
    return used
