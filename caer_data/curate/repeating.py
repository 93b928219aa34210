"""The stage of a build that finds repeated content and keeps one clip of it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from caer_data.curate import keeping, repeats
from caer_data.curate.analysis_results import prints_artifact, shots_of
from caer_data.curate.setup import Setup, Video
from caer_data.engine import tables
from caer_data.engine.artifacts import Artifact, Store
from caer_data.engine.cores import cores
from caer_data.engine.progress import printable


@dataclass(frozen=True)
class Repeated:
    """Repeated content.

    Attributes:
        clips: the table `clips` of the present videos, in which repeating clips are dropped.
        table: the table `repeats`.
        artifact: name of the artifact that contains it.
    """

    clips: pd.DataFrame
    table: pd.DataFrame
    artifact: str


def drop_repeats(
    setup: Setup,
    videos: list[Video],
    clips: pd.DataFrame,
    absent: keeping.Absent,
    rows: dict[str, dict[str, Any]],
) -> Repeated:
    """Find repeated content, report repeated episodes, and keep one clip of each repetition.

    Args:
        setup: the build.
        videos: the analysed videos.
        clips: the filtered clips, with keys.
        absent: tables of absent videos.
        rows: rows of `videos`, by `video_id`.
    """
    started = time.perf_counter()
    known = _known(setup, videos, absent)
    with setup.reporter.stage("repeats", len(known), "videos") as bar:
        jobs = min(setup.engine.workers, cores())  # on this machine, whatever the engine
        known = repeats.best_first(setup.work, known, jobs)
        table = repeats.find(setup.work, known, _standing(setup), jobs)
        bar.advance(len(known))
    every = keeping.with_absent(list(rows.values()), absent)
    for sentence in _twice(repeats.repeated_episodes(every, table)):
        setup.reporter.warn(printable(sentence))
    least = setup.recipe.filter.min_repeat_score
    if least is not None:
        rated, before = keeping.first_come(setup.dataset, clips)
        strong = table[table["score"] >= least]
        order = [video.video_id for video in known]
        clips = repeats.drop(clips, absent.clips, strong, rated, before, order)
    setup.seconds["repeats"] = time.perf_counter() - started
    path = Store(setup.work).path("repeats", "all", repeats.key(known))
    return Repeated(clips, table, Artifact(path).name)


def _standing(setup: Setup) -> set[tuple[str, str]]:
    """Return pairs of videos (later, earlier) that repeat each other, as the last build found."""
    dataset = setup.dataset
    if not (dataset.has(tables.VIDEOS) and dataset.has(tables.REPEATS)):
        return set()
    return repeats.standing(dataset.videos, dataset.repeats)


def _twice(found: Iterable[tuple[str, str, float]]) -> Iterator[str]:
    """Yield one sentence per repeated episode, for any number of copies."""
    copies: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for later, first, share in found:
        copies[later].append((-share, first))
    for later, of in sorted(copies.items()):
        share, first = min(of)
        same = -share >= repeats.SAME
        others = sum(-other >= repeats.SAME for other, _ in of) - 1 if same else len(of) - 1
        more = f", and {others} more" if others else ""
        if same:
            yield f"{later}: is the same episode as {first}{more} ({-share:.0%} of it)"
        else:
            yield f"{later}: shares footage with {first}{more} ({-share:.0%} of the shorter one)"


def _known(setup: Setup, videos: list[Video], absent: keeping.Absent) -> list[repeats.Known]:
    earlier = keeping.contents(setup.dataset)
    known = [
        repeats.Known(
            video_id=v.job.video_id,
            sha256=v.job.sha256,
            prints=prints_artifact(v.job),
            shots=shots_of(v.job),
            first_pts=v.row["first_pts"],
            time_base=v.job.info.time_base,
            earlier=v.job.sha256 in earlier,
            picture=repeats.picture_of(v.row),
        )
        for v in videos
    ]
    return known + repeats.absent(Store(setup.work), absent.videos, absent.shots)
