"""Read the release to rebuild, and find the files of its episodes, originals or other rips."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.files import sha256_of
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Recipe
from caer_data.engine.release_layouts import LAYOUTS
from caer_data.export import cards, folder, prints, rips
from caer_data.export import manifest as manifests
from caer_data.export.cards import told
from caer_data.media.shared_frame import SharedFrame


@dataclass(frozen=True)
class Origin:
    """A release read from its folder, with its tables."""

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
    """A file to cut clips from.

    Attributes:
        path: the file.
        sha256: hash of its content.
        source: its row of `SOURCES`.
        rip: if it is another rip, the result of `rips.find`.
    """

    path: Path
    sha256: str
    source: Mapping[str, Any]
    rip: Mapping[str, Any] | None = None


def given_by(origin: Path) -> Origin:
    """Return a release to be rebuilt, as one with footage whose rights are not stated.

    Raises:
        CaerError: it already has footage, or cannot be read.
    """
    facts = _facts(origin)
    if facts.about["media"]:
        raise CaerError(f"{origin}: already has its footage; there is nothing to rebuild")
    with_footage = {**facts.about, "media": True, "rights": None}
    return _read(origin, replace(facts, about=with_footage))


def read(origin: Path) -> Origin:
    """Return a release unchanged; its files are not trusted.

    Raises:
        CaerError: the folder is not a release, or cannot be read.
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
    """Return whether a release has fingerprints."""
    return (origin / prints.NAME).is_file()


def videos_of(
    given: Origin, shows: Path, target: Path, jobs: int, reporter: Reporter
) -> dict[str, Video]:
    """Return the file of each episode that was found, by `video_id`."""
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
    """Find original videos by size and content, not by name; return files by `video_id`."""
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
    """Return the position of a clip in another rip; None in the original file or if not found."""
    entry: Mapping[str, Any] | None = video.rip["clips"].get(clip_id) if video.rip else None
    return entry


def _facts(origin: Path) -> cards.Facts:
    about = folder.about(origin)
    if not about:
        raise CaerError(f"{origin}: not a release (it has no {folder.ABOUT}); give its folder")
    try:
        facts = TypeAdapter(cards.Facts).validate_json(json.dumps(about["facts"]), strict=True)
        told.check(facts)
    except (KeyError, TypeError, RecursionError, ValidationError) as error:
        raise CaerError(
            f"{origin / folder.ABOUT}: damaged, or written by another version of caer-data "
            f"({_reason(error)})"
        ) from error
    if any(layout not in LAYOUTS for layout in facts.about["layouts"]):
        raise CaerError(f"{origin / folder.ABOUT}: damaged: it names layouts that do not exist")
    return facts


def _reason(error: Exception) -> str:
    """Return what is missing or wrong, in a few words."""
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if not isinstance(error, ValidationError):
        return "its facts are not an object" if isinstance(error, TypeError) else "nested too deep"
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200]


def shared(rip: Mapping[str, Any]) -> SharedFrame:
    """Return the position of an episode's frames within those of another rip."""
    left, top, right, bottom = rip["frame"]["box"]
    return SharedFrame((left, top, right, bottom), rip["frame"]["window"], rip["frame"]["mirrored"])
