"""What a build will take, before it is begun: time, disk, hours of rating.

A few parts of the videos, spread over all of them, are built in a temporary folder, by as many
processes as the build would use. What these took is scaled up by the length of the videos, and what
a video costs however short it is by their number. Nothing is written to the dataset.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from caer_data.curate import PRELOAD, hand_cuts, run
from caer_data.curate import videos as video_stage
from caer_data.curate.funnel import duration_text
from caer_data.curate.job import Job
from caer_data.curate.pyannote_files import Imported
from caer_data.engine.artifacts import read_json
from caer_data.engine.cores import cores
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import Decisions
from caer_data.engine.errors import CaerError
from caer_data.engine.forgotten import Forgotten
from caer_data.engine.pool import Limits, Task, run_tasks
from caer_data.engine.progress import Reporter, printable
from caer_data.engine.schema import USED
from caer_data.engine.sources import held
from caer_data.faces import speakers
from caer_data.media.excerpt import excerpt
from caer_data.media.probe import VideoInfo

_PART_S: Final = 30.0
_MIN_PARTS: Final = 4
_ANSWER_S: Final = 10.0
"""What a rater takes beyond watching the clip once; an assumption, and said."""


@dataclass(frozen=True)
class Rates:
    """What the trial took.

    Attributes:
        parts: parts of videos that were built.
        minutes: of video in them.
        core_s_per_minute: processor core seconds for a minute of video: shots, faces, clips.
        core_s_per_video: the same for a video however short: sound, start of processes, tables.
        bytes_per_minute: of the dataset.
        clips: kept.
        clip_s: length of a clip, seconds, mean.
    """

    parts: int
    minutes: float
    core_s_per_minute: float
    core_s_per_video: float
    bytes_per_minute: float
    clips: int
    clip_s: float


@dataclass
class Forecast:
    """What a build will take.

    Attributes:
        dataset: the dataset's folder.
        videos: files that can be read.
        hours: their length.
        videos_left: those without finished work.
        hours_left: their length.
        workers: processes.
        raters_per_clip: of the recipe.
        rates: what the trial took; None if nothing is left to analyse.
        free_bytes: on the dataset's disk.
        failed: files that cannot be read, or whose length is unknown.
    """

    dataset: Path
    videos: int
    hours: float
    videos_left: int
    hours_left: float
    workers: int
    raters_per_clip: int
    rates: Rates | None
    free_bytes: int
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def core_hours(self) -> float:
        """Hours of one core for what is left."""
        if self.rates is None:
            return 0.0
        by_length = self.hours_left * 60 * self.rates.core_s_per_minute
        return (by_length + self.videos_left * self.rates.core_s_per_video) / 3600

    @property
    def seconds(self) -> float:
        """How long the build takes with all its processes."""
        return self.core_hours * 3600 / min(self.workers, max(1, self.videos_left))

    @property
    def bytes(self) -> float:
        """What the dataset grows by."""
        return self.hours_left * 60 * self.rates.bytes_per_minute if self.rates else 0.0

    @property
    def clips(self) -> float:
        """Clips that will be kept."""
        return self.hours_left * 60 * self.rates.clips / self.rates.minutes if self.rates else 0.0

    @property
    def rating_hours(self) -> float:
        """Work of all raters together for these clips."""
        if self.rates is None:
            return 0.0
        return self.clips * self.raters_per_clip * (self.rates.clip_s + _ANSWER_S) / 3600

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        fields = ("core_hours", "seconds", "bytes", "clips", "rating_hours")
        values = asdict(self) | {"dataset": str(self.dataset), "answer_s": _ANSWER_S}
        return values | {name: round(getattr(self, name), 3) for name in fields}

    def summary(self) -> str:
        """For people."""
        head = (
            f"{self.videos:,} videos, {duration_text(self.hours * 3600)}; to look at: "
            f"{self.videos_left:,}, {duration_text(self.hours_left * 3600)}"
        )
        if self.rates is None:
            return f"{head}. Nothing was tried"
        return "\n".join([head, *self._estimates(self.rates), *self._doubts(self.rates)])

    def _estimates(self, rates: Rates) -> list[str]:
        answer_s = rates.clip_s + _ANSWER_S
        return [
            f"  time    {duration_text(self.seconds)} by {self.workers} processes; "
            f"{self.core_hours:,.2f} core hours",
            f"  disk    {self.bytes / 1e9:,.2f} GB; {self.free_bytes / 1e9:,.1f} GB are free",
            f"  rating  {self.rating_hours:,.1f} hours: {self.clips:,.0f} clips, "
            f"{self.raters_per_clip} raters each, {answer_s:.0f} s per answer",
        ]

    def _doubts(self, rates: Rates) -> list[str]:
        said = [
            f"Rests on {rates.parts} parts of the videos, {rates.minutes:.1f} min together, built "
            f"just now on this machine as busy as it is ({rates.clips} clips kept), and on "
            f"{_ANSWER_S:.0f} s per answer beyond watching a clip once, which is assumed"
        ]
        if rates.clips < 10:
            said.append("So few clips tell little of how many there will be")
        if self.bytes > self.free_bytes:
            said.append(f"The disk of {self.dataset} is too small")
        return said


def forecast(
    shows: Path,
    output: Path,
    recipe: run.RecipeLike | None = None,
    *,
    workers: int | None = None,
    limit: int | None = None,
    reporter: Reporter | None = None,
) -> Forecast:
    """Estimate what `run.build` with the same arguments will take.

    Raises:
        CaerError: as `run.build`, or no part of the videos could be tried.
    """
    prepared = run.prepare(shows, output, recipe, limit, None, reporter)
    reporter, workers = prepared.reporter, workers or cores()
    infos, failed = _probed(prepared, workers)
    left = _left(prepared, infos)
    rates = _tried(prepared, left, workers) if left else None
    for name, why in failed.items():
        reporter.warn(f"{printable(name)}: {printable(why)}")
    return Forecast(
        dataset=output,
        videos=len(infos),
        hours=_seconds(infos) / 3600,
        videos_left=len(left),
        hours_left=_seconds(left) / 3600,
        workers=workers,
        raters_per_clip=prepared.recipe.annotate.raters_per_clip,
        rates=rates,
        free_bytes=shutil.disk_usage(_nearest(output)).free,
        failed=failed,
    )


class _OfTrial(Reporter):
    """Bars of the trial; what is noteworthy in it says nothing of the videos."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""


def _seconds(infos: dict[str, VideoInfo]) -> float:
    return sum(info.duration_s or 0.0 for info in infos.values())


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest parent that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _probed(prepared: run.Prepared, workers: int) -> tuple[dict[str, VideoInfo], dict[str, str]]:
    """What each file is, by path below the shows, and why some cannot be used; none is hashed."""
    recipe, reporter = prepared.recipe, prepared.reporter
    tasks = [
        Task(item.relative, video_stage.look, (item.path, recipe.videos, recipe.media.audio))
        for item in prepared.found
    ]
    infos: dict[str, VideoInfo] = {}
    failed: dict[str, str] = {}
    with reporter.stage("videos", len(tasks), "videos") as bar:
        for outcome in run_tasks(tasks, workers, _ignore, Limits(), PRELOAD, reuse=True):
            name = outcome.task.name
            if outcome.value is None:
                failed[name] = outcome.error or "unknown"
            elif not outcome.value.duration_s:
                failed[name] = "does not say how long it is, so it is left out of the estimate"
            else:
                infos[name] = outcome.value
            bar.advance(1, name)
    return dict(sorted(infos.items())), failed


def _ignore(task: Task, stage: str, amount: float) -> None:
    """Probing reports nothing but its end."""


def _left(prepared: run.Prepared, infos: dict[str, VideoInfo]) -> dict[str, VideoInfo]:
    """Of the videos those whose artifacts are not there yet."""
    folder = prepared.dataset.folder
    cuts = hand_cuts.by_video(tuple(Decisions(folder).standing()))
    forgotten = Forgotten.of(folder)
    done = {
        item.relative
        for item in prepared.found
        if item.relative in infos and _is_done(prepared, item, cuts, forgotten)
    }
    return {name: info for name, info in infos.items() if name not in done}


def _is_done(
    prepared: run.Prepared,
    found: video_stage.Found,
    cuts: Mapping[str, tuple[hand_cuts.Cut, ...]],
    forgotten: Forgotten,
) -> bool:
    recipe, work = prepared.recipe, prepared.dataset.work_folder
    known = video_stage.remembered(found, recipe.videos, recipe.media.audio, work)
    if known is None or known.info is None:
        return False
    return Job(
        path=found.path,
        video_id=found.video_id,
        sha256=known.row["sha256"],
        info=known.info,
        recipe=recipe,
        work=work,
        threads=1,
        imported=Imported(),
        weights=tuple(model.sha256 for model in prepared.models),
        speaker_model=speakers.check(recipe.speech.speaker, recipe.speech.speaker_model),
        cuts=cuts.get(known.row["sha256"], ()),
        forgotten=forgotten.in_video(known.row["sha256"]),
    ).done


def _tried(prepared: run.Prepared, left: dict[str, VideoInfo], workers: int) -> Rates:
    """Build a few parts in a temporary folder.

    Raises:
        CaerError: none can be built.
    """
    paths = {item.relative: item.path for item in prepared.found}
    parts = spread(left, workers * math.ceil(_MIN_PARTS / workers))
    prepared.reporter.say(f"Tries {len(parts)} parts of {_PART_S:.0f} s")
    reporter = _OfTrial(prepared.reporter.mode)
    with tempfile.TemporaryDirectory(prefix="caer-data-") as name:
        shows, folder = Path(name, "shows", "trial"), Path(name, "dataset")
        shows.mkdir(parents=True)
        problems = []
        for number, (relative, start_s) in enumerate(parts):
            try:
                target = shows / f"{number:03d}.mkv"
                with held(paths[relative]):
                    excerpt(paths[relative], left[relative], start_s, _PART_S, target)
            except CaerError as error:
                target.unlink(missing_ok=True)
                problems.append(str(error))
        if len(problems) == len(parts):
            raise CaerError(f"no part of the videos can be tried: {problems[0]}")
        outcome = run.build(
            shows.parent, folder, prepared.recipe, workers=workers, reporter=reporter
        )
        if not outcome.videos:
            why = next(iter(outcome.failed.values()), "none can be read")
            raise CaerError(f"no part of the videos can be tried: {why}")
        return _rates(Dataset(folder), outcome.seconds, workers)


def spread(infos: dict[str, VideoInfo], count: int) -> list[tuple[str, float]]:
    """Videos and seconds at which to begin this many parts, spread evenly over all footage.

    Of footage that is shorter than that every video gives one part.
    """
    if _seconds(infos) <= count * _PART_S:
        return [(name, 0.0) for name in infos][:count]
    chosen = []
    names, step = iter(infos.items()), _seconds(infos) / count
    name, info = next(names)
    before = 0.0
    for number in range(count):
        at = (number + 0.5) * step
        while at - before >= (info.duration_s or 0.0):
            before += info.duration_s or 0.0
            name, info = next(names)
        last = (info.duration_s or 0.0) - _PART_S
        chosen.append((name, max(0.0, min(at - before, last))))
    return chosen


def _rates(dataset: Dataset, wall_s: float, workers: int) -> Rates:
    """What a build took, by minute of video and by video."""
    videos, clips = dataset.videos, dataset.clips
    good = videos[videos["duration_s"].notna() & videos["status"].isin(USED)]
    minutes = float(good["duration_s"].sum()) / 60
    stages = read_json(dataset.work_folder / "timings.json")["stages"]
    busy_s = sum(stages[name] for name in ("shots", "faces", "clips") if name in stages)
    kept = clips[clips["status"] == "kept"]
    length_s = (kept["end_s"] - kept["start_s"]).mean()
    sizes = [path.stat().st_size for path in dataset.folder.rglob("*") if path.is_file()]
    return Rates(
        parts=len(good),
        minutes=minutes,
        core_s_per_minute=busy_s / minutes,
        core_s_per_video=max(0.0, wall_s * min(workers, len(good)) - busy_s) / len(good),
        bytes_per_minute=sum(sizes) / minutes,
        clips=len(kept),
        clip_s=float(length_s) if len(kept) else 0.0,
    )
