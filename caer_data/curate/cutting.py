"""The stage that cuts kept clips without a file and removes clips that are no longer kept."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from caer_data.curate import clips as clip_stage
from caer_data.curate import keeping
from caer_data.curate.analysis_results import glimpses, shown_as, timestamps
from caer_data.curate.setup import Setup, Video
from caer_data.engine import anchors, copies, tables
from caer_data.engine.cores import cores
from caer_data.engine.dataset import Dataset
from caer_data.engine.pool import Task
from caer_data.engine.progress import printable
from caer_data.media.clip_command import Source
from caer_data.media.frame_rate import span_of
from caer_data.media.glimpse import Ends


@dataclass(frozen=True)
class Cut:
    """The result of cutting.

    Attributes:
        clips: the table `clips`.
        groups: groups of clips that were cut together.
        failed: why clips could not be cut, by `clip_id`.
    """

    clips: pd.DataFrame
    groups: list[clip_stage.Group]
    failed: dict[str, str]


def cut(
    setup: Setup,
    videos: list[Video],
    clips: pd.DataFrame,
    absent: keeping.Absent,
    unread: set[str],
) -> Cut:
    """Cut the kept clips that have no file yet, and remove clips that are no longer needed.

    Args:
        setup: the build.
        videos: the readable videos.
        clips: their rows of `clips`.
        absent: tables of absent videos, whose clips stay.
        unread: identifiers of videos that failed, whose clips also stay.
    """
    wanted = _wanted(videos, clips)
    groups = clip_stage.grouped(wanted.values())
    _, problems = _cut(setup, groups, fetch=True)
    folder, settings = setup.dataset.folder, setup.recipe.clips
    records: dict[str, dict[str, Any]] = {}
    for group in groups:
        records |= clip_stage.records(folder, setup.work, group, settings)
    failed: dict[str, str] = {}
    rows = [*tables.records(clips), *tables.records(absent.clips)]
    for row in rows:
        clip = wanted.get(row["clip_id"])
        if clip is None:
            continue
        record = records.get(clip.clip_id)
        if record is None:
            row.update(status="dropped", reason="failed")
            failed[clip.clip_id] = printable(problems.get(clip.clip_id, "it could not be cut"))
            setup.reporter.warn(f"{printable(clip.clip_id)}: {failed[clip.clip_id]}")
        else:
            setup.seconds["clips"] += record.pop("seconds")
            row.update(record, path=clip.path)
    kept = {row["path"] for row in rows if row["status"] in tables.PRESENT}
    remove_others(setup.dataset, kept, unread)
    cut_rows = tables.frame(tables.CLIPS, [keeping.without_na(row) for row in rows])
    return Cut(cut_rows, groups, failed)


def cut_alone(setup: Setup, videos: list[Video], clips: pd.DataFrame) -> tuple[int, dict[str, str]]:
    """Cut the kept clips of some videos that have no file yet, and remove none.

    Returns:
        How many were cut, and why others could not be cut, by `clip_id`.
    """
    own = clips[clips["video_id"].isin([video.job.video_id for video in videos])]
    groups = clip_stage.grouped(_wanted(videos, own).values())
    count, problems = _cut(setup, groups, fetch=False)
    copy, settings = copies.at(setup.dataset.folder), setup.recipe.clips
    if copy is not None:
        done: dict[str, str] = {}
        for group in groups:
            here = clip_stage.records(setup.dataset.folder, setup.work, group, settings)
            done |= {record["path"]: record["sha256"] for record in here.values()}
        copy.hand_over(done, lambda: {path for path, _, _ in _earlier_clips(setup.dataset.folder)})
    return count - len(problems), {printable(name): why for name, why in problems.items()}


def _cut(
    setup: Setup, groups: list[clip_stage.Group], *, fetch: bool
) -> tuple[int, dict[str, str]]:
    """Cut the missing clips; return how many, and why some could not be cut, by `clip_id`.

    In the copy of a dataset in an object store, those that a shard has cut are in the store; with
    `fetch` they are fetched.
    """
    folder, settings = setup.dataset.folder, setup.recipe.clips
    missing = clip_stage.unfinished(folder, setup.work, groups, settings, cores())
    copy = copies.at(folder)
    if copy is not None and missing:
        stored = _stored(setup, copy, missing)
        if fetch:
            copy.fetch_contents({path: sha for files in stored.values() for path, sha in files})
        missing = [group for group in missing if group.name not in stored]
    tasks = [
        Task(chunk[0].name, clip_stage.cut, (folder, setup.work, chunk, settings))
        for chunk in clip_stage.chunks(missing)
    ]
    problems: dict[str, str] = {}
    count = sum(len(group.clips) for group in missing)
    with setup.reporter.stage("clips", count, "clips") as bar:
        for outcome in setup.run(
            "clips", tasks, lambda task, _, amount: bar.advance(amount, task.name)
        ):
            problems |= outcome.value or {}
            if outcome.error:
                chunk = outcome.task.arguments[2]
                problems |= {c.clip_id: outcome.error for g in chunk for c in g.clips}
    return count, problems


def _stored(
    setup: Setup, copy: copies.Copy, groups: list[clip_stage.Group]
) -> dict[str, list[tuple[str, str]]]:
    """Return the groups whose clips are all in the store, by name: paths and SHA-256."""
    known = {
        group.name: list(clip_stage.recorded(setup.work, group, setup.recipe.clips).items())
        for group in groups
    }
    contents = copy.contents() if any(known.values()) else set()
    return {
        name: files
        for name, files in known.items()
        if files and all(digest in contents for _, digest in files)
    }


def _wanted(videos: list[Video], clips: pd.DataFrame) -> dict[str, clip_stage.Clip]:
    by_id = {v.job.video_id: v for v in videos}
    times = {name: timestamps(v.job) for name, v in by_id.items()}
    seen = lru_cache(1)(lambda name: glimpses(by_id[name].job))  # rows are in order of videos
    wanted = {}
    for row in clips[clips["status"] == "kept"].to_dict("records"):
        video = by_id[row["video_id"]]
        wanted[row["clip_id"]] = clip_stage.Clip(
            clip_id=row["clip_id"],
            show=row["show"],
            source=Source(
                path=video.job.path,
                info=shown_as(video.job),
                first_pts=video.row["first_pts"],
                fps=Fraction(video.row["fps"]),
                handed_over=video.row["retimed"] > 0 or video.row["shape_changes"],
                interlaced=video.row["scan_type"] != "progressive",
            ),
            span=span_of(
                times[row["video_id"]],
                row["start_frame"],
                row["end_frame"],
                row["end_pts"],
                video.job.info.time_base,
                Fraction(video.row["fps"]),
            ),
            sha256=video.job.sha256,
            stamp=video.job.stamp,
            ends=Ends.of(seen(row["video_id"]), row["start_frame"], row["end_frame"]),
        )
    return wanted


def remove_others(dataset: Dataset, paths: set[str], unread: set[str]) -> None:
    """Remove clips that an earlier recipe kept and the current one does not.

    Clips of failed videos stay, so that the same command finds them once the cause is fixed. Files
    that were not written by a build, or were modified since, belong to the user and stay.

    Args:
        dataset: the dataset.
        paths: paths of the clips that are kept.
        unread: identifiers of videos that failed.
    """
    others = {
        path: file
        for file in dataset.clips_folder.glob("*/*.mp4")
        if (path := file.relative_to(dataset.folder).as_posix()) not in paths
        and file.stem.rsplit(".", 2)[0] not in unread
    }
    if others:
        written = clip_stage.written(dataset.work_folder) | _earlier_clips(dataset.folder)
        for file in clip_stage.unchanged(others, written):
            file.unlink()


def _earlier_clips(folder: Path) -> set[clip_stage.Written]:
    """Return the files of the clips that the last complete build kept."""
    dataset = Dataset(folder)  # another one may be of an older build
    if not dataset.has(tables.CLIPS):
        return set()
    kept = anchors.present(dataset.clips)[["path", "bytes", "sha256"]]
    return set(kept.itertuples(index=False, name=None))
