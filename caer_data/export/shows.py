"""The release that is rebuilt, and the files of its episodes: the very ones, or other rips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.files import sha256_of
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Recipe
from caer_data.export import cards, folder, prints, rips
from caer_data.export import manifest as manifests
from caer_data.media.shared_frame import SharedFrame


@dataclass(frozen=True)
class Origin:
    """A release that is read again, with its tables."""

    folder: Path
    facts: cards.Facts
    manifest: pd.DataFrame
    sources: pd.DataFrame
    boxes: pd.DataFrame
    repeated: pd.DataFrame | None
    recipe: Recipe
    sha256: str


@dataclass(frozen=True)
class Video:
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


def given_by(origin: Path) -> Origin:
    """Read a release to be rebuilt: as one with footage whose rights are not stated.

    Raises:
        CaerError: it has its footage, or cannot be read.
    """
    facts = _facts(origin)
    if facts.about["media"]:
        raise CaerError(f"{origin}: has its footage already; nothing to rebuild")
    with_footage = {**facts.about, "media": True, "rights": None}
    return _read(origin, replace(facts, about=with_footage))


def read(origin: Path) -> Origin:
    """Read a release that may come from anybody, as it is.

    Raises:
        CaerError: it is not one, or cannot be read.
    """
    return _read(origin, _facts(origin))


def _read(origin: Path, facts: cards.Facts) -> Origin:
    return Origin(
        origin,
        facts,
        manifests.read(origin),
        manifests.read_sources(origin),
        manifests.read_boxes(origin),
        manifests.read_repeated(origin),
        recipes.load(origin / "recipe.yaml"),
        sha256_of(origin / "manifest.parquet"),
    )


def has_prints(origin: Path) -> bool:
    """Whether a release has fingerprints."""
    return (origin / prints.NAME).is_file()


def videos_of(
    given: Origin, shows: Path, target: Path, jobs: int, reporter: Reporter
) -> dict[str, Video]:
    """The file of each episode that is there, by `video_id`: the very one, or another rip."""
    rows = {row["video_id"]: row for row in tables.records(given.sources)}
    exact = find(given.sources, shows, reporter)
    found = {n: Video(path, rows[n]["sha256"], rows[n]) for n, path in exact.items()}
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
    for name, entry in looked.items():
        path = entry["path"]
        size = {
            "sha256": hashes[path],
            "bytes": path.stat().st_size,
            "rip_of": rows[name]["sha256"],
        }
        found[name] = Video(path, hashes[path], {**rows[name], **entry["source"], **size}, entry)
    return found


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


def found_in(video: Video, clip_id: str) -> Mapping[str, Any] | None:
    """Where a clip is in another rip; None if it is not, or the file is the very one."""
    entry: Mapping[str, Any] | None = video.rip["clips"].get(clip_id) if video.rip else None
    return entry


def _facts(origin: Path) -> cards.Facts:
    about = folder.about(origin)
    if not about:
        raise CaerError(f"{origin}: not a release (it has no {folder.ABOUT}); give its folder")
    try:
        facts = cards.Facts(**about["facts"])
        facts.about["media"]
    except (KeyError, TypeError) as error:
        raise CaerError(
            f"{origin / folder.ABOUT}: was written by another version of caer-data ({error})"
        ) from error
    return facts


def shared(rip: Mapping[str, Any]) -> SharedFrame:
    """How the frames of an episode lie in those of another rip."""
    left, top, right, bottom = rip["frame"]["box"]
    return SharedFrame((left, top, right, bottom), rip["frame"]["window"], rip["frame"]["mirrored"])
