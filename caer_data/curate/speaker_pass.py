"""The speakers artifact: a score for every picture of a face that says whether it speaks.

The video is decoded once more, but only shots with both faces and a voice. A face is scored a few
seconds at a time, so that memory does not grow with the length of a shot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.curate import speech
from caer_data.curate.analysis_results import (
    faces_artifact,
    measured,
    shown_as,
    sound_artifact,
    speakers_artifact,
    timestamps,
)
from caer_data.curate.audio_pass import read
from caer_data.curate.job import Job
from caer_data.engine import tables
from caer_data.engine.artifacts import write_json
from caer_data.faces.mouths import Mouth, mouth_of
from caer_data.faces.speakers import TICKS, Speaking, load
from caer_data.media.decode import frames, threads_for
from caer_data.media.packets import Damage, decoded, readable_packets
from caer_data.media.probe import open_container
from caer_data.media.resampling import Resampler
from caer_data.media.sound_clock import SoundClock
from caer_data.media.voice import RATE

_MAX_S: Final = 6.0
_MIN_S: Final = 0.4
_TOLD_EVERY: Final = 100  # frames


@dataclass
class Scores:
    """Speaker scores of faces.

    Attributes:
        tracks: track of each row, without the video's identifier.
        times: seconds from the video's first frame; shape (rows,).
        scores: above 0 if the face speaks; shape (rows,).
    """

    tracks: npt.NDArray[np.str_]
    times: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float32]


@dataclass
class _Face:
    """The pictures of a track that are not scored yet."""

    times: list[float] = field(default_factory=list)
    mouths: list[Mouth] = field(default_factory=list)


def fill(folder: Path, job: Job, on_second: Callable[[], None]) -> None:
    """Score all faces of an analysed video and write the results.

    Writes the members `times.npy`, `scores.npy` and `speakers.json` (the model, and the tracks in
    order, each with its number of rows).

    Raises:
        CaerError: the video can no longer be read, or the model has the wrong inputs or outputs.
    """
    model = load(job.recipe.speech.speaker, job.recipe.speech.speaker_model)
    values = measured(job)
    first_s = float(values["first_pts"] * job.info.time_base)
    begin = max(0, round(first_s * RATE))
    sound = _sound(job, begin, round((first_s + values["duration_s"] + 1) * RATE))
    tracks: list[tuple[str, int]] = []
    times, scores = [np.zeros(0)], [np.zeros(0, np.float32)]
    for track, face in _faces(job, on_second):
        at, found = _scored(face, model, sound, first_s, begin)
        tracks.append((track, len(at)))
        times.append(at)
        scores.append(found)
    np.save(folder / "times.npy", np.concatenate(times))
    np.save(folder / "scores.npy", np.concatenate(scores))
    write_json(folder / "speakers.json", {"model": model.name, "tracks": tracks})


def scores_of(job: Job) -> Scores:
    """Return what `fill` wrote."""
    artifact = speakers_artifact(job)
    results = artifact.json("speakers.json")["tracks"]
    names = np.array([name for name, _ in results], dtype=np.str_)
    tracks = np.repeat(names, [count for _, count in results])
    return Scores(tracks, artifact.array("times.npy"), artifact.array("scores.npy"))


def _faces(job: Job, on_second: Callable[[], None]) -> Iterator[tuple[str, _Face]]:
    """Yield faces, a few seconds of each at a time, in the order of the video."""
    boxes = _boxes(job)
    if boxes.empty:
        return
    by_frame = dict(iter(boxes.groupby("frame", sort=True, observed=True)))
    last = int(boxes["frame"].max())
    pts = timestamps(job)
    seconds = (pts - pts[0]) * float(job.info.time_base)
    under_way: dict[str, _Face] = {}
    # How a decoder repairs damage depends on its threads; one repairs it as the analysis saw it.
    threads = 1 if measured(job)["hurt"] else threads_for(job.threads)
    for frame in frames(job.path, shown_as(job), threads):
        if frame.index % _TOLD_EVERY == 0:
            on_second()
        here = by_frame.get(frame.index)
        seen = set() if here is None else set(here["track_id"])
        for track in [name for name in under_way if name not in seen]:
            yield track, under_way.pop(track)
        if here is not None:
            for row in here.itertuples():
                face = under_way.setdefault(str(row.track_id), _Face())
                box = np.array([row.x1, row.y1, row.x2, row.y2], np.float32)
                face.times.append(float(seconds[frame.index]))
                face.mouths.append(mouth_of(frame, box))
                if face.times[-1] - face.times[0] >= _MAX_S:
                    yield str(row.track_id), under_way.pop(str(row.track_id))
        if frame.index >= last:
            break
    yield from under_way.items()


def _boxes(job: Job) -> pd.DataFrame:
    """Return the boxes in shots in which somebody speaks."""
    faces = tables.read(tables.FACES, faces_artifact(job).open("faces.parquet"))
    heard, listened = read(sound_artifact(job))
    if not listened:
        return faces
    values = measured(job)
    first_s = float(values["first_pts"] * job.info.time_base)
    inside = np.zeros(len(faces), bool)
    for start, end in speech.spoken(heard, first_s):
        inside |= ((faces["time_s"] >= start) & (faces["time_s"] < end)).to_numpy()
    shots = faces["track_id"].str.partition(".")[0]
    return faces[shots.isin(set(shots[inside]))]


def _scored(
    face: _Face, model: Speaking, sound: npt.NDArray[np.int16], first_s: float, begin: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Return times and scores of a face, at 25 pictures per second for any frame rate.

    Args:
        face: the face.
        model: the model.
        sound: the sound.
        first_s: time of the first picture on the container's clock.
        begin: number of the sound's first sample on that clock.
    """
    own = np.array(face.times)
    count = int((own[-1] - own[0]) * TICKS) + 1
    if count < _MIN_S * TICKS:
        return np.zeros(0), np.zeros(0, np.float32)
    ticks = own[0] + np.arange(count) / TICKS
    nearest = np.abs(own[None] - ticks[:, None]).argmin(axis=1)
    mouths = np.stack([face.mouths[n] for n in nearest])
    start = round((own[0] + first_s) * RATE) - begin
    heard = np.zeros(round(count / TICKS * RATE), np.int16)
    here = sound[max(0, start) : max(0, start + len(heard))]
    offset = max(0, -start)
    heard[offset : offset + len(here)] = here[: len(heard) - offset]
    return ticks, model.score(mouths, heard)


def _sound(job: Job, begin: int, end: int) -> npt.NDArray[np.int16]:
    """Return a part of the chosen sound, mono, 16 kHz; silence where there is none.

    Broadcasts begin at any time of a clock of 26 hours, and damaged timestamps are anywhere, so
    that nothing is kept outside of this part.

    Args:
        job: the video.
        begin: its first sample, counted from the start of the container's clock.
        end: one past its last.
    """
    sound = np.zeros(max(0, end - begin), np.int16)
    at = 0
    with open_container(job.path, job.info.max_pixels) as container:
        resampler, clock = Resampler("s16", RATE), SoundClock(RATE)
        stream = container.streams[job.info.audio_index]
        for frame in _frames(container, stream):
            if frame.pts is not None:
                now = round(float(frame.pts * frame.time_base) * RATE)
                ahead = clock.ahead(now, at) if at else now
                if ahead > RATE // 10:
                    at += ahead
            frame.pts = None
            for made in resampler.convert(frame):
                part = made.to_ndarray()[0][max(0, begin - at) :]
                place = max(0, at - begin)
                sound[place : place + len(part)] = part[: max(0, len(sound) - place)]
                at += made.samples
            if at >= end:
                break
    return sound


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the sound that can be decoded; the speech stage reports how much is lost."""
    for packet in readable_packets(container, stream):
        yield from decoded(stream.codec_context, packet, Damage())
