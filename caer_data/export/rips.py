"""Locate the clips of a release in other rips of its shows.

Each file is decoded once, from start to end, and compared with the fingerprints of every missing
episode. The results are stored beside the unfinished release, so that an interrupted rebuild does
not decode the files again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine import tables
from caer_data.engine.artifacts import Store, key_of
from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import hash_of
from caer_data.engine.pool import run_map
from caer_data.engine.progress import Reporter
from caer_data.export import PRELOAD
from caer_data.media import alignment
from caer_data.media.alignment import Alignment, Found, Known
from caer_data.media.frame_rate import Span, is_even, span_of, usual_rate
from caer_data.media.probe import VideoInfo, probe
from caer_data.media.scan import Scan, scan

VERSION: Final = 5

LEAST: Final = 0.25
"""Share of the file, or of the episode, that they have in common if the file is a rip of it."""


@dataclass(frozen=True)
class Wanted:
    """An episode to search for.

    Attributes:
        known: its fingerprints.
        clips: start and end of each clip in seconds from the first frame, and its frame count.
    """

    known: Known
    clips: Mapping[str, tuple[float, float, int]]


@dataclass(frozen=True)
class _Look:
    path: Path
    sha256: str
    audio: str
    wanted: Mapping[str, Wanted]
    store: Store
    key: str


def find(
    files: Mapping[Path, str],
    wanted: Mapping[str, Wanted],
    work: Path,
    audio: str,
    jobs: int,
    reporter: Reporter,
) -> dict[str, dict[str, Any]]:
    """Find episodes in files.

    Args:
        files: hash of the content by path.
        wanted: the episodes, by `video_id`.
        work: folder for the results.
        audio: the recipe's word for the desired sound track.
        jobs: number of processes.
        reporter: shows progress.

    Returns:
        For each `video_id`, the best file's `path`, `source` (cells of `SOURCES` that differ) and
        `clips` (see `_clip`). If there are several rips of an episode, the one with the most of
        its clips is chosen. Files that only show some of its footage, such as a recap, are none.
    """
    if not wanted or not files:
        return {}
    content = [
        [name, *(of.known.times[[0, -1]].tolist()), len(of.known.times), len(of.known.sound),
         sorted(of.clips.items())]
        for name, of in sorted(wanted.items())
    ]  # fmt: skip
    key = key_of("rips", VERSION, None, hash_of(content, 32), audio)
    store = Store(work)
    looks = [_Look(p, files[p], audio, wanted, store, key) for p in sorted(files)]
    best: dict[str, dict[str, Any]] = {}
    with reporter.stage("other rips", len(looks), "files") as bar:
        results = {}
        for path, found in _looked(looks, jobs):
            results[path] = found
            bar.advance(1, path.name)
    for path in sorted(results):
        for name, entry in results[path].items():
            if name not in best or _rank(entry) > _rank(best[name]):
                best[name] = {**entry, "path": path}
    return best


def _looked(looks: Sequence[_Look], jobs: int) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the results for each file as they come; files searched earlier are not read again."""
    known = {look.path: _recorded(look) for look in looks}
    missing = [look for look in looks if known[look.path] is None]
    yield from ((path, found) for path, found in known.items() if found is not None)
    yield from run_map(_look, missing, jobs, PRELOAD)


def _recorded(look: _Look) -> dict[str, Any] | None:
    found: dict[str, Any] | None = look.store.recorded("rips", look.sha256[:16], look.key)
    return found


def _rank(entry: Mapping[str, Any]) -> tuple[int, float]:
    clips = entry["clips"].values()
    return len(clips), -float(np.mean([clip["bits"] for clip in clips]))


def _look(look: _Look) -> tuple[Path, dict[str, Any]]:
    """Decode one file and align it, in a worker process; return its path and results."""
    try:
        info = probe(look.path, audio=look.audio)
        sound = any(len(wanted.known.sound) for wanted in look.wanted.values())
        shown = scan(look.path, info, sound)
    except CaerError:
        return look.path, {}  # not a readable video
    found: dict[str, Any] = {}
    names = sorted(look.wanted)
    for number in alignment.likely([look.wanted[name].known for name in names], shown):
        entry = _episode(look.wanted[names[number]], shown, info)
        if entry:
            found[names[number]] = entry
    look.store.record("rips", look.sha256[:16], look.key, found)
    return look.path, found


def _episode(wanted: Wanted, shown: Scan, info: VideoInfo) -> dict[str, Any] | None:
    aligned = alignment.align(wanted.known, shown)
    if aligned is None or aligned.share < LEAST:
        return None
    usual = usual_rate(shown.pts, info.time_base, info.fps)
    clips = {
        name: entry
        for name, (start, end, frames) in wanted.clips.items()
        if (found := aligned.find(start, end))
        and (entry := _clip((start, end, frames), found, shown, info.time_base, usual))
    }
    if not clips:
        return None
    return {"source": _source(shown, info, usual), "frame": _frame(aligned), "clips": clips}


def _source(shown: Scan, info: VideoInfo, usual: Fraction) -> dict[str, Any]:
    """Return the cells of `SOURCES`, except the file's hash and size."""
    return {
        "time_base": str(info.time_base),
        "first_pts": int(shown.pts[0]),
        "fps": str(usual),
        "variable_rate": not is_even(shown.pts),
        "scan_type": "mixed" if shown.interlaced else "progressive",
        "fields": shown.fields,
        "shape_changes": shown.handed_over,
        "retimed": 0,
        "width": info.width,
        "height": info.height,
        "duration_s": float((shown.end_pts - shown.pts[0]) * info.time_base),
    }


def _frame(aligned: Alignment) -> dict[str, Any]:
    frame = aligned.frame
    return {"box": list(frame.box), "window": frame.window, "mirrored": frame.mirrored}


def _clip(
    wanted: tuple[float, float, int],
    found: Found,
    shown: Scan,
    time_base: Fraction,
    usual: Fraction,
) -> dict[str, Any] | None:
    """Locate a clip's frames in the file.

    Returns:
        Cells of `Span`; `frames`, for each frame the number of the original frame that it shows;
        `bits` and `sound`, the differences found; and `error`, in frames of the file.
    """
    step = float(np.median(np.diff(shown.times)))
    first, end = np.searchsorted(shown.times, (found.start - step / 2, found.end - step / 2))
    if end - first < 1:
        return None
    end_pts = int(shown.pts[end]) if end < len(shown.pts) else shown.end_pts
    span = span_of(shown.pts, int(first), int(end), end_pts, time_base, usual)
    error = None if found.error_s is None else round(found.error_s / step, 2)
    return {
        **_cells(span),
        "frames": _sources(shown.times[first:end], found, wanted[2]).tolist(),
        "bits": round(found.bits, 2),
        "sound": None if found.sound is None else round(found.sound, 2),
        "error": error,
    }


def _sources(times: npt.NDArray[np.float64], found: Found, frames: int) -> npt.NDArray[np.int64]:
    """Return the numbers of the original frames shown at some times of the file."""
    share = (times - found.start) / (found.end - found.start)
    return np.clip(np.round(share * frames), 0, frames - 1).astype(np.int64)


def _cells(span: Span) -> dict[str, Any]:
    return {
        "start_frame": span.start_frame,
        "end_frame": span.end_frame,
        "start_pts": span.start_pts,
        "end_pts": span.end_pts,
        "rate": str(span.rate),
        "even": span.even,
    }


def span_from(entry: Mapping[str, Any]) -> Span:
    """Return the span of a clip that was found."""
    return Span(
        entry["start_frame"],
        entry["end_frame"],
        entry["start_pts"],
        entry["end_pts"],
        Fraction(entry["rate"]),
        entry["even"],
    )


def wanted_of(
    manifest: pd.DataFrame, sources: pd.DataFrame, prints: Mapping[str, Known]
) -> dict[str, Wanted]:
    """Return the episodes of a release that have fingerprints, with their clips."""
    clips: dict[str, dict[str, tuple[float, float, int]]] = {}
    start = dict(zip(sources["video_id"], sources["first_pts"], strict=True))
    base = {r.video_id: float(Fraction(r.time_base)) for r in tables.rows(sources)}
    for row in tables.rows(manifest.drop_duplicates("clip_id")):
        video = row.video_id
        if video in prints:
            span = [
                (int(p) - int(start[video])) * base[video] for p in (row.start_pts, row.end_pts)
            ]
            frames = int(row.end_frame) - int(row.start_frame)
            clips.setdefault(video, {})[row.clip_id] = span[0], span[1], frames
    return {name: Wanted(prints[name], own) for name, own in sorted(clips.items())}
