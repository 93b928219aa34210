"""Cut the clips of a release again, from the very files or from other rips of the shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.files import sha256_of
from caer_data.engine.hashing import hash_of
from caer_data.engine.pool import run_map
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Recipe
from caer_data.export import (
    PRELOAD,
    cards,
    carry,
    folder,
    partial,
    prints,
    recutting,
    release,
    rips,
)
from caer_data.export import manifest as manifests
from caer_data.export.recutting import Aligned, Cut
from caer_data.media.shared_frame import SharedFrame
from caer_data.media.spans import Span


@dataclass(frozen=True)
class Outcome:
    """How many clips came out how.

    Attributes:
        identical: clips whose decoded pictures have the recorded hash.
        similar: clips whose pictures look the same (perceptual hash); the encoder differs.
        failed: why a clip is left out, by `clip_id`.
        missing: episodes of which no file was found, with their duration.
        clips_missing: clips of those episodes.
        new: the release was made or added to now; False if all of it was there already.
        aligned: clips that were cut from another rip.
        errors: of those, by how many frames their own pictures would move them, where they tell.
        rips: episodes that were found in another rip, and the file.
        kept: clips that an earlier rebuild holds.
        fingerprints: the release has fingerprints, without which no other rip is found.
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


@dataclass(frozen=True)
class _Origin:
    """The release that is rebuilt."""

    folder: Path
    facts: cards.Facts
    manifest: pd.DataFrame
    sources: pd.DataFrame
    boxes: pd.DataFrame
    repeated: pd.DataFrame | None
    recipe: Recipe
    sha256: str


@dataclass(frozen=True)
class _Video:
    """A file from which clips are cut.

    Attributes:
        path: the file.
        sha256: hash of its content.
        source: its row of `SOURCES`.
        rip: what was found in it, if it is another rip: see `rips.find`.
    """

    path: Path
    sha256: str
    source: Mapping[str, Any]
    rip: Mapping[str, Any] | None = None


def recut(
    origin: Path, shows: Path, target: Path, overwrite: bool, jobs: int, reporter: Reporter
) -> Outcome:
    """Make a release with footage from one without and the shows.

    Clips whose pictures differ from the recorded ones are left out, those of other rips are cut
    where their fingerprints are. An interrupted call is continued by an equal one, and a rebuild
    that lacks clips by one that has their episodes.

    Raises:
        CaerError: not a release without footage, none of its shows is there, the target is taken.
    """
    given = _given(origin)
    there = None if overwrite else carry.earlier(target, origin, given.sha256)
    if there is None:
        folder.check_target(target, origin, overwrite, holds="the release")
    videos = _videos(given, shows, target, jobs, reporter)
    kept = _kept(given, there, videos)
    planned = _planned(given, videos, kept)
    if planned.empty and there is None:
        raise CaerError(
            f"{shows}: has none of the {len(given.sources)} videos this release was cut from"
            + ("" if _has_prints(origin) else "; it has no fingerprints to find other rips by")
        )
    key = hash_of(
        [given.sha256, sorted(kept), sorted((n, v.sha256) for n, v in videos.items())], 64
    )
    with folder.unfinished(target, key) as under_way:
        results, files = _cut(given, planned, videos, under_way, jobs, reporter)
        good = {c: r for c, r in results.items() if "failed" not in r}
        if not good and not kept:
            raise CaerError(
                f"no clip could be made again: {next(iter(results.values()))['failed']}"
            )
        if good and there is not None:
            files |= carry.take(there, kept, under_way.root, under_way.root.with_name("cut"))
        made = planned if not good else _manifest(given, planned, good, videos)
        if there is not None:
            made = _in_order(given, [made, there.of(kept)] if good else [there.of(kept)])
        if good:
            _write(
                given, made, _boxes(given, there, made, good), files, under_way, key, videos, there
            )
            under_way.publish(target)
    return _outcome(given, made, results, videos, len(kept), new=bool(good))


def _given(origin: Path) -> _Origin:
    """Read a release that may come from anybody."""
    facts = _facts(origin)
    return _Origin(
        origin,
        facts,
        manifests.read(origin),
        manifests.read_sources(origin),
        manifests.read_boxes(origin),
        manifests.read_repeated(origin),
        recipes.load(origin / "recipe.yaml"),
        sha256_of(origin / "manifest.parquet"),
    )


def _has_prints(origin: Path) -> bool:
    return (origin / prints.NAME).is_file()


def _videos(
    given: _Origin, shows: Path, target: Path, jobs: int, reporter: Reporter
) -> dict[str, _Video]:
    """The file of each episode that is there, by `video_id`: the very one, or another rip."""
    rows = {row["video_id"]: row for row in tables.records(given.sources)}
    exact = find(given.sources, shows, reporter)
    found = {n: _Video(path, rows[n]["sha256"], rows[n]) for n, path in exact.items()}
    missing = given.sources[~given.sources["video_id"].isin(found)]
    known = prints.read(given.folder, missing) if len(missing) else {}
    if not known:
        return found
    taken = set(exact.values())
    others = [p for p in sorted(shows.rglob("*")) if p.is_file() and p not in taken]
    hashes = {path: sha256_of(path) for path in others}
    wanted = rips.wanted_of(given.manifest, missing, known)
    work = target.with_name(f".{target.name}.unfinished") / "looked"
    looked = rips.find(hashes, wanted, work, given.recipe.media.audio, jobs, reporter)
    for name, told in looked.items():
        path = told["path"]
        size = {
            "sha256": hashes[path],
            "bytes": path.stat().st_size,
            "rip_of": rows[name]["sha256"],
        }
        found[name] = _Video(path, hashes[path], {**rows[name], **told["source"], **size}, told)
    return found


def _kept(given: _Origin, there: carry.Earlier | None, videos: Mapping[str, _Video]) -> set[str]:
    """Clips of an earlier rebuild that stay: of absent videos, and of those that are the same."""
    if there is None:
        return set()
    now = there.manifest["video_id"].map({name: video.sha256 for name, video in videos.items()})
    same = now.isna() | (now == there.manifest["source_sha256"])
    return set(there.manifest.loc[same, "clip_id"]) & set(given.manifest["clip_id"])


def _planned(given: _Origin, videos: Mapping[str, _Video], kept: set[str]) -> pd.DataFrame:
    """Rows of the manifest whose clips are cut now, at the places that their video has them."""
    rows = given.manifest[given.manifest["video_id"].isin(videos)]
    planned = rows[~rows["clip_id"].isin(kept)].reset_index(drop=True)
    planned["from_frame"] = planned["frame"]
    planned["to_frame"] = planned["frame"] + 1
    return planned


def _found_in(video: _Video, clip_id: str) -> Mapping[str, Any] | None:
    """Where a clip is in another rip; None where it is not, or the file is the very one."""
    told: Mapping[str, Any] | None = video.rip["clips"].get(clip_id) if video.rip else None
    return told


def _cut(
    given: _Origin,
    planned: pd.DataFrame,
    videos: Mapping[str, _Video],
    under_way: folder.Unfinished,
    jobs: int,
    reporter: Reporter,
) -> tuple[dict[str, dict[str, Any]], dict[str, release.ClipFile]]:
    """Cut all clips; what came of each, by `clip_id`, and their files."""
    absent = {}
    for row in tables.rows(planned.drop_duplicates("clip_id")):
        video = videos[row.video_id]
        if video.rip is not None and _found_in(video, row.clip_id) is None:
            why = f"its pictures are not in {video.path.name}"
            absent[row.clip_id] = {"clip_id": row.clip_id, "files": {}, "failed": why}
    wanted = planned[~planned["clip_id"].isin(absent)]
    files = _clip_files(wanted, under_way.root.with_name("cut"))
    tasks = _cuts(given, wanted, files, videos, under_way)
    running = run_map(recutting.make, tasks, jobs, PRELOAD)
    return release.collect(running, len(files), under_way, reporter) | absent, files


def _manifest(
    given: _Origin,
    planned: pd.DataFrame,
    good: Mapping[str, dict[str, Any]],
    videos: Mapping[str, _Video],
) -> pd.DataFrame:
    """The manifest of what was cut now; a picture without a box of its target is left out."""
    rows = planned[planned["clip_id"].isin(good)].reset_index(drop=True)
    written = {path for result in good.values() for path in result["files"]}
    lost = rows["frame"].notna() & ~rows["path"].isin(written)
    rows = _aligned_cells(rows[~lost].reset_index(drop=True), good, videos)
    return release.fill_manifest(rows, good)


def _aligned_cells(
    rows: pd.DataFrame, good: Mapping[str, dict[str, Any]], videos: Mapping[str, _Video]
) -> pd.DataFrame:
    """Rows with the cells that differ in another rip."""
    changed = [_cells(row, good[row["clip_id"]], videos) for row in tables.records(rows)]
    for name in sorted({name for cells in changed for name in cells}):
        values = [cells.get(name, rows[name].iloc[at]) for at, cells in enumerate(changed)]
        rows[name] = pd.Series(values, index=rows.index, dtype=rows[name].dtype)
    return rows


def _cells(
    row: Mapping[str, Any], result: Mapping[str, Any], videos: Mapping[str, _Video]
) -> dict[str, Any]:
    cells: dict[str, Any] = {"rebuilt": result["rebuilt"]}
    video = videos[row["video_id"]]
    told = _found_in(video, row["clip_id"])
    if told is None or video.rip is None:
        return cells
    base, first = Fraction(video.source["time_base"]), int(video.source["first_pts"])
    for name in ("start", "end"):
        cells[f"{name}_frame"], cells[f"{name}_pts"] = told[f"{name}_frame"], told[f"{name}_pts"]
        cells[f"{name}_s"] = float((told[f"{name}_pts"] - first) * base)
    for name in ("fps", "variable_rate", "width", "height"):
        cells[name] = result[name]
    cells["frames"] = 1 if pd.notna(row["frame"]) else result["frames"]
    cells |= {"source_sha256": video.sha256, "error_frames": told["error"]}
    sides = [column.name for column in tables.BOX]
    if pd.notna([row[name] for name in sides]).all():
        box = (
            float(row[sides[0]]),
            float(row[sides[1]]),
            float(row[sides[2]]),
            float(row[sides[3]]),
        )
        cells |= dict(zip(sides, _shared(video.rip).moved(box), strict=True))
    return cells


def _shared(rip: Mapping[str, Any]) -> SharedFrame:
    left, top, right, bottom = rip["frame"]["box"]
    return SharedFrame((left, top, right, bottom), rip["frame"]["window"], rip["frame"]["mirrored"])


def _in_order(given: _Origin, parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Rows in the order of the original manifest."""
    columns = ["path", "member"]
    order = given.manifest[columns].assign(place=range(len(given.manifest)))
    rows = pd.concat([part[manifests.MANIFEST.names] for part in parts], ignore_index=True)
    placed = rows.merge(order, on=columns, how="left", validate="1:1")["place"]
    ordered = rows.iloc[placed.argsort(kind="stable")].reset_index(drop=True)
    return tables.to_pandas(tables.check(manifests.MANIFEST, ordered))


def _boxes(
    given: _Origin,
    there: carry.Earlier | None,
    made: pd.DataFrame,
    good: Mapping[str, dict[str, Any]],
) -> pd.DataFrame:
    """Boxes of the clips that are there, each in the pixels and frames of its own file."""
    moved = {c: result["boxes"] for c, result in good.items() if "boxes" in result}
    plain = given.boxes[given.boxes["clip_id"].isin(set(good) - set(moved))]
    known = given.boxes.set_index(["clip_id", "frame"])["interpolated"].to_dict()
    rows = [
        (clip, new, *sides, known[clip, old])
        for clip, boxes in sorted(moved.items())
        for new, old, *sides in boxes
    ]
    parts = [plain, pd.DataFrame(rows, columns=manifests.BOXES.names)]
    if there is not None:
        kept = there.boxes["clip_id"].isin(set(made["clip_id"]) - set(good))
        parts.append(there.boxes[kept])
    found = pd.concat([p for p in parts if len(p)] or [plain], ignore_index=True)
    found = found.astype(dict.fromkeys(("x1", "y1", "x2", "y2"), "float32") | {"frame": "int64"})
    return found.sort_values(["clip_id", "frame"], ignore_index=True)


def _sources(
    given: _Origin, videos: Mapping[str, _Video], there: carry.Earlier | None
) -> pd.DataFrame:
    """All source videos of the release; those of which another rip was used, as that is."""
    before = {} if there is None else {r["video_id"]: r for r in tables.records(there.sources)}
    rows = [
        videos[row["video_id"]].source
        if row["video_id"] in videos
        else before.get(row["video_id"], row)
        for row in tables.records(given.sources)
    ]
    plain = [{k: None if pd.isna(v) else v for k, v in row.items()} for row in rows]
    return tables.frame(manifests.SOURCES, plain)


def _write(
    given: _Origin,
    made: pd.DataFrame,
    boxes: pd.DataFrame,
    files: dict[str, release.ClipFile],
    under_way: folder.Unfinished,
    key: str,
    videos: Mapping[str, _Video],
    there: carry.Earlier | None,
) -> None:
    """Write the tables and cards of what is there."""
    root, recipe, repeated = under_way.root, given.recipe, given.repeated
    facts = partial.facts(
        given.facts, given.manifest, made, given.sources, given.sha256, repeated, recipe.seed
    )
    release.write(root, made, _sources(given, videos, there), boxes, facts, files)
    verdicts = release.audit_parts(made, repeated)
    release.write_pairs(root, made, repeated)
    cards.write(root, facts, made, verdicts, recipe.export.container)
    release.describe(root, key, facts, made)


def _outcome(
    given: _Origin,
    made: pd.DataFrame,
    results: Mapping[str, dict[str, Any]],
    videos: Mapping[str, _Video],
    kept: int,
    new: bool,
) -> Outcome:
    clips, every = made.drop_duplicates("clip_id"), given.manifest.drop_duplicates("clip_id")
    counts = clips["rebuilt"].value_counts()
    gone = partial.missing_episodes(clips, every, given.sources)
    failed = {c: str(r["failed"]) for c, r in sorted(results.items()) if "failed" in r}
    named = {row.video_id: f"{row.show} {row.episode}" for row in tables.rows(given.sources)}
    # an episode whose file is there, with none of its clips, is not missing: its clips failed
    known = every["video_id"].isin(set(videos)) | every["video_id"].isin(clips["video_id"])
    missing = [e for e in gone if f"{e['show']} {e['episode']}" not in {named[n] for n in videos}]
    return Outcome(
        int(counts.get("exact", 0)),
        int(counts.get("encoder", 0)),
        failed,
        [partial.named(episode) for episode in missing],
        int((~known).sum()),
        new,
        int(counts.get("aligned", 0)),
        tuple(clips["error_frames"].dropna().astype(float)),
        {named[n]: v.path.name for n, v in sorted(videos.items()) if v.rip is not None},
        kept,
        _has_prints(given.folder),
    )


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
    given: _Origin,
    planned: pd.DataFrame,
    files: dict[str, release.ClipFile],
    videos: Mapping[str, _Video],
    under_way: folder.Unfinished,
) -> Iterator[Cut]:
    by_clip = {row["clip_id"]: row for row in tables.records(planned.drop_duplicates("clip_id"))}
    recorded = _recorded(planned)
    packed = set(planned.loc[planned["member"].notna(), "clip_id"])
    for work in release.works(planned, given.boxes, files, under_way.root, write_files=True):
        if work.clip_id in under_way.done:
            continue
        clip = by_clip[work.clip_id]
        video = videos[clip["video_id"]]
        source, told = video.source, _found_in(video, work.clip_id)
        yield Cut(
            work=work,
            video=video.path,
            first_pts=int(source["first_pts"]),
            fps=source["fps"],
            handed_over=_handed_over(source),
            interlaced=source["scan_type"] in ("interlaced", "telecined", "mixed"),
            span=_span(clip) if told is None else rips.span_from(told),
            recipe=given.recipe,
            recorded=recorded[work.clip_id],
            keep=work.clip_id in packed,
            aligned=None if told is None else _aligned(video, told, clip),
        )  # fmt: skip


def _aligned(video: _Video, told: Mapping[str, Any], clip: Mapping[str, Any]) -> Aligned:
    assert video.rip is not None  # noqa: S101 - something was found in it
    size = int(clip["width"]), int(clip["height"])
    return Aligned(_shared(video.rip), tuple(told["frames"]), size)


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
