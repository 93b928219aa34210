"""Reuse the clips of an earlier rebuild of the same release when it is continued."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path, explain_os_error
from caer_data.export import folder
from caer_data.export import manifest as manifests
from caer_data.export.clip_files import ClipFile


@dataclass(frozen=True)
class Earlier:
    """An existing rebuild of a release: its folder and tables."""

    root: Path
    manifest: pd.DataFrame
    boxes: pd.DataFrame
    sources: pd.DataFrame

    def of(self, clips: Iterable[str]) -> pd.DataFrame:
        """Return the rows of its manifest for some clips."""
        return self.manifest[self.manifest["clip_id"].isin(set(clips))]


def earlier(target: Path, origin: Path, of: str) -> Earlier | None:
    """Return the earlier rebuild in a folder; None if there is none.

    Args:
        target: a folder, which may be missing.
        origin: the release that is rebuilt.
        of: hash of that release's manifest.

    Raises:
        CaerError: there is a rebuild, but files in it were added or changed.
    """
    facts = folder.about(target).get("facts")
    about = facts.get("about") if isinstance(facts, dict) else None
    rebuilt = about.get("rebuilt") if isinstance(about, dict) else None
    if not isinstance(rebuilt, dict) or rebuilt.get("of") != of:
        return None
    folder.check_target(target, origin, overwrite=True, holds="the release")
    return tables_of(target)


def tables_of(root: Path) -> Earlier:
    """Return a rebuild, whose tables are not trusted.

    Raises:
        CaerError: a table is missing or damaged, or a row is impossible.
    """
    sources = manifests.read_sources(root)
    return Earlier(root, manifests.read(root), manifests.read_boxes(root), sources)


def take(previous: Earlier, clips: Iterable[str], root: Path, cut: Path) -> dict[str, ClipFile]:
    """Copy the files of some clips into an unfinished release.

    Args:
        previous: the earlier rebuild.
        clips: `clip_id` of the clips to copy.
        root: the unfinished release.
        cut: folder for clips extracted from shards, which are packed into new shards later.

    Returns:
        The file of each clip, by `clip_id`.
    """
    rows = previous.of(clips)
    files = {
        clip_id: ClipFile(cut / f"kept-{number:06d}.mp4", 0)
        for number, clip_id in enumerate(rows["clip_id"].drop_duplicates())
    }
    try:
        for path in rows.loc[rows["member"].isna(), "path"]:
            with atomic_path(root / path) as temporary:
                shutil.copyfile(previous.root / path, temporary)
        for path, packed in rows[rows["member"].notna()].groupby("path", sort=True, observed=True):
            members = dict(zip(packed["member"], packed["clip_id"], strict=True))
            unpack(previous.root / str(path), {m: files[c].path for m, c in members.items()})
    except (OSError, tarfile.TarError) as error:
        why = _why(error, previous)
        raise CaerError(f"{previous.root}: cannot be continued ({why})") from error
    return files


def unpack(shard: Path, members: Mapping[str, Path]) -> None:
    """Extract some members of a shard, each to its own file."""
    with tarfile.open(shard, "r:") as archive:
        for entry in archive:
            stream = archive.extractfile(entry) if entry.name in members else None
            if stream is not None:
                with atomic_path(members[entry.name]) as temporary, temporary.open("wb") as file:
                    shutil.copyfileobj(stream, file)


def _why(error: OSError | tarfile.TarError, previous: Earlier) -> str:
    return explain_os_error(error, previous.root) if isinstance(error, OSError) else str(error)
