"""Recut the clips of a release, from the original files or from other rips of the shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import hash_of
from caer_data.engine.pool import run_map
from caer_data.engine.progress import Reporter
from caer_data.export import (
    PRELOAD,
    cards,
    carry,
    folder,
    partial,
    recutting,
    release,
    rips,
)
from caer_data.export.cards import statements
from caer_data.export.clip_boxes import FromTable
from caer_data.export.clip_files import ClipFile
from caer_data.export.file_rows import HeldRows
from caer_data.export.rebuilt import boxes_of, in_order, manifest_of, sources_of
from caer_data.export.recutting import Aligned, Cut
from caer_data.export.shows import Origin, Video, found_in, given_by, has_prints, shared, videos_of
from caer_data.media.fields import Fields
from caer_data.media.frame_rate import Span


@dataclass(frozen=True)
class Outcome:
    """Result of a rebuild.

    Attributes:
        identical: number of clips whose decoded pictures have the recorded hash.
        similar: number of clips whose pictures look the same (perceptual hash), because another
            encoder was used.
        failed: reasons why clips are missing, by `clip_id`.
        missing: episodes for which no file was found, with their duration.
        clips_missing: number of clips of those episodes.
        new: whether clips were added now; False if everything already existed.
        aligned: number of clips cut from another rip.
        errors: their offsets in frames according to their own pictures, if measurable.
        rips: episodes found in another rip, and the file.
        kept: number of clips kept from an earlier rebuild.
        fingerprints: whether the release has fingerprints, which are needed to find other rips.
    """

    identical: int
    similar: int
    failed: dict[str, str]
    missing: list[str]
    clips_missing: int = 0
    new: bool = True
    aligned: int = 0
    errors: tuple[float, ...] = ()
    rips: dict[str, str] = field(default_factory=dict)
    kept: int = 0
    fingerprints: bool = True


def recut(
    origin: Path, shows: Path, target: Path, overwrite: bool, jobs: int, reporter: Reporter
) -> Outcome:
    """Make a release with footage from a release without footage and the shows.

    Clips whose pictures differ from the recorded ones are omitted. In another rip, clips are cut
    where their fingerprints match. The same call resumes an interrupted rebuild, and a later call
    with more episodes adds the missing clips.

    Raises:
        CaerError: the origin is not a release without footage, none of its shows was found, or the
            target is in use.
    """
    given = given_by(origin)
    previous = None if overwrite else carry.earlier(target, origin, given.sha256)
    if previous is None:
        folder.check_target(target, origin, overwrite, holds="the release")
    videos = videos_of(given, shows, target, jobs, reporter)
    kept = _kept(given, previous, videos)
    planned = _planned(given, videos, kept)
    if planned.empty and previous is None:
        raise CaerError(
            f"{shows}: has none of the {len(given.sources)} videos this release was cut from"
            + ("" if has_prints(origin) else "; it has no fingerprints for finding other rips")
        )
    key = hash_of(
        [given.sha256, sorted(kept), sorted((n, v.sha256) for n, v in videos.items())], 64
    )
    with folder.unfinished(target, key) as under_way:
        results, files = _cut(given, planned, videos, under_way, jobs, reporter)
        good = {c: r for c, r in results.items() if "failed" not in r}
        if not good and not kept:
            raise CaerError(f"no clip could be rebuilt: {next(iter(results.values()))['failed']}")
        if good and previous is not None:
            files |= carry.take(previous, kept, under_way.root, under_way.root.with_name("cut"))
        made = planned if not good else manifest_of(given, planned, good, videos)
        if previous is not None:
            made = in_order(given, [made, previous.of(kept)] if good else [previous.of(kept)])
        if good:
            _write(
                given,
                made,
                boxes_of(given, previous, made, good),
                files,
                under_way,
                key,
                videos,
                previous,
            )
            under_way.publish(target)
    return _outcome(given, made, results, videos, len(kept), new=bool(good))


def _kept(given: Origin, previous: carry.Earlier | None, videos: Mapping[str, Video]) -> set[str]:
    """Return the clips to keep from an earlier rebuild: those of absent or unchanged videos."""
    if previous is None:
        return set()
    now = previous.manifest["video_id"].map({name: video.sha256 for name, video in videos.items()})
    same = now.isna() | (now == previous.manifest["source_sha256"])
    return set(previous.manifest.loc[same, "clip_id"]) & set(given.manifest["clip_id"])


def _planned(given: Origin, videos: Mapping[str, Video], kept: set[str]) -> pd.DataFrame:
    """Return manifest rows of the clips to cut now, with their positions in the video."""
    rows = given.manifest[given.manifest["video_id"].isin(videos)]
    planned = rows[~rows["clip_id"].isin(kept)].reset_index(drop=True)
    planned["from_frame"] = planned["frame"]
    planned["to_frame"] = planned["frame"] + 1
    return planned


def _cut(
    given: Origin,
    planned: pd.DataFrame,
    videos: Mapping[str, Video],
    under_way: folder.Unfinished,
    jobs: int,
    reporter: Reporter,
) -> tuple[dict[str, dict[str, Any]], dict[str, ClipFile]]:
    """Cut all clips; return the result of each, by `clip_id`, and their files."""
    absent = {}
    for row in tables.rows(planned.drop_duplicates("clip_id")):
        video = videos[row.video_id]
        if video.rip is not None and found_in(video, row.clip_id) is None:
            why = f"its pictures are not in {video.path.name}"
            absent[row.clip_id] = {"clip_id": row.clip_id, "files": {}, "failed": why}
    wanted = planned[~planned["clip_id"].isin(absent)]
    files = _clip_files(wanted, under_way.root.with_name("cut"))
    tasks = _cuts(given, wanted, files, videos, under_way)
    running = run_map(recutting.make, tasks, jobs, PRELOAD)
    found = release.collect(running, len(files), under_way, reporter)
    return {result["clip_id"]: result for result in found} | absent, files


def _write(
    given: Origin,
    made: pd.DataFrame,
    boxes: pd.DataFrame,
    files: dict[str, ClipFile],
    under_way: folder.Unfinished,
    key: str,
    videos: Mapping[str, Video],
    previous: carry.Earlier | None,
) -> None:
    """Write the tables and cards of the clips that are present."""
    root, recipe, repeated = under_way.root, given.recipe, given.repeated
    facts = partial.facts(
        given.facts, given.manifest, made, given.sources, given.sha256, repeated, recipe.seed
    )
    release.write_boxes(root, boxes)
    rows = HeldRows.of_frame(made)
    release.write_manifest(root, rows)
    release.write(root, rows, sources_of(given, videos, previous), facts, files)
    verdicts = release.audit_parts(made, repeated)
    release.write_pairs(root, made, repeated)
    cards.write(root, facts, made, verdicts, recipe.export.container)
    release.describe(root, key, facts, rows)


def _outcome(
    given: Origin,
    made: pd.DataFrame,
    results: Mapping[str, dict[str, Any]],
    videos: Mapping[str, Video],
    kept: int,
    new: bool,
) -> Outcome:
    clips, every = made.drop_duplicates("clip_id"), given.manifest.drop_duplicates("clip_id")
    counts = clips["rebuilt"].value_counts()
    gone = partial.missing_episodes(clips, every, given.sources)
    failed = {c: str(r["failed"]) for c, r in sorted(results.items()) if "failed" in r}
    named = {row.video_id: f"{row.show} {row.episode}" for row in tables.rows(given.sources)}
    # an episode whose file exists but whose clips all failed is not missing
    known = every["video_id"].isin(set(videos)) | every["video_id"].isin(clips["video_id"])
    missing = [e for e in gone if f"{e['show']} {e['episode']}" not in {named[n] for n in videos}]
    return Outcome(
        int(counts.get("exact", 0)),
        int(counts.get("encoder", 0)),
        failed,
        [statements.episode_in_words(episode) for episode in missing],
        int((~known).sum()),
        new,
        int(counts.get("aligned", 0)),
        tuple(clips["error_frames"].dropna().astype(float)),
        {named[n]: v.path.name for n, v in sorted(videos.items()) if v.rip is not None},
        kept,
        has_prints(given.folder),
    )


def _clip_files(planned: pd.DataFrame, clips: Path) -> dict[str, ClipFile]:
    names = planned["clip_id"].drop_duplicates()
    return {
        clip_id: ClipFile(clips / f"{number:06d}.mp4", 0) for number, clip_id in enumerate(names)
    }


def _cuts(
    given: Origin,
    planned: pd.DataFrame,
    files: dict[str, ClipFile],
    videos: Mapping[str, Video],
    under_way: folder.Unfinished,
) -> Iterator[Cut]:
    by_clip = {row["clip_id"]: row for row in tables.records(planned.drop_duplicates("clip_id"))}
    recorded = _recorded(planned)
    packed = set(planned.loc[planned["member"].notna(), "clip_id"])
    for work in release.works(
        planned, FromTable(given.boxes), files, under_way.root, write_files=True
    ):
        if work.clip_id in under_way.done:
            continue
        clip = by_clip[work.clip_id]
        video = videos[clip["video_id"]]
        source, entry = video.source, found_in(video, work.clip_id)
        yield Cut(
            work=work,
            video=video.path,
            first_pts=int(source["first_pts"]),
            fps=source["fps"],
            handed_over=_handed_over(source),
            interlaced=source["scan_type"] in ("interlaced", "telecined", "mixed"),
            fields=_fields(source),
            span=_span(clip) if entry is None else rips.span_from(entry),
            recipe=given.recipe,
            recorded=recorded[work.clip_id],
            keep=work.clip_id in packed,
            aligned=None if entry is None else _aligned(video, entry, clip),
        )  # fmt: skip


def _aligned(video: Video, entry: Mapping[str, Any], clip: Mapping[str, Any]) -> Aligned:
    assert video.rip is not None  # noqa: S101 - something was found in it
    size = int(clip["width"]), int(clip["height"])
    return Aligned(shared(video.rip), tuple(entry["frames"]), size)


def _fields(source: Mapping[str, Any]) -> Fields:
    """Return what is done with a video's fields; old releases go by the flags."""
    known = source.get("fields")
    return Fields(known) if isinstance(known, str) else Fields.FLAGGED


def _handed_over(source: Mapping[str, Any]) -> bool:
    """Return whether FFmpeg cannot cut a video by timestamp; old releases do not say."""
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
    """Return exact and perceptual hashes of each file, by clip and path; the clip's path is ''."""
    found: dict[str, dict[str, tuple[str, str | None]]] = {}
    for row in tables.rows(planned):
        hashes = (row.framehash, None if pd.isna(row.perceptual_hash) else row.perceptual_hash)
        found.setdefault(row.clip_id, {})[row.path if pd.notna(row.frame) else ""] = hashes
    return found
