"""The first stages of a build: probing all files, then analysing the readable videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from caer_data.curate import hand_cuts, keeping
from caer_data.curate import videos as video_stage
from caer_data.curate.analyse import analyse
from caer_data.curate.analysis_results import measured
from caer_data.curate.job import Job
from caer_data.curate.pyannote_files import Imported
from caer_data.curate.setup import Setup, Video
from caer_data.curate.sidecars import Sidecar
from caer_data.engine.pool import Task
from caer_data.engine.progress import printable
from caer_data.media.fields import Fields

TELECINED: Final = (
    "film telecined to interlaced frames: clips cut by time show the film's frames put together "
    "again, of which one in five repeats the previous one; shots, faces and other clips show one "
    "field of each frame"
)


@dataclass
class Probed:
    """The probed files of a build.

    Attributes:
        rows: rows of `videos`, by `video_id`.
        sounds: rows of `audio_tracks`.
        videos: the readable videos.
        sidecars: their subtitle files, by `video_id`.
        forgotten: number of files that exist but must not be analysed.
    """

    rows: dict[str, dict[str, Any]]
    sounds: list[dict[str, Any]]
    videos: list[Video]
    sidecars: dict[str, tuple[Sidecar, ...]]
    forgotten: int = 0

    def damaged(self) -> dict[str, str]:
        """Return a description of the damage of each damaged video, by path."""
        return {
            printable(row["path"]): printable(
                f"damaged, {row['damaged_share']:.1%} of its frames lost or repaired: "
                f"{row['reason']}"
            )
            for row in self.rows.values()
            if row["status"] == "damaged"
        }

    def failed(self) -> dict[str, str]:
        """Return why videos failed, by path."""
        return {
            printable(row["path"]): printable(row["reason"])
            for row in self.rows.values()
            if row["status"] == "failed"
        }


def probe_files(setup: Setup, found: list[video_stage.Found]) -> Probed:
    """Probe every file; return a row for each file and a job for each readable video."""
    described = _described(setup, found)
    ordered = [described[item.video_id] for item in found if item.video_id in described]
    ordered = video_stage.mark_duplicates(ordered, keeping.files_of_videos(setup.dataset))
    for note in video_stage.sound_notes(ordered, setup.recipe.media.audio):
        setup.reporter.say(printable(note))
    for note in video_stage.programme_notes(ordered):
        setup.reporter.warn(printable(note))
    for note in video_stage.film_notes(ordered):
        setup.reporter.warn(printable(note))
    good = [(d, d.info) for d in ordered if d.info is not None and d.row["status"] == "ok"]
    cuts = hand_cuts.by_video(setup.decisions)
    # by the number of all videos, not the remaining ones: interruptions must not change results
    threads = setup.engine.threads(len(good))
    return Probed(
        rows={d.row["video_id"]: d.row for d in ordered},
        sounds=[row for d in ordered for row in video_stage.sound_rows(d)],
        videos=[
            Video(
                d.row,
                Job(
                    path=d.path,
                    video_id=d.row["video_id"],
                    sha256=d.row["sha256"],
                    stamp=d.stamp,
                    info=info,
                    recipe=setup.recipe,
                    work=setup.work,
                    threads=threads,
                    imported=setup.imported.get(d.row["video_id"], Imported()),
                    weights=setup.weights,
                    speaker_model=setup.speaker_model,
                    cuts=cuts.get(d.row["sha256"], ()),
                    forgotten=setup.forgotten.in_video(d.row["sha256"]),
                ),
            )
            for d, info in good
        ],
        sidecars={item.video_id: item.sidecars for item in found},
        forgotten=len(found) - len(ordered),
    )


def _described(setup: Setup, found: list[video_stage.Found]) -> dict[str, video_stage.Described]:
    """Return the description of each file by `video_id`, without forgotten files."""
    settings, audio = setup.recipe.videos, setup.recipe.media.audio
    by_id = {item.video_id: item for item in found}
    described = {
        item.video_id: known
        for item in found
        if (known := video_stage.remembered(item, settings, audio, setup.work))
    }
    tasks = [
        Task(item.video_id, video_stage.describe, (item, settings, audio, setup.work))
        for item in found
        if item.video_id not in described
    ]
    with setup.reporter.stage("videos", len(tasks), "videos") as bar:
        for outcome in setup.run("videos", tasks):
            item = by_id[outcome.task.name]
            described[item.video_id] = outcome.value or video_stage.failed(item, outcome.error)
            bar.advance(1, item.video_id)
    for video_id, described_video in list(described.items()):
        if described_video.row.get("sha256") in setup.forgotten.videos:
            video_stage.unremember(by_id[video_id], settings, audio, setup.work)
            del described[video_id]
    return described


def analyse_videos(setup: Setup, probed: Probed) -> list[Video]:
    """Analyse every video in worker processes; return those that succeed."""
    videos = probed.videos
    tasks = [Task(v.job.video_id, analyse, (v.job,)) for v in videos if not v.job.done]
    minutes = sum((v.job.info.duration_s or 0) / 60 for v in videos if not v.job.done)
    failures = _analysed(setup, tasks, minutes, len(videos)) if tasks else {}
    good = [v for v in videos if v.job.done]
    present = {v.job.video_id for v in good}
    for video_id, why in failures.items():
        if video_id not in present:  # otherwise it had finished when its process ended
            row = probed.rows[video_id]
            row |= {"status": "failed", "reason": why}
            setup.reporter.warn(printable(f"{row['path']}: {why}"))
    for video in good:
        values = measured(video.job)
        video.row["reason"] = values.pop("damage") or None
        if values.pop("hurt"):
            video.row["status"] = "damaged"
        if note := fields_note(video.row | values):
            setup.reporter.warn(printable(f"{video.row['path']}: {note}"))
        video.row |= values
    return good


def fields_note(values: Mapping[str, Any]) -> str | None:
    """Return what users should know of a video's fields; None if its flags are right.

    Args:
        values: `scan_type, field_order, scan_measured, interlaced_share, fields`, as in `videos`.
    """
    fields, flags, seen = Fields(values["fields"]), values["scan_type"], values["scan_measured"]
    if seen == "telecined":
        return TELECINED
    if fields is Fields.WHOLE:
        which = "its" if flags == "interlaced" else "some"
        return f"{which} frames are flagged as two fields but are whole, so none are deinterlaced"
    if fields is Fields.FLAGGED and seen != "mixed":
        return None
    if flags == seen == "interlaced":
        return _order_note(values["field_order"], fields)
    share = f"{values['interlaced_share']:.0%} of its frames with motion consist of two fields"
    if flags != "interlaced":
        which = "they are" if flags == "progressive" else "some are"
        share = f"{share}, though {which} flagged as whole"
    if fields is not Fields.FLAGGED:
        done = "all frames are deinterlaced"
    elif flags == "progressive":
        done = "as most do not, none are deinterlaced, and some clips have combs"
    else:
        done = "those frames are deinterlaced that are flagged as two fields"
    return f"{share}; {done}"


def _order_note(told: str, fields: Fields) -> str | None:
    """Return that the header names the wrong order; None if it names none or the right one."""
    first, other = ("top", "bb") if fields is Fields.TOP else ("bottom", "tt")
    if told != other:  # tb and bt mean one thing in QuickTime and the opposite in FFmpeg's files
        return None
    return f"its header names the wrong order of fields; deinterlaced with the {first} field first"


def _analysed(setup: Setup, tasks: list[Task], minutes: float, count: int) -> dict[str, str]:
    """Analyse videos; return why some failed, by `video_id`."""
    failures: dict[str, str] = {}
    setup.reporter.say(f"{len(tasks)} of {count} videos to analyse")
    with (
        setup.reporter.stage("shots", minutes, "min of video") as shots,
        setup.reporter.stage("faces", minutes, "min of video") as faces,
    ):
        bars = {"shots": shots, "faces": faces}
        for outcome in setup.run(
            "analyse",
            tasks,
            lambda task, stage, amount: bars[stage].advance(amount / 60, task.name),
        ):
            if outcome.error:
                failures[outcome.task.name] = outcome.error
        for bar in bars.values():  # headers only give an estimate of a video's length
            bar.advance(max(0.0, bar.total - bar.done))
    return failures
