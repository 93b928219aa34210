"""Analysis of one video in a worker process: shots and samples in one decode, then faces.

The results depend only on the video's content, so that a renamed video or folder is not analysed
again. `curate/analysis_results.py` reads them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from caer_data.curate import audio_pass, pyannote_import, redact, speaker_pass
from caer_data.curate.analysis_results import described, faces_artifact, found_shots, timestamps
from caer_data.curate.job import Job
from caer_data.engine import tables
from caer_data.engine.artifacts import write_json
from caer_data.engine.errors import CaerError
from caer_data.engine.files import scratch_folder
from caer_data.engine.heap import Heap, reuse_pictures
from caer_data.engine.pool import Progress
from caer_data.engine.sources import held
from caer_data.faces import find as faces
from caer_data.faces import search
from caer_data.faces.bars import find_bars
from caer_data.faces.samples import MAX_SIDE, Samples, SampleWriter, encoded
from caer_data.media import fingerprints, glimpse
from caer_data.media.ahead import ahead, depth_of
from caer_data.media.attempts import Attempt, attempts
from caer_data.media.decode import VideoReader, frames, threads_for
from caer_data.media.fragments import stated
from caer_data.media.frame import DecodedFrame
from caer_data.media.frame_rate import usual_rate
from caer_data.media.packets import Damage, usual_step
from caer_data.media.probe import VideoInfo, open_container
from caer_data.media.programmes import is_transport_stream, rest_without
from caer_data.media.sound_prints import sound_prints
from caer_data.media.unchanged import check_unchanged
from caer_data.media.unfinished import (
    CHAINED,
    CUT_OFF,
    EDITED,
    FRAGMENTS_MISSING,
    JOINED,
    PAGES_MISSING,
    unfinished,
)
from caer_data.shots.detect import ShotDetector

_PROGRESS_EVERY = 100  # frames
_NEARLY_ALL = 0.95
_PAUSE_S, _PAUSE_STEPS = 1.0, 5.0
_GAP_STEPS = 1.75  # steps from which evenly spaced pictures have a pause
_INCOMPLETE = (CUT_OFF, FRAGMENTS_MISSING, PAGES_MISSING)
_UNREAD = (JOINED, CHAINED, EDITED)
_BEYOND = 1.05  # length of the pictures, relative to that stated, from which more is read
_LATE_S, _LATE = 1.5, 0.01  # seconds, and share of a broadcast, that its pictures may end early
_LONGEST_S = 100 * 3600  # length up to which a damaged file is believed
_REST = 0.02  # share of a broadcast after its pictures from which they go on in another stream
_NO_STAMP = int(np.iinfo(np.int64).min)


def analyse(job: Job, progress: Progress) -> None:
    """Create the missing artifacts of a video: shots, faces, fingerprints, then sound.

    Fingerprints and lines come after the faces, which determine where something forgotten is seen.
    Samples are written to a folder that only this call uses, so that two engines may analyse the
    same video at once.

    Raises:
        CaerError: the video cannot be decoded, or the face models are missing.
    """
    import cv2

    cv2.setNumThreads(1)
    if job.done:
        return
    reuse_pictures()
    heap = Heap()
    with held(job.path, lambda: progress("shots", 0.0)):
        if None in (job.shots, job.prints, job.faces):
            _look(job, progress)
            heap.tidy()
        if job.sound is None:
            _listen(job, progress)
            heap.tidy()
        if job.wants_speakers and job.speakers is None:
            _attribute(job, progress)
            heap.tidy()


def _telling(progress: Progress) -> Callable[[], None]:
    """Return a function that gives a sign of life and returns free memory to the system."""
    heap = Heap()

    def tell() -> None:
        progress("faces", 0.0)
        heap.tidy()

    return tell


def _attribute(job: Job, progress: Progress) -> None:
    """Create the speakers artifact."""
    job.store.make(
        "speakers",
        job.subject,
        job.speakers_key,
        lambda folder: speaker_pass.fill(folder, job, _telling(progress)),
    )


class _Pass:
    """One decode of every frame: shots, samples, fingerprints, timestamps."""

    def __init__(self, job: Job, progress: Progress) -> None:
        self._job = job
        self._progress = progress
        self._pts: list[int] = []
        self._retimed: list[tuple[int, int, int]] = []
        self._glimpses = bytearray()
        self._end_pts = 0
        self._told = 0
        self._rows: list[dict[str, Any]] = []
        self._damage = Damage()
        self._seen: dict[str, Any] = {}
        self._prints = fingerprints.nothing()
        self._details = fingerprints.no_stills()
        self._seconds = 0.0

    def spool_samples(self, folder: Path) -> None:
        """Decode the video and write samples to a folder."""
        started = time.perf_counter()
        check_unchanged(self._job.path, self._job.stamp)
        for attempt in attempts(threads_for(self._job.threads)):
            self._decode(folder, attempt)
        check_unchanged(self._job.path, self._job.stamp)
        self._seconds = time.perf_counter() - started

    def _decode(self, folder: Path, attempt: Attempt) -> None:
        """Decode the video, showing fields as the attempt says."""
        job, self._pts, self._retimed = self._job, [], []
        self._glimpses = bytearray()
        info = replace(job.info, fields=attempt.fields)
        pts = self._pts
        writer = SampleWriter(folder, job.recipe.faces.samples_per_second)
        prints = fingerprints.Writer(job.info.time_base)
        imported = job.imported.shots
        detector = ShotDetector(job.recipe.shots, info) if imported is None else None
        reader = frames(job.path, info, attempt.threads, for_analysis=True)
        calls, heap = _calls(reader, detector, prints, writer), Heap()
        for looked in ahead(calls, job.threads, depth_of(job.info, job.threads)):
            frame = looked.frame
            pts.append(frame.pts)
            self._glimpses += looked.glimpse
            if frame.stamp != frame.pts:
                stamp = _NO_STAMP if frame.stamp is None else frame.stamp
                self._retimed.append((frame.index, stamp, frame.pts))
            self._end_pts = frame.pts + frame.duration
            if not attempt.goes_on_after(frame):
                writer.close()
                return
            if detector:
                detector.push(frame, looked.prepared)
            if looked.look is not None:
                prints.add(looked.look)
            if looked.sample is not None:
                writer.add(frame.index, looked.sample)
            if frame.index % _PROGRESS_EVERY == _PROGRESS_EVERY - 1:
                passed = (frame.pts - pts[-_PROGRESS_EVERY]) * job.info.time_base
                self._tell(frame.index, float(passed))
                heap.tidy()
        writer.close()
        self._prints = prints.finish()
        self._details = prints.details()
        if not pts:
            raise CaerError("no frame can be decoded")
        self._damage = reader.damage
        attempt.finish(damaged=reader.damage.is_damaged)
        measured = attempt.measured
        self._seen = {
            "scan_type": _scan_type(reader.interlaced, len(pts)),
            "scan_measured": measured.scan_type,
            "interlaced_share": measured.share,
            "order_measured": measured.order,
            "fields": attempt.fields,
            "shape_changes": reader.reshaped,
        }
        if detector:
            self._rows = detector.finish()
        elif imported:
            starts = pyannote_import.read_shots(imported)
            self._rows = pyannote_import.shot_rows(starts, pts, self._end_pts, job.info.time_base)

    def _tell(self, index: int, seconds: float) -> None:
        """Report progress; frames that are decoded again do not count."""
        self._progress("shots", seconds if index > self._told else 0.0)
        self._told = max(self._told, index)

    def write_prints(self, folder: Path) -> None:
        """Write the members of the fingerprints artifact; faces must have been analysed."""
        pts, pictures, inside = self._prints
        for start, end in _forgotten_spans(self._job):
            pictures[(pts >= start) & (pts < end)] = 0
        heard = sound_prints(self._job.path, self._job.info)
        fingerprints.Fingerprints(pts, pictures, inside, heard, *self._details).save(folder)

    def write_shots(self, folder: Path) -> None:
        """Write the members of the shots artifact."""
        shots = [
            {"shot_id": f"s{number:04d}", "video_id": "", **row}
            for number, row in enumerate(self._rows, 1)
        ]
        tables.write_rows(tables.SHOTS, shots, folder / "shots.parquet")
        np.save(folder / "pts.npy", np.array(self._pts, np.int64))
        seen = np.frombuffer(self._glimpses, np.uint8)
        np.save(folder / "glimpses.npy", seen.reshape(-1, glimpse.HEIGHT, glimpse.WIDTH))
        np.save(folder / "retimed.npy", np.array(self._retimed, np.int64).reshape(-1, 3))
        values = _measured(self._pts, self._end_pts, self._job.info)
        ending, appended = unfinished(self._job.path)
        if appended and _is_longer(self._pts, self._job.info):
            ending = ""  # as AVI files are read to their end
        elif appended:
            self._damage.miss(round(len(self._pts) * appended / (1 - appended)), len(self._pts))
        if ending in _INCOMPLETE and not self._damage.frames_lost:
            self._damage.reckon(
                _expected(ending, values, self._pts, self._job.info), len(self._pts)
            )
        if ending in _INCOMPLETE and (listed := _in_fragments(self._job, values)):
            self._damage.miss(listed - len(self._pts), len(self._pts))
        if lost := _lost_behind(self._job, self._damage, self._end_pts, values):
            self._damage.miss(lost, len(self._pts))
        reasons = [ending, str(self._damage), _pauses(self._pts, self._job.info)]
        values |= self._seen | {
            "damage": ", ".join(filter(None, reasons)),
            "damaged_share": self._damage.share if self._damage.is_damaged else 0.0,
            "hurt": self._damage.is_damaged or ending in (*_INCOMPLETE, *_UNREAD),
            "retimed": self._damage.retimed,
        }
        write_json(folder / "video.json", values)
        write_json(folder / "seconds.json", {"shots": self._seconds})


@dataclass(frozen=True)
class _Looked:
    """A frame, and what shots, fingerprints and faces need of its picture."""

    frame: DecodedFrame
    prepared: Any
    glimpse: bytes
    look: fingerprints.Look | None
    sample: bytes | None


def _calls(
    reader: VideoReader,
    detector: ShotDetector | None,
    prints: fingerprints.Writer,
    writer: SampleWriter,
) -> Iterator[Callable[[], _Looked]]:
    """Decide what is needed of each frame, and yield the calls that create it."""
    first: int | None = None
    for frame in reader:
        first = frame.pts if first is None else first
        printed, sampled = (
            prints.due(frame.pts),
            writer.due((frame.pts - first) * frame.info.time_base),
        )
        yield partial(_look_at, frame, detector, printed=printed, sampled=sampled)


def _look_at(
    frame: DecodedFrame, detector: ShotDetector | None, *, printed: bool, sampled: bool
) -> _Looked:
    return _Looked(
        frame,
        detector.prepared(frame) if detector else None,
        glimpse.of_frame(frame).tobytes(),
        fingerprints.looked_at(frame) if printed else None,
        encoded(frame.picture(MAX_SIDE)) if sampled else None,
    )


def _look(job: Job, progress: Progress) -> None:
    """Create the artifacts that need pictures; every frame is decoded once."""
    with scratch_folder(job.work / "samples", job.subject) as samples:
        once = _decode(job, samples, progress)
        job.store.make(
            "faces",
            job.subject,
            job.faces_key,
            lambda folder: _find_faces(job, samples, folder, progress),
        )
    job.store.make("prints", job.subject, job.prints_key, once.write_prints)


def _decode(job: Job, samples: Path, progress: Progress) -> _Pass:
    """Write the samples, and create the shots artifact if it is missing."""
    once = _Pass(job, progress)
    once.spool_samples(samples)
    job.store.make("shots", job.subject, job.shots_key, once.write_shots)
    return once


def _forgotten_spans(job: Job) -> list[tuple[int, int]]:
    """Return the spans, in the video's time base, that show something forgotten."""
    return redact.spans_of(faces_artifact(job)) if job.forgotten else []


def _listen(job: Job, progress: Progress) -> None:
    microsecond = job.info.time_base * 1_000_000
    forgotten = [
        (round(start * microsecond), round(end * microsecond))
        for start, end in _forgotten_spans(job)
    ]
    check_unchanged(job.path, job.stamp)
    job.store.make(
        "sound",
        job.subject,
        job.sound_key,
        lambda folder: audio_pass.fill(
            folder, job.path, job.info, job.recipe.speech, lambda: progress("shots", 0.0), forgotten
        ),
    )
    check_unchanged(job.path, job.stamp)


def _scan_type(interlaced: int, frames: int) -> str:
    if interlaced == 0:
        return "progressive"
    return "interlaced" if interlaced >= _NEARLY_ALL * frames else "mixed"


def _measured(pts: list[int], end_pts: int, info: VideoInfo) -> dict[str, Any]:
    """Return the properties that only decoding reveals: number of frames, true rate, length."""
    steps = np.diff(np.array(pts, np.float64))
    usual = float(np.median(steps)) if len(steps) else 0.0
    # Timestamps of coarse clocks (1 ms in Matroska) jitter by a tick; this is a constant rate.
    variable = bool((np.abs(steps - usual) > max(1.5, 0.05 * usual)).any())
    length = (end_pts - pts[0]) * info.time_base
    return {
        "frames": len(pts),
        "first_pts": pts[0],
        "duration_s": float(length),
        "fps": str(usual_rate(np.array(pts, np.int64), info.time_base, info.fps)),
        "variable_rate": variable,
    }


def _is_longer(pts: list[int], info: VideoInfo) -> bool:
    """Whether pictures go on behind the end that the file states."""
    length = float((pts[-1] - pts[0]) * info.time_base)
    return info.duration_s is not None and length > info.duration_s * _BEYOND


def _expected(ending: str, values: dict[str, Any], pts: list[int], info: VideoInfo) -> int:
    """Return the number of frames that an incomplete file should have, by its length and rate."""
    rate = Fraction(values["fps"])
    length = float((pts[-1] - pts[0]) * info.time_base + 1 / rate)
    if ending == CUT_OFF:
        length = max(length, info.duration_s or 0.0)
    return round(length * float(rate))


def _in_fragments(job: Job, values: dict[str, Any]) -> int:
    """Return the number of frames that the fragments of an MP4 list, or its stated length has.

    Numbers that no film has come from damage, and are ignored.
    """
    with open_container(job.path, job.info.max_pixels) as container:
        told = stated(job.path, int(container.streams[job.info.stream_index].id))
    rate = Fraction(values["fps"])
    numbers = told.frames, round(told.seconds * rate)
    return max((number for number in numbers if number <= _LONGEST_S * rate), default=0)


def _lost_behind(job: Job, damage: Damage, end_pts: int, values: dict[str, Any]) -> int:
    """Return how many frames a broadcast has after its last picture that can be decoded.

    Its codec may change, or it may become encrypted. Only of transport streams is the end of the
    pictures known, which FFmpeg takes from the file's last packets; not if their times restart. Or
    the pictures go on in another stream: then their number is reckoned from the size of the rest.
    """
    info, frames = job.info, int(values["frames"])
    if not is_transport_stream(job.path):
        return 0
    with open_container(job.path, info.max_pixels) as container:
        pid = int(container.streams[info.stream_index].id)
        others = {int(stream.id) for stream in container.streams if stream.type != "video"}
    rest, rate = rest_without(job.path, pid, others), Fraction(values["fps"])
    lost = round(frames * rest / max(_REST, 1 - rest))
    if rest >= _REST and lost / rate >= _LATE_S:
        return lost
    if info.duration_s is None or info.start_pts is None or damage.restarts:
        return 0
    late = info.duration_s - float((end_pts - info.start_pts) * info.time_base)
    ends_early = late >= max(_LATE_S, _LATE * info.duration_s)
    return round(late * float(rate)) if ends_early else 0


def _pauses(pts: list[int], info: VideoInfo) -> str:
    """Describe pauses between frames, which may be intended or due to lost frames.

    If all other frames are evenly spaced, even one that is left out is a pause.
    """
    steps = np.diff(np.array(pts, np.int64))
    if not len(steps):
        return ""
    least = max(_PAUSE_S / float(info.time_base), _PAUSE_STEPS * float(np.median(steps)))
    usual = usual_step(Counter(steps.tolist()))
    if usual is not None:
        least = min(least, _GAP_STEPS * usual)
    long = [step for step in steps.tolist() if step >= least]
    if not long:
        return ""
    seconds = float(sum(long) * info.time_base)
    pauses = "1 pause" if len(long) == 1 else f"{len(long)} pauses"
    return f"{pauses} in the pictures, {seconds:.1f} s in all"


def _find_faces(job: Job, samples: Path, folder: Path, progress: Progress) -> None:
    from caer_data.faces.models.choose import kept_models

    started = time.perf_counter()
    settings = job.recipe.faces
    pts = timestamps(job)
    seconds = (pts - pts[0]).astype(np.float64) * float(job.info.time_base)
    detector, embedder = kept_models(settings, job.threads, job.weights)
    pictures = Samples(samples, _telling(progress))
    faces.find(
        shots=found_shots(job),
        frames=search.Frames(
            samples=pictures,
            times=seconds,
            width=job.info.width,
            height=job.info.height,
            bars=find_bars(pictures),
        ),
        models=search.Models.of(detector, embedder, settings, job.threads),
        settings=settings,
        tracks=job.imported.read_tracks(seconds, job.info),
        folder=folder,
        on_shot=lambda length_s: progress("faces", length_s),
    )
    write_json(folder / "seconds.json", {"faces": time.perf_counter() - started})
    write_json(
        folder / "models.json",
        {
            "detector": detector.name,
            "embedder": embedder.name,
            "track_threshold": embedder.track_threshold,
            "warnings": sorted({*detector.warnings, *embedder.warnings}),
        },
    )
    if job.forgotten:
        shots = found_shots(job)
        redact.redact(folder, described(job, int(pts[0])), shots, job.forgotten)
        redact.note_whole(folder, job.whole_faces_key)
