"""Verify that a release still matches its manifest and hashes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

if TYPE_CHECKING:
    import pandas as pd


class DamagedError(CaerError):
    """Files of a release are missing, changed or unknown."""

    exit_code = 1


CARDS: Final = ("README.md", "datasheet.md")
"""Texts that people may edit; a change is reported, but is not damage."""


@dataclass(frozen=True)
class Verified:
    """Result of verifying a release.

    Attributes:
        files: number of listed files.
        problems: problems found, in order.
        edited: cards that were edited since the export.
        missing: fields of the dataset's `release.yaml` that were not stated at the export.
        rebuilt: for a rebuild, which part of the original it contains; else None.
    """

    files: int
    problems: list[str]
    edited: list[str]
    missing: list[str]
    rebuilt: str | None = None


def verify(release: Path, reporter: Reporter) -> Verified:
    """Verify all files of a release; return the result.

    Raises:
        CaerError: the folder is not a release, or its lists cannot be read.
    """
    from caer_data.export import checksums, folder, manifest

    if release.is_file():
        raise CaerError(f"{release}: this is a file; name the folder of a release")
    about = folder.about(release)
    if not about:
        raise CaerError(f"{release}: not a release (it has no {folder.ABOUT}); give its folder")
    listed = checksums.read(release)
    if not (release / "manifest.parquet").is_file():
        raise DamagedError(
            f"{release}: manifest.parquet is missing; fetch or export the release again"
        )
    problems = _against_list(release, listed, reporter)
    edited = [name for name in CARDS if f"{name}: changed" in problems]
    problems = [line for line in problems if line.removesuffix(": changed") not in edited]
    rows = manifest.read(release)
    if _has_media(about):
        problems += _against_manifest(release, rows, listed)
    else:
        problems += [
            f"{path}: exists, although the release says that it has no media"
            for path in sorted(set(rows["path"]) & listed.keys())
        ]
    problems += _against_tables(release, rows)
    facts = about.get("facts")
    missing = facts.get("missing") if isinstance(facts, dict) else None
    fields = [str(field) for field in missing] if isinstance(missing, list) else []
    rebuilt = _rebuilt(release, _about_of(about))
    return Verified(len(listed), sorted(problems), edited, fields, rebuilt)


def _has_media(about: dict[str, Any]) -> bool:
    """Return whether a release says that it contains media; it has hashes in any case."""
    return _about_of(about).get("media") is not False


def _about_of(about: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a release; empty if they have another format."""
    facts = about.get("facts")
    described = facts.get("about") if isinstance(facts, dict) else None
    return described if isinstance(described, dict) else {}


def _rebuilt(release: Path, about: dict[str, Any]) -> str | None:
    """Return which part of the original a rebuild contains; the file is not trusted."""
    from caer_data.export import folder
    from caer_data.export.cards import statements

    try:
        return statements.rebuilt(about) if about.get("rebuilt") else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CaerError(
            f"{release / folder.ABOUT}: describes the rebuild in an unknown format ({error}); "
            "rebuild the release again"
        ) from error


def _against_list(release: Path, listed: dict[str, str], reporter: Reporter) -> list[str]:
    from concurrent.futures import ThreadPoolExecutor

    from caer_data.engine.cores import cores
    from caer_data.engine.files import sha256_of
    from caer_data.export import checksums

    def problem(name: str) -> str | None:
        path = release / name
        if path.is_symlink():
            return f"{name}: is a link, not a file"
        if not path.is_file():
            return f"{name}: missing"
        return None if sha256_of(path) == listed[name] else f"{name}: changed"

    found = {path.relative_to(release).as_posix() for path in checksums.files_of(release)}
    problems = [f"{name}: not part of the release" for name in found - listed.keys()]
    # hashing releases the GIL, so threads use all cores
    with (
        ThreadPoolExecutor(cores()) as pool,
        reporter.stage("files", len(listed), "files") as bar,
    ):
        for answer in pool.map(problem, listed):
            problems += [answer] if answer else []
            bar.advance(1)
    return problems


def _against_manifest(release: Path, manifest: pd.DataFrame, listed: dict[str, str]) -> list[str]:
    """Return differences between the manifest, the list of hashes and the shards' contents."""
    unwritten = manifest[manifest["sha256"].isna()]
    written = manifest[manifest["sha256"].notna()]
    plain = written[written["member"].isna()]
    problems = [
        f"{path}: the hash in the manifest differs from the list"
        for path, sha256 in zip(plain["path"], plain["sha256"], strict=True)
        if listed.get(path) != sha256
    ]
    problems += [
        f"{path}: exists, although the manifest says that it was not written"
        for path in unwritten["path"].unique()
        if path in listed
    ]
    packed = written[written["member"].notna()]
    for path, members in packed.groupby("path", sort=False, observed=True):
        wanted = dict(zip(members["member"], members["sha256"], strict=True))
        problems += _in_shard(release / str(path), str(path), wanted)
    return problems


def _against_tables(release: Path, listed: pd.DataFrame) -> list[str]:
    """Return problems of the other tables: unknown clips or videos, impossible cells."""
    from caer_data.export import manifest

    sources, boxes = manifest.read_sources(release), manifest.read_boxes(release)
    repeated = manifest.read_repeated(release)
    clips = set(listed["clip_id"])
    problems = [
        f"manifest.parquet: {video} is not a video of sources.parquet"
        for video in sorted(set(listed["video_id"]) - set(sources["video_id"]))
    ]
    others = {"boxes.parquet": set(boxes["clip_id"])}
    if repeated is not None:
        others["repeats.parquet"] = set(repeated["clip_id"]) | set(repeated["of_clip_id"])
    for name, named in others.items():
        strange = sorted(named - clips)
        problems += [f"{name}: {clip} is not a clip of the manifest" for clip in strange]
    hashes = dict(zip(sources["video_id"], sources["sha256"], strict=True))
    own = listed["source_sha256"]
    differ = listed["video_id"].map(hashes).fillna(own) != own
    problems += [
        f"manifest.parquet: the source of {clip} differs from sources.parquet"
        for clip in sorted(set(listed.loc[differ, "clip_id"]))
    ]
    return problems


def _digest(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _in_shard(shard: Path, name: str, wanted: dict[str, str]) -> list[str]:
    import tarfile

    found: dict[str, str] = {}
    try:
        with tarfile.open(shard, "r:") as archive:
            for entry in archive:
                stream = archive.extractfile(entry) if entry.isfile() else None
                if stream is not None and entry.name in wanted:
                    found[entry.name] = _digest(stream)
    except (OSError, tarfile.TarError) as error:
        return [f"{name}: cannot be read as a tar file ({error})"]
    return [
        f"{name}: {member} is {'changed' if member in found else 'missing'}"
        for member, sha256 in wanted.items()
        if found.get(member) != sha256
    ]
