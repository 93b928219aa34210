"""Estimates of a build's time and disk space, and of the hours of rating, before it starts.

A few parts, spread over all videos, are built in a temporary folder, with as many processes as the
build would use. The cost is scaled up by the length of the videos, and the fixed cost per video by
their number. Nothing is written to the dataset.
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
"""Assumed time a rater needs per answer, besides watching the clip once; the output states it."""


@dataclass(frozen=True)
class Rates:
    """Cost of the trial.

    Attributes:
        parts: number of parts of videos that were built.
        minutes: minutes of video in these parts.
        core_s_per_minute: core seconds per minute of video: shots, faces, clips.
        core_s_per_video: fixed core seconds per video: sound, start of processes, tables.
        bytes_per_minute: bytes of the dataset per minute of video.
        clips: number of kept clips.
        clip_s: mean length of a clip, seconds.
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
    """Estimated cost of a build.

    Attributes:
        dataset: the dataset's folder.
        videos: number of readable files.
        hours: their total length.
        videos_left: number of videos that are not analysed yet.
        hours_left: their total length.
        workers: number of processes.
        raters_per_clip: number of raters per clip, from the recipe.
        rates: cost of the trial; None if nothing is left to analyse.
        free_bytes: free space on the dataset's disk.
        failed: reasons by file that cannot be read or whose length is unknown.
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
        """Core hours of the remaining work."""
        if self.rates is None:
            return 0.0
        by_length = self.hours_left * 60 * self.rates.core_s_per_minute
        return (by_length + self.videos_left * self.rates.core_s_per_video) / 3600

    @property
    def seconds(self) -> float:
        """Duration of the build with all its processes, seconds."""
        return self.core_hours * 3600 / min(self.workers, max(1, self.videos_left))

    @property
    def bytes(self) -> float:
        """Bytes by which the dataset grows."""
        return self.hours_left * 60 * self.rates.bytes_per_minute if self.rates else 0.0

    @property
    def clips(self) -> float:
        """Number of clips that will be kept."""
        return self.hours_left * 60 * self.rates.clips / self.rates.minutes if self.rates else 0.0

    @property
    def rating_hours(self) -> float:
        """Total hours of all raters for these clips."""
        if self.rates is None:
            return 0.0
        return self.clips * self.raters_per_clip * (self.rates.clip_s + _ANSWER_S) / 3600

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate as a dictionary, for programs."""
        fields = ("core_hours", "seconds", "bytes", "clips", "rating_hours")
        values = asdict(self) | {"dataset": str(self.dataset), "answer_s": _ANSWER_S}
        return values | {name: round(getattr(self, name), 3) for name in fields}

    def summary(self) -> str:
        """Return the estimate as text, for people."""
        head = (
            f"{self.videos:,} videos, {duration_text(self.hours * 3600)}; to analyse: "
            f"{self.videos_left:,}, {duration_text(self.hours_left * 3600)}"
        )
        if self.rates is None:
            return f"{head}. Nothing was tried"
        return "\n".join([head, *self._estimates(self.rates), *self._doubts(self.rates)])

    def _estimates(self, rates: Rates) -> list[str]:
        answer_s = rates.clip_s + _ANSWER_S
        return [
            f"  time    {duration_text(self.seconds)} with {self.workers} processes; "
            f"{self.core_hours:,.2f} core hours",
            f"  disk    {self.bytes / 1e9:,.2f} GB; {self.free_bytes / 1e9:,.1f} GB are free",
            f"  rating  {self.rating_hours:,.1f} hours: {self.clips:,.0f} clips, "
            f"{self.raters_per_clip} raters each, {answer_s:.0f} s per answer",
        ]

    def _doubts(self, rates: Rates) -> list[str]:
        said = [
            f"Based on {rates.parts} parts of the videos, {rates.minutes:.1f} min in total, built "
            f"on this machine under its current load ({rates.clips} clips kept). Assumes "
            f"{_ANSWER_S:.0f} s per answer besides watching the clip once"
        ]
        if rates.clips < 10:
            said.append("With so few clips, the number of clips is a rough estimate")
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
    """Estimate the cost of `run.build` with the same arguments.

    Raises:
        CaerError: as in `run.build`, or no part of the videos could be built.
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
    """Shows the trial's bars, but not its messages, which are about parts and not the videos."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""


def _seconds(infos: dict[str, VideoInfo]) -> float:
    return sum(info.duration_s or 0.0 for info in infos.values())


def _nearest(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _probed(prepared: run.Prepared, workers: int) -> tuple[dict[str, VideoInfo], dict[str, str]]:
    """Return each file's properties, and why some cannot be used, by path, without hashing them."""
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
                failed[name] = "has no known duration and is not part of the estimate"
            else:
                infos[name] = outcome.value
            bar.advance(1, name)
    return dict(sorted(infos.items())), failed


def _ignore(task: Task, stage: str, amount: float) -> None:
    """Ignore progress."""


def _left(prepared: run.Prepared, infos: dict[str, VideoInfo]) -> dict[str, VideoInfo]:
    """Return the videos whose artifacts do not exist yet."""
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
    """Build a few parts in a temporary folder and return their cost.

    Raises:
        CaerError: no part can be built.
    """
    paths = {item.relative: item.path for item in prepared.found}
    parts = spread(left, workers * math.ceil(_MIN_PARTS / workers))
    prepared.reporter.say(f"Building {len(parts)} parts of {_PART_S:.0f} s as a trial")
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
            raise CaerError(f"no part of the videos can be built: {problems[0]}")
        outcome = run.build(
            shows.parent, folder, prepared.recipe, workers=workers, reporter=reporter
        )
        if not outcome.videos:
            why = next(iter(outcome.failed.values()), "none can be read")
            raise CaerError(f"no part of the videos can be built: {why}")
        return _rates(Dataset(folder), outcome.seconds, workers)


def spread(infos: dict[str, VideoInfo], count: int) -> list[tuple[str, float]]:
    """Return videos and start times (s) of `count` parts, spread evenly over all footage.

    If the footage is shorter than these parts, every video gets one part.
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
    """Return the cost of a build per minute of video and per video."""
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
