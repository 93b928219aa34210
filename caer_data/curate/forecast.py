"""Estimates of a build's time and disk space, and of the hours of rating, before it starts.

A few parts, spread over all videos, are built in a temporary folder, with as many processes as the
build would use. What the processes did is scaled up by the length of the videos; what the command
did by itself is added once. Nothing is written to the dataset.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from caer_data.curate import PRELOAD, hand_cuts, run
from caer_data.curate import videos as video_stage
from caer_data.curate.funnel import duration_text
from caer_data.curate.job import Job
from caer_data.curate.pyannote_files import Imported
from caer_data.engine.cores import cores
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import Decisions
from caer_data.engine.engines import LocalEngine
from caer_data.engine.errors import CaerError
from caer_data.engine.forgotten import Forgotten
from caer_data.engine.metering import Metered
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
        core_s_per_minute: processor seconds per minute of video.
        wall_per_core: duration of a process's work per processor second: more than 1 if it had to
            wait for a disk or other programs.
        once_s: seconds that the command needs by itself, however many videos there are.
        once_core_s: processor seconds of this.
        bytes_per_minute: bytes of clips and intermediate results per minute of video.
        clips: number of kept clips, corrected for those that the ends of the parts cut off.
        clip_s: mean length of a clip, seconds.
    """

    parts: int
    minutes: float
    core_s_per_minute: float
    wall_per_core: float
    once_s: float
    once_core_s: float
    bytes_per_minute: float
    clips: float
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
        return (self._spread_core_s + self.rates.once_core_s) / 3600

    @property
    def seconds(self) -> float:
        """Duration of the build with all its processes, seconds."""
        if self.rates is None:
            return 0.0
        alone = self._spread_core_s * self.rates.wall_per_core
        return self.rates.once_s + alone / min(self.workers, max(1, self.videos_left))

    @property
    def _spread_core_s(self) -> float:
        """Processor seconds of the work that processes share."""
        return self.hours_left * 60 * self.rates.core_s_per_minute if self.rates else 0.0

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
            f"on this machine under its current load ({rates.clips:.0f} clips kept). Assumes "
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
        engine = Metered(LocalEngine(workers))
        before = time.process_time()
        outcome = run.build(shows.parent, folder, prepared.recipe, engine=engine, reporter=reporter)
        if not outcome.videos:
            why = next(iter(outcome.failed.values()), "none can be read")
            raise CaerError(f"no part of the videos can be built: {why}")
        whole = {
            f"{number:03d}.mkv": _edges(left[relative], start_s)
            for number, (relative, start_s) in enumerate(parts)
        }
        own_s = time.process_time() - before
        return _rates(Dataset(folder), engine, (outcome.seconds, own_s), whole)


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


def _edges(info: VideoInfo, start_s: float) -> tuple[bool, bool]:
    """Whether a part begins, and whether it ends, where the video goes on."""
    return start_s > 0, start_s + _PART_S < (info.duration_s or 0.0)


def _rates(
    dataset: Dataset,
    engine: Metered,
    took: tuple[float, float],
    edges: Mapping[str, tuple[bool, bool]],
) -> Rates:
    """Return the cost of a build per minute of video.

    Args:
        dataset: the dataset.
        engine: the engine that it was built on.
        took: duration of the build and processor time of its own process, seconds.
        edges: by file name of each part, whether it begins and ends within its video.
    """
    videos, clips = dataset.videos, dataset.clips
    good = videos[videos["duration_s"].notna() & videos["status"].isin(USED)]
    minutes = float(good["duration_s"].sum()) / 60
    kept = clips[clips["status"] == "kept"]
    count, seconds = _counted(good, kept, edges)
    cost = engine.cost
    return Rates(
        parts=len(good),
        minutes=minutes,
        core_s_per_minute=cost.core_s / minutes,
        wall_per_core=cost.wall_s / max(cost.core_s, 1e-3),
        once_s=max(0.0, took[0] - engine.stages_s),
        once_core_s=took[1],
        bytes_per_minute=_bytes(dataset) / minutes,
        clips=count,
        clip_s=seconds / count if count else 0.0,
    )


def _counted(
    videos: pd.DataFrame, clips: pd.DataFrame, edges: Mapping[str, tuple[bool, bool]]
) -> tuple[float, float]:
    """Return number and total length (s) of the videos' clips that parts of them stand for.

    A clip that is nearly as long as its part would count many times over, so no more than all
    footage of the parts counts.
    """
    weights = _weights(videos, clips, edges)
    if not weights.any():  # every clip is cut off
        weights[:] = 0.5
    count = float(weights.sum())
    seconds = float(((clips["end_s"] - clips["start_s"]) * weights).sum())
    fits = min(1.0, float(videos["duration_s"].sum()) / seconds) if seconds else 1.0
    return count * fits, seconds * fits


def _weights(
    videos: pd.DataFrame, clips: pd.DataFrame, edges: Mapping[str, tuple[bool, bool]]
) -> pd.Series[float]:
    """Return how many clips of the videos each clip of their parts stands for.

    Parts begin and end within shots. What such an end cuts off does not count, since it may be too
    short to be kept. Clips within a part count more the longer they are, since long ones are more
    often cut off.
    """
    by_id = videos.set_index("video_id")
    names = by_id["path"].str.rpartition("/")[2]
    begins, ends = (
        clips["video_id"].map(names.map(lambda name, side=side: edges[name][side])).astype(bool)
        for side in (0, 1)
    )
    frames = clips["video_id"].map(by_id["frames"]).astype(float)
    length = (clips["end_frame"] - clips["start_frame"]).astype(float)
    whole = ~(begins & (clips["start_frame"] == 0)) & ~(ends & (clips["end_frame"] == frames))
    sides = begins.astype(float) + ends.astype(float)
    return (1 / (1 - length / frames * sides / 2)).where(whole, 0.0)


def _bytes(dataset: Dataset) -> int:
    """Return the size of the files that grow with the videos; each counts once, however named."""
    files = [
        path.stat()
        for folder in (dataset.clips_folder, dataset.work_folder)
        for path in folder.rglob("*")
        if path.is_file()
    ]
    return sum({status.st_ino: status.st_size for status in files}.values())
