"""Speech and subtitles of all videos: tables `speech` and `lines`, and clips' shares of speech."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from caer_data.curate import lines, redact, speech
from caer_data.curate.analysis_results import faces_artifact, measured, sound_artifact
from caer_data.curate.audio_pass import read
from caer_data.curate.job import Job
from caer_data.curate.setup import Setup, Video
from caer_data.curate.sidecars import Sidecar
from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.progress import printable


@dataclass
class Dialogue:
    """Speech and subtitles of the videos of a build.

    Attributes:
        spoken: rows of `speech`.
        lines: rows of `lines` per track, without clips.
        shares: share of speech by `video_id`; None if it is unknown.
        notes: sentences for the user.
    """

    spoken: list[dict[str, Any]] = field(default_factory=list)
    lines: list[pd.DataFrame] = field(default_factory=list)
    shares: dict[str, float | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _spans: dict[str, tuple[list[speech.Span], list[speech.Span]]] = field(default_factory=dict)

    def add(self, job: Job, relative: str, sidecars: Sequence[Sidecar]) -> None:
        """Add an analysed video; `relative` is its path below the shows folder."""
        values = measured(job)
        length_s = float(values["duration_s"])
        first_s = float(values["first_pts"] * job.info.time_base)
        heard, listened = read(sound_artifact(job))
        spoken = speech.spoken(heard, first_s)
        audible = speech.audible(heard, first_s)
        own = {"video_id": job.video_id}
        if heard.lost:
            packets = "1 packet" if heard.lost == 1 else f"{heard.lost} packets"
            self.notes.append(f"{relative}: {packets} of its sound cannot be decoded")
        if listened:
            self.spoken += [own | row for row in speech.rows(spoken, audible, length_s)]
            self.shares[job.video_id] = speech.share_of_all(spoken, audible)
            self._spans[job.video_id] = spoken, audible
        if not job.recipe.speech.subtitles:
            return
        folder = relative.rpartition("/")[0]
        named = [(_name(folder, job, sidecar), sidecar) for sidecar in sidecars]
        tracks, notes = lines.tracks_of(heard, named, first_s, length_s)
        self.notes += [f"{relative}: {note}" for note in notes]
        gone = redact.spans_of(faces_artifact(job)) if job.forgotten else []
        for track in tracks:
            rows = tables.frame(
                tables.LINES,
                [own | row for row in lines.rows(track, first_s, job.info.time_base)],
            )
            self.lines.append(rows[~lines.during(rows, gone)])
            moved = lines.offset(
                [cue[:2] for cue in track.cues], spoken, sum(b - a for a, b in audible)
            )
            if moved is not None:
                way = "early" if moved > 0 else "late"
                self.notes.append(
                    f"{relative}: the lines of {track.name} seem to be {abs(moved):g} s too {way} "
                    "for its voices; their times were not changed"
                )

    def with_speech(self, clips: pd.DataFrame) -> pd.DataFrame:
        """Return the table `clips` with the share of speech in each clip."""
        found = clips["speech"].astype(float)
        for video_id, own in clips.groupby("video_id", sort=False, observed=True):
            if spans := self._spans.get(str(video_id)):
                found.loc[own.index] = speech.shares(own, *spans)
        return clips.assign(speech=found)

    def tables(
        self, dataset: Dataset, absent: Collection[str], clips: pd.DataFrame
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the tables `speech` and `lines`, including earlier rows of absent videos."""
        spoken = [tables.frame(tables.SPEECH, self.spoken)]
        said = [tables.empty(tables.LINES), *self.lines]
        for table, parts in ((tables.SPEECH, spoken), (tables.LINES, said)):
            if absent and dataset.has(table):
                earlier = dataset.read(table)
                parts.append(earlier[earlier["video_id"].isin(absent)])
        every = pd.concat(said, ignore_index=True)
        return pd.concat(spoken, ignore_index=True), lines.with_clips(every, clips)


def collect_dialogue(
    setup: Setup, videos: Sequence[Video], sidecars: Mapping[str, Sequence[Sidecar]]
) -> Dialogue:
    """Return the speech and subtitles of a build's videos; set `speech` in the videos' rows."""
    said = Dialogue()
    for video in videos:
        said.add(video.job, video.row["path"], sidecars[video.job.video_id])
        video.row["speech"] = said.shares.get(video.job.video_id)
    for note in said.notes:
        setup.reporter.warn(printable(note))
    return said


def _name(folder: str, job: Job, sidecar: Sidecar) -> str:
    """Return the path of a sidecar file below the shows folder, as text that tables can contain."""
    beside = sidecar.path.relative_to(job.path.parent).as_posix()
    plain = beside.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return f"{folder}/{plain}" if folder else plain
