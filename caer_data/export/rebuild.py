"""Cut the clips of a release again and hold their pictures to its hashes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.files import sha256_of
from caer_data.engine.hashing import digest
from caer_data.engine.pool import run_map
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Recipe
from caer_data.export import PRELOAD, cards, duplicates, folder, media, release
from caer_data.export import manifest as manifests
from caer_data.media import cut
from caer_data.media.clip_command import Source
from caer_data.media.probe import VideoInfo, probe
from caer_data.media.spans import Span


@dataclass(frozen=True)
class Outcome:
    """How many clips came out how.

    Attributes:
        identical: clips whose decoded pictures have the recorded hash.
        similar: clips whose pictures look the same (perceptual hash); the encoder differs.
        failed: why a clip is left out, by `clip_id`.
        missing: episodes of which no file was found.
        clips_missing: clips of those episodes.
        new: the release was made now; False if it was there already.
    """

    identical: int
    similar: int
    failed: dict[str, str]
    missing: list[str]
    clips_missing: int = 0
    new: bool = True


@dataclass(frozen=True)
class _Cut:
    """One clip to be cut, and what is to be made of it.

    `recorded` holds the exact and perceptual hash of each picture by its path, and under the empty
    path those of the clip; `keep` says that the cut file is needed for a shard.
    """

    work: media.Work
    video: Path
    first_pts: int
    fps: str
    handed_over: bool
    interlaced: bool
    span: Span
    recipe: Recipe
    recorded: dict[str, tuple[str, str | None]]
    keep: bool


def recut(
    origin: Path, shows: Path, target: Path, overwrite: bool, jobs: int, reporter: Reporter
) -> Outcome:
    """Make a release with footage from one without and the shows.

    Clips whose pictures differ from the recorded ones are left out. An interrupted call is
    continued by an equal one.

    Raises:
        CaerError: not a release without footage, none of its shows is there, the target is taken.
    """
    facts = _facts(origin)
    manifest = manifests.read(origin)
    sources = manifests.read_sources(origin)
    boxes = manifests.read_boxes(origin)
    repeated = manifests.read_repeated(origin)
    recipe = recipes.load(origin / "recipe.yaml")
    about = folder.about(target)
    if not about:
        folder.check_target(target, origin, overwrite, holds="the release")
    videos = find(sources, shows, reporter)
    lost = sources[~sources["video_id"].isin(videos)]
    missing = [f"{s} {e}" for s, e in zip(lost["show"], lost["episode"], strict=True)]
    planned = manifest[manifest["video_id"].isin(videos)].reset_index(drop=True)
    if planned.empty:
        raise CaerError(f"{shows}: has none of the {len(sources)} videos this release was cut from")
    lost_clips = manifest["clip_id"].nunique() - planned["clip_id"].nunique()
    key = digest(sha256_of(origin / "manifest.parquet") + repr(videos))
    if about.get("key") == key:
        there = manifests.read(target)
        if there["clip_id"].nunique() == planned["clip_id"].nunique():
            same = there["framehash"].eq(planned["framehash"]).groupby(there["clip_id"]).all()
            return Outcome(int(same.sum()), int((~same).sum()), {}, missing, lost_clips, new=False)
    folder.check_target(target, origin, overwrite, holds="the release")
    planned["from_frame"] = planned["frame"]
    planned["to_frame"] = planned["frame"] + 1

    with folder.unfinished(target, key) as under_way:
        clips = under_way.root.with_name("cut")
        files = _clip_files(planned, clips)
        tasks = _cuts(planned, boxes, files, sources, videos, recipe, under_way)
        running = run_map(_make, tasks, jobs, PRELOAD)
        results = release.collect(running, len(files), under_way, reporter)
        failed = {c: r["failed"] for c, r in sorted(results.items()) if "failed" in r}
        good = planned[~planned["clip_id"].isin(failed)].reset_index(drop=True)
        if good.empty:
            raise CaerError(f"no clip could be made again: {next(iter(failed.values()))}")
        good_results = {c: r for c, r in results.items() if c not in failed}
        made = release.fill_manifest(good, good_results)
        release.write(under_way.root, made, sources, boxes, facts, files)
        verdicts = release.audit_parts(made, repeated)
        release.write_pairs(under_way.root, made, repeated)
        cards.write(under_way.root, facts, made, verdicts, recipe.export.container)
        release.describe(under_way.root, key, facts, made)
        under_way.publish(target)
    similar = sum(bool(r.get("similar")) for r in results.values())
    identical = len(results) - len(failed) - similar
    return Outcome(identical, similar, failed, missing, lost_clips)


def find(sources: pd.DataFrame, shows: Path, reporter: Reporter) -> dict[str, Path]:
    """Find videos by size and content, whatever their names; returns files by `video_id`."""
    wanted: dict[int, dict[str, str]] = {}
    for row in tables.rows(sources):
        wanted.setdefault(int(row.bytes), {})[row.sha256] = row.video_id
    candidates = [
        path
        for path in sorted(shows.rglob("*"))
        if path.is_file() and path.stat().st_size in wanted
    ]
    found: dict[str, Path] = {}
    with reporter.stage("shows", len(candidates), "files") as bar:
        for path in candidates:
            video_id = wanted[path.stat().st_size].get(sha256_of(path))
            if video_id is not None:
                found.setdefault(video_id, path)
            bar.advance(1, path.name)
    return found


def _facts(origin: Path) -> cards.Facts:
    """Facts of the release, as one with footage whose rights are not stated."""
    about = folder.about(origin)
    if not about:
        raise CaerError(f"{origin}: not a release (it has no {folder.ABOUT}); give its folder")
    try:
        facts = cards.Facts(**about["facts"])
        has_media = facts.about["media"]
    except (KeyError, TypeError) as error:
        raise CaerError(
            f"{origin / folder.ABOUT}: was written by another version of caer-data ({error})"
        ) from error
    if has_media:
        raise CaerError(f"{origin}: has its footage already; nothing to rebuild")
    return replace(facts, about={**facts.about, "media": True, "rights": None})


def _clip_files(planned: pd.DataFrame, clips: Path) -> dict[str, release.ClipFile]:
    names = planned["clip_id"].drop_duplicates()
    return {
        clip_id: release.ClipFile(clips / f"{number:06d}.mp4", 0)
        for number, clip_id in enumerate(names)
    }


def _cuts(
    planned: pd.DataFrame,
    boxes: pd.DataFrame,
    files: dict[str, release.ClipFile],
    sources: pd.DataFrame,
    videos: dict[str, Path],
    recipe: Recipe,
    under_way: folder.Unfinished,
) -> Iterator[_Cut]:
    by_clip = {row["clip_id"]: row for row in tables.records(planned.drop_duplicates("clip_id"))}
    by_video = {row["video_id"]: row for row in tables.records(sources)}
    recorded = _recorded(planned)
    packed = set(planned.loc[planned["member"].notna(), "clip_id"])
    for work in release.works(planned, boxes, files, under_way.root, write_files=True):
        if work.clip_id in under_way.done:
            continue
        clip = by_clip[work.clip_id]
        source = by_video[clip["video_id"]]
        yield _Cut(
            work=work,
            video=videos[clip["video_id"]],
            first_pts=int(source["first_pts"]),
            fps=source["fps"],
            handed_over=_handed_over(source),
            interlaced=source["scan_type"] in ("interlaced", "telecined", "mixed"),
            span=_span(clip),
            recipe=recipe,
            recorded=recorded[work.clip_id],
            keep=work.clip_id in packed,
        )  # fmt: skip


def _handed_over(source: Mapping[str, Any]) -> bool:
    """Whether FFmpeg cannot cut it by timestamp; releases of before do not say."""
    retimed = source["retimed"]
    return bool(pd.notna(retimed) and retimed > 0) or source["shape_changes"] is True


def _span(clip: Mapping[str, Any]) -> Span:
    return Span(
        start_frame=int(clip["start_frame"]),
        end_frame=int(clip["end_frame"]),
        start_pts=int(clip["start_pts"]),
        end_pts=int(clip["end_pts"]),
        rate=Fraction(clip["fps"]),
        even=clip["variable_rate"] is not True,
    )


def _recorded(planned: pd.DataFrame) -> dict[str, dict[str, tuple[str, str | None]]]:
    """Exact and perceptual hash of each file, by clip and path; a clip's own have the path ''."""
    found: dict[str, dict[str, tuple[str, str | None]]] = {}
    for row in tables.rows(planned):
        hashes = (row.framehash, None if pd.isna(row.perceptual_hash) else row.perceptual_hash)
        found.setdefault(row.clip_id, {})[row.path if pd.notna(row.frame) else ""] = hashes
    return found


def _make(task: _Cut) -> dict[str, Any]:
    """Cut one clip, make its files, compare their pictures; runs in a worker process."""
    work = task.work
    source = Source(
        task.video,
        _info(task.video, task.recipe.media.audio),
        task.first_pts,
        Fraction(task.fps),
        task.handed_over,
        task.interlaced,
    )
    try:
        made = cut.cut_clip(source, task.span, work.source, task.recipe.clips)
        result = media.make(replace(work, frames=made.frames))
    except CaerError as error:
        return {"clip_id": work.clip_id, "files": {}, "failed": str(error)}
    if not task.keep:
        work.source.unlink()
    answers = [
        _compare(result["files"].get(path, result), *hashes)
        for path, hashes in task.recorded.items()
    ]
    if "different" in answers:
        for path in result["files"]:
            (work.root / path).unlink(missing_ok=True)
        why = "its pictures are not those that were recorded"
        return {"clip_id": work.clip_id, "files": {}, "failed": why}
    return {**result, "similar": "similar" in answers}


def _compare(
    made: dict[str, Any], framehash: str, perceptual: str | None
) -> Literal["identical", "similar", "different"]:
    if made["framehash"] == framehash:
        return "identical"
    now, before = ((text or "").split() for text in (made["perceptual_hash"], perceptual))
    near = len(now) == len(before) and all(
        (int(a, 16) ^ int(b, 16)).bit_count() <= duplicates.DISTANCE
        for a, b in zip(now, before, strict=True)
    )
    return "similar" if near else "different"


@functools.lru_cache(maxsize=8)
def _info(video: Path, audio: str) -> VideoInfo:
    return probe(video, audio=audio)
