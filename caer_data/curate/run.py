"""Run the build: videos, shots, faces, people, filter, clips."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from caer_data.curate import PRELOAD, clean, keeping, prerequisites
from caer_data.curate import clips as clip_stage
from caer_data.curate import filter as filter_stage
from caer_data.curate import videos as video_stage
from caer_data.curate.analyse import (
    Job,
    analyse,
    faces_of,
    faces_piece,
    measured,
    shots_of,
    shots_piece,
    timestamps,
    tracks_of,
)
from caer_data.curate.outcome import Outcome
from caer_data.curate.pyannote_files import Imported, imported_for, require_some
from caer_data.engine import anchors, tables
from caer_data.engine import recipe as recipes
from caer_data.engine.cores import cores
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error, remove_leftovers, write_text
from caer_data.engine.ledger import Ledger
from caer_data.engine.ownership import check_dataset, claim_dataset, is_outdated
from caer_data.engine.pieces import Piece, Store, write_json
from caer_data.engine.pool import Limits, Task, run_tasks
from caer_data.engine.progress import Reporter, printable
from caer_data.engine.provenance import provenance
from caer_data.engine.secret import secret_of
from caer_data.faces import people as people_stage
from caer_data.faces.models import weights
from caer_data.media.clip_command import Source
from caer_data.media.spans import span_of


def build(
    shows: Path,
    output: Path,
    recipe: str | os.PathLike[str] | Mapping[str, Any] | recipes.Recipe | None = None,
    *,
    workers: int | None = None,
    limit: int | None = None,
    pyannote: Path | None = None,
    reporter: Reporter | None = None,
    limits: Limits | None = None,
    drop_rated: bool = False,
    finish: Callable[[Dataset], object] | None = None,
) -> Outcome:
    """Build a dataset from a folder of shows, or resume one.

    Args:
        shows: folder of shows, or one video.
        output: the dataset folder.
        recipe: name or file of a recipe; without one the dataset's own, else `caer`.
        workers: processes; without a number, one for each core.
        limit: process at most this many videos.
        pyannote: folder of pyannote.video's results, taken in place of finding shots and faces.
        reporter: receives the progress.
        limits: what one video may use.
        drop_rated: continue where rated clips would change or be removed.
        finish: called with the whole dataset while it is still locked: what writes the report.

    Raises:
        CaerError: no videos, a mistake in the recipe, a folder that cannot be written, or one that
            holds something else than a dataset.
        RatedClipsError: rated clips would change or go, and `drop_rated` was not given.
        BusyError: another command is working on the dataset.
    """
    started = time.perf_counter()
    dataset = Dataset(output)
    check_dataset(output)
    if is_outdated(output):
        raise CaerError(
            f"{output}: was made by an earlier version of caer-data; run 'caer-data upgrade "
            f"{output}' first"
        )
    chosen = recipes.load(recipe or (dataset.recipe_path if dataset.exists else "caer"))
    prerequisites.check(chosen)
    models = weights.chosen(chosen.faces)
    reporter = reporter or Reporter("quiet")
    notes: list[str] = []
    found = video_stage.find(shows, chosen.videos, notes.append)[:limit]
    imported = {}
    if pyannote:
        imported = {item.video_id: imported_for(pyannote, item.relative) for item in found}
        require_some(pyannote, list(imported.values()))
    try:
        with dataset.lock():
            run = _Run(dataset, chosen, workers or cores(), reporter)
            run.limits = limits or Limits()
            run.imported = imported
            for note in notes:
                reporter.warn(printable(note))
            run.weights = tuple(model.sha256 for model in models)
            run.reporter.say(weights.said_of_detector(chosen.faces))
            for model in models:
                run.reporter.say(f"Face model {model.path} ({model.licence})")
            claim_dataset(output)
            secret_of(output)
            remove_leftovers(output)
            run.drop_rated = drop_rated
            run.ledger = Ledger.of(dataset)
            with _kept_recipe(dataset):
                write_text(dataset.recipe_path, recipes.dump(chosen))
                write_json(dataset.provenance_path, provenance(shows))
                outcome = run.everything(found)
            if finish is not None:
                finish(dataset)
            outcome.seconds = round(time.perf_counter() - started, 1)
            return outcome
    except OSError as error:
        raise CaerError(explain_os_error(error, output)) from error


@contextmanager
def _kept_recipe(dataset: Dataset) -> Iterator[None]:
    """Leave recipe and provenance as they were, if a build stops because of rated clips."""
    paths = (dataset.recipe_path, dataset.provenance_path)
    earlier = {path: path.read_text(encoding="utf-8") for path in paths if path.is_file()}
    try:
        yield
    except keeping.RatedClipsError:
        for path, text in earlier.items():
            write_text(path, text)
        raise


@dataclass
class _Video:
    """One good video on its way through the stages."""

    row: dict[str, Any]
    job: Job


class _Run:
    """One run over a dataset folder; the stages are methods in the order in which they happen."""

    def __init__(
        self, dataset: Dataset, recipe: recipes.Recipe, workers: int, reporter: Reporter
    ) -> None:
        self.dataset = dataset
        self.recipe = recipe
        self.workers = workers
        self.reporter = reporter
        self.limits = Limits()
        self.imported: dict[str, Imported] = {}
        self.weights: tuple[str, ...] = ()
        self.drop_rated = False
        self.ledger = Ledger()
        self.groups: list[clip_stage.Group] = []
        self.uncut: dict[str, str] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.sounds: list[dict[str, Any]] = []
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def everything(self, found: list[video_stage.Found]) -> Outcome:
        """All stages and tables."""
        videos = self._videos(found)
        videos = self._analyse(videos)
        tracks, people = self._people(videos)
        clips = self._filter(videos, tracks)
        self._mint_keys(videos, tracks, clips)
        absent = keeping.absent(self.dataset, self.rows.values())
        fates = keeping.fates(self.dataset, pd.concat([clips, absent.clips], ignore_index=True))
        if not self.drop_rated:
            keeping.check(fates)
        clips = self._cut(videos, clips, absent)
        self._write_tables(videos, tracks, people, clips, absent)
        kept = clips["status"].isin(tables.THERE)
        damaged = self._damaged()
        for what, why in damaged.items():
            self.reporter.warn(f"{what}: {why}")
        return Outcome(
            dataset=self.dataset.folder,
            videos=len(videos),
            duplicates=sum(row["status"] == "duplicate" for row in self.rows.values()),
            kept=int(kept.sum()),
            dropped={str(k): int(v) for k, v in clips.loc[~kept, "reason"].value_counts().items()},
            people=len(people),
            absent=len(absent.videos),
            rated=fates,
            failed={
                printable(row["path"]): printable(row["reason"])
                for row in self.rows.values()
                if row["status"] == "failed"
            }
            | self.uncut,
            damaged=damaged,
        )

    def _damaged(self) -> dict[str, str]:
        """What was wrong with videos that lost pictures, by path, with the share of them."""
        return {
            printable(row["path"]): printable(
                f"damaged, {row['damaged_share']:.1%} of its frames lost or repaired: "
                f"{row['reason']}"
            )
            for row in self.rows.values()
            if row["status"] == "damaged"
        }

    def _videos(self, found: list[video_stage.Found]) -> list[_Video]:
        """Probe every file; keep a row for each, and a job for each good one."""
        settings, audio = self.recipe.videos, self.recipe.media.audio
        by_id = {item.video_id: item for item in found}
        described = {
            item.video_id: known
            for item in found
            if (known := video_stage.remembered(item, settings, audio, self._work))
        }
        tasks = [
            Task(item.video_id, video_stage.describe, (item, settings, audio, self._work))
            for item in found
            if item.video_id not in described
        ]
        with self.reporter.stage("videos", len(tasks), "videos") as bar:
            for outcome in run_tasks(tasks, self.workers, _ignore, self.limits, PRELOAD):
                item = by_id[outcome.task.name]
                described[item.video_id] = outcome.value or video_stage.failed(item, outcome.error)
                bar.advance(1, item.video_id)
        ordered = video_stage.mark_duplicates([described[item.video_id] for item in found])
        self.rows = {d.row["video_id"]: d.row for d in ordered}
        self.sounds = [row for d in ordered for row in video_stage.sound_rows(d)]
        for note in video_stage.sound_notes(ordered, audio):
            self.reporter.say(printable(note))
        good = [(d, d.info) for d in ordered if d.info is not None and d.row["status"] == "ok"]
        # by the videos there are, not by those left to do: results must not depend on a stop
        side_by_side = max(1, min(self.workers, len(good)))
        threads = max(1, cores() // side_by_side)
        return [
            _Video(
                d.row,
                Job(
                    path=d.path,
                    video_id=d.row["video_id"],
                    sha256=d.row["sha256"],
                    stamp=d.stamp,
                    info=info,
                    recipe=self.recipe,
                    work=self._work,
                    threads=threads,
                    imported=self.imported.get(d.row["video_id"], Imported()),
                    weights=self.weights,
                ),
            )
            for d, info in good
        ]

    def _analyse(self, videos: list[_Video]) -> list[_Video]:
        """Shots and faces of every video, each in a process of its own."""
        tasks = [Task(v.job.video_id, analyse, (v.job,)) for v in videos if not v.job.done]
        minutes = sum((v.job.info.duration_s or 0) / 60 for v in videos if not v.job.done)
        failures: dict[str, str] = {}
        if tasks:
            self.reporter.say(f"{len(tasks)} of {len(videos)} videos to look at")
            with (
                self.reporter.stage("shots", minutes, "min of video") as shots,
                self.reporter.stage("faces", minutes, "min of video") as faces,
            ):
                bars = {"shots": shots, "faces": faces}
                for outcome in run_tasks(
                    tasks,
                    self.workers,
                    lambda task, stage, amount: bars[stage].advance(amount / 60, task.name),
                    self.limits,
                    PRELOAD,
                ):
                    if outcome.error:
                        failures[outcome.task.name] = outcome.error
                for bar in bars.values():  # headers only estimate how long a video is
                    bar.advance(max(0.0, bar.total - bar.done))
        good = [v for v in videos if v.job.done]
        for video_id, why in failures.items():
            if video_id not in {v.job.video_id for v in good}:  # else it was done when it ended
                self._fail(video_id, why)
        for video in good:
            values = measured(video.job)
            self._note_damage(video, values.pop("damage"), values.pop("hurt"))
            video.row |= values
        return good

    def _people(self, videos: list[_Video]) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
        """Tracks with persons by video, and the people of all shows."""
        started = time.perf_counter()
        models = [faces_piece(v.job).json("models.json") for v in videos]
        for warning in sorted({w for m in models for w in m["warnings"]}):
            self.reporter.warn(warning)
        usual = models[0]["track_threshold"] if models else 0.0
        threshold = self.recipe.people.threshold or usual
        tracks: dict[str, pd.DataFrame] = {}
        people = [tables.empty(tables.PEOPLE)]
        shows: dict[str, list[_Video]] = {}
        for video in videos:
            shows.setdefault(video.row["show"], []).append(video)
        with self.reporter.stage("people", len(shows), "shows") as bar:
            ids = people_stage.show_ids(shows)
            for show, own in shows.items():
                frames = [tracks_of(v.job) for v in own]
                vectors = [faces_piece(v.job).array("embeddings.npy") for v in own]
                labelled, found = people_stage.cluster(
                    show,
                    ids[show],
                    pd.concat(frames, ignore_index=True),
                    np.concatenate(vectors),
                    threshold,
                )
                for video in own:
                    mine = labelled["video_id"] == video.job.video_id
                    tracks[video.job.video_id] = labelled[mine].reset_index(drop=True)
                people.append(found)
                bar.advance(1, show)
        self.seconds["people"] = time.perf_counter() - started
        return tracks, pd.concat(people, ignore_index=True)

    def _filter(self, videos: list[_Video], tracks: dict[str, pd.DataFrame]) -> pd.DataFrame:
        """Keep or drop every shot."""
        started = time.perf_counter()
        chosen = [tables.empty(tables.CLIPS)]
        for video in videos:
            timing = filter_stage.Timing(
                Fraction(video.row["fps"]), video.job.info.time_base, timestamps(video.job)
            )
            chosen.append(
                filter_stage.choose(
                    pd.Series(video.row),
                    shots_of(video.job),
                    tracks[video.job.video_id],
                    timing,
                    self.recipe.filter,
                    self.recipe.clips,
                )
            )
        self.seconds["filter"] = time.perf_counter() - started
        return pd.concat(chosen, ignore_index=True)

    def _cut(
        self, videos: list[_Video], clips: pd.DataFrame, absent: keeping.Absent
    ) -> pd.DataFrame:
        """Cut what is kept and not yet cut; clips no longer needed are removed."""
        wanted = self._wanted(videos, clips)
        folder, settings = self.dataset.folder, self.recipe.clips
        groups = self.groups = clip_stage.grouped(wanted.values())
        missing = clip_stage.unfinished(folder, self._work, groups, settings, self.workers)
        tasks = [
            Task(chunk[0].name, clip_stage.cut, (folder, self._work, chunk, settings))
            for chunk in clip_stage.chunks(missing)
        ]
        problems: dict[str, str] = {}
        with self.reporter.stage("clips", sum(len(g.clips) for g in missing), "clips") as bar:
            for outcome in run_tasks(
                tasks,
                self.workers,
                lambda task, _, amount: bar.advance(amount, task.name),
                self.limits,
                PRELOAD,
            ):
                problems |= outcome.value or {}
                if outcome.error:
                    chunk = outcome.task.arguments[2]
                    problems |= {c.clip_id: outcome.error for g in chunk for c in g.clips}
        records: dict[str, dict[str, Any]] = {}
        for group in groups:
            records |= clip_stage.records(folder, self._work, group, settings)
        rows = [*tables.records(clips), *tables.records(absent.clips)]
        for row in rows:
            clip = wanted.get(row["clip_id"])
            if clip is None:
                continue
            record = records.get(clip.clip_id)
            if record is None:
                row.update(status="dropped", reason="failed")
                why = problems.get(clip.clip_id, "it could not be cut")
                self.uncut[clip.clip_id] = printable(why)
                self.reporter.warn(printable(f"{clip.clip_id}: {why}"))
            else:
                self.seconds["clips"] += record.pop("seconds")
                row.update(record, path=clip.path)
        self._remove_others({row["path"] for row in rows if row["status"] in tables.THERE})
        return tables.frame(tables.CLIPS, [_without_na(row) for row in rows])

    def _mint_keys(
        self, videos: list[_Video], tracks: dict[str, pd.DataFrame], clips: pd.DataFrame
    ) -> None:
        """Give every kept clip its key, in place; one that is what it was keeps the one it had."""
        kept = clips["status"] == "kept"
        for video in videos:
            own = clips[kept & (clips["video_id"] == video.job.video_id)]
            faces = faces_of(video.job).to_pandas()
            seen = tracks[video.job.video_id]
            found = keeping.middle_anchors(own, video.row, seen, faces)
            columns = keeping.mint(own, found, self.ledger)
            for name in columns:
                clips.loc[own.index, name] = columns[name]

    def _wanted(self, videos: list[_Video], clips: pd.DataFrame) -> dict[str, clip_stage.Clip]:
        by_id = {v.job.video_id: v for v in videos}
        times = {name: timestamps(v.job) for name, v in by_id.items()}
        wanted = {}
        for row in clips[clips["status"] == "kept"].to_dict("records"):
            video = by_id[row["video_id"]]
            wanted[row["clip_id"]] = clip_stage.Clip(
                clip_id=row["clip_id"],
                show=row["show"],
                source=Source(
                    path=video.job.path,
                    info=video.job.info,
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
            )
        return wanted

    def _remove_others(self, paths: set[str]) -> None:
        """Remove clips that an earlier recipe kept and this one does not.

        Those of videos that failed stay: once the cause is fixed, the same command
        finds them. A file that no build wrote, or that was changed since, is somebody's and stays.
        """
        failed = {row["video_id"] for row in self.rows.values() if row["status"] == "failed"}
        others = {
            path: file
            for file in self.dataset.clips_folder.glob("*/*.mp4")
            if (path := file.relative_to(self.dataset.folder).as_posix()) not in paths
            and file.stem.rsplit(".", 2)[0] not in failed
        }
        if others:
            written = clip_stage.written(self._work) | self._earlier_clips()
            for file in clip_stage.unchanged(others, written):
                file.unlink()

    def _earlier_clips(self) -> set[clip_stage.Written]:
        """Files of the clips that the last whole build kept."""
        if not self.dataset.has(tables.CLIPS):
            return set()
        clips = self.dataset.clips
        kept = anchors.there(clips)[["path", "bytes", "sha256"]]
        return set(kept.itertuples(index=False, name=None))

    def _write_tables(
        self,
        videos: list[_Video],
        tracks: dict[str, pd.DataFrame],
        people: pd.DataFrame,
        clips: pd.DataFrame,
        absent: keeping.Absent,
    ) -> None:
        with self.dataset.generation() as path_of:
            self._write_generation(path_of, videos, tracks, people, clips, absent)
        self._write_notes(videos, absent)

    def _write_generation(
        self,
        path_of: Callable[[tables.Table], Path],
        videos: list[_Video],
        tracks: dict[str, pd.DataFrame],
        people: pd.DataFrame,
        clips: pd.DataFrame,
        absent: keeping.Absent,
    ) -> None:
        def write(table: tables.Table, rows: pd.DataFrame) -> None:
            tables.write(table, rows, path_of(table))

        write(tables.VIDEOS, keeping.with_absent(list(self.rows.values()), absent))
        write(tables.AUDIO_TRACKS, tables.frame(tables.AUDIO_TRACKS, self.sounds))
        shots = [tables.empty(tables.SHOTS), *(shots_of(v.job) for v in videos), absent.shots]
        write(tables.SHOTS, pd.concat(shots, ignore_index=True))
        every = [
            tables.empty(tables.TRACKS),
            *(tracks[v.job.video_id] for v in videos),
            absent.tracks,
        ]
        write(tables.TRACKS, pd.concat(every, ignore_index=True))
        tables.write_arrow(
            tables.FACES,
            chain((faces_of(v.job) for v in videos), [absent.faces]),
            path_of(tables.FACES),
        )
        more = absent.people[~absent.people["person_id"].isin(people["person_id"])]
        write(tables.PEOPLE, pd.concat([people, more], ignore_index=True))
        write(tables.KEYS, self.ledger.table())
        write(tables.CLIPS, clips)

    def _write_notes(self, videos: list[_Video], absent: keeping.Absent) -> None:
        """Where the time went, and which pieces of work the tables were put together from."""
        by_video = {
            v.job.video_id: {
                **shots_piece(v.job).json("seconds.json"),
                **faces_piece(v.job).json("seconds.json"),
            }
            for v in videos
        }
        for values in by_video.values():
            for stage, seconds in values.items():
                self.seconds[stage] += seconds
        write_json(self._work / "timings.json", {"stages": dict(self.seconds), "videos": by_video})
        clean.note(self._work, self._used(videos), set(absent.videos["video_id"]))

    def _used(self, videos: list[_Video]) -> dict[str, dict[str, Any]]:
        """Pieces of work that the tables come from, by video."""
        clips: defaultdict[str, list[str]] = defaultdict(list)
        for group in self.groups:
            path = Store(self._work).path("clips", group.name, group.key(self.recipe.clips))
            clips[group.clips[0].sha256].append(Piece(path).name)
        used = {}
        for video in videos:
            shots, faces = shots_piece(video.job).name, faces_piece(video.job).name
            pieces = [shots, faces, *clips[video.row["sha256"]]]
            used[video.job.video_id] = {"faces": faces, "pieces": pieces}
        return used

    @property
    def _work(self) -> Path:
        return self.dataset.work_folder

    def _note_damage(self, video: _Video, damage: str, hurt: bool) -> None:
        """Say in the row, and aloud where pictures were lost, what was wrong with a file."""
        video.row["reason"] = damage or None
        if hurt:
            video.row["status"] = "damaged"

    def _fail(self, video_id: str, why: str) -> None:
        self.rows[video_id] |= {"status": "failed", "reason": why}
        self.reporter.warn(printable(f"{self.rows[video_id]['path']}: {why}"))


def _without_na(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if pd.isna(value) else value for name, value in row.items()}


def _ignore(task: Task, stage: str, amount: float) -> None:
    """Probing has no progress of its own."""
