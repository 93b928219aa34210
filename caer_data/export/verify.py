"""Verify that a release still matches its manifest and hashes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from caer_data.engine import heap
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.export import checked


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
    from caer_data.export import checksums, folder

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
    problems += _against_tables(release, listed, _has_media(about))
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

    problems = [
        f"{name}: not part of the release"
        for name in checksums.names_of(release)
        if name not in listed
    ]
    # hashing releases the GIL, so threads use all cores
    with (
        ThreadPoolExecutor(cores()) as pool,
        reporter.stage("files", len(listed), "files") as bar,
    ):
        names = iter(listed)
        while some := list(islice(names, _AT_ONCE)):
            for answer in pool.map(problem, some):
                problems += [answer] if answer else []
                bar.advance(1)
    return problems


_AT_ONCE: Final = 10_000
"""Number of files that are waiting to be hashed."""


def _against_tables(release: Path, listed: dict[str, str], has_media: bool) -> list[str]:
    """Return differences between the tables, the list of hashes and the shards' contents."""
    from caer_data.export import lines, manifest, prints

    told = _Manifest()
    for part in manifest.parts(release):
        told.add(part, listed, has_media)
    heap.return_unused()
    problems = told.problems + (_in_shards(release, told.packed) if has_media else [])
    told.packed.clear()
    sources = manifest.read_sources(release)
    facts = checked.distinct(pa.concat_tables(told.clips)).to_pandas()
    told.clips.clear()
    clips = set(facts["clip_id"].cat.categories)
    others = {"boxes.parquet": set[str]()}
    for part in manifest.parts_of_boxes(release):
        named = checked.words_of(part["clip_id"].combine_chunks())[1].to_pylist()
        others["boxes.parquet"].update(clip for clip in named if clip not in clips)
    repeated = manifest.read_repeated(release)
    if repeated is not None:
        named = set(repeated["clip_id"]) | set(repeated["of_clip_id"])
        others["repeats.parquet"] = named - clips
    others["lines.parquet"] = set(lines.read(release)["clip_id"]) - clips
    problems += [
        f"fingerprints: {video} is not a video of sources.parquet"
        for video in prints.check(release, sources)
    ]
    problems += [
        f"manifest.parquet: {video} is not a video of sources.parquet"
        for video in set(facts["video_id"]) - set(sources["video_id"])
    ]
    problems += [
        f"{name}: {clip} is not a clip of the manifest"
        for name, strange in others.items()
        for clip in strange
    ]
    hashes = dict(zip(sources["video_id"], sources["sha256"], strict=True))
    own = facts["source_sha256"].astype(object)
    differ = facts["video_id"].astype(object).map(hashes).fillna(own) != own
    return problems + [
        f"manifest.parquet: the source of {clip} differs from sources.parquet"
        for clip in set(facts.loc[differ, "clip_id"])
    ]


_MEMBERS: Final = pa.schema({"member": pa.large_string(), "sha256": pa.large_string()})
"""How names and hashes are kept; those of many members are longer than the 2 GB of other texts."""


class _Manifest:
    """What the parts of a manifest say.

    Attributes:
        problems: differences from the list of hashes.
        packed: `path, member, sha256` of the members of archives; paths are dictionaries.
        clips: `clip_id, video_id, source_sha256` of each clip, part by part.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.packed: list[pa.Table] = []
        self.clips: list[pa.Table] = []
        self._unwritten: set[str] = set()

    def add(self, part: pa.Table, listed: dict[str, str], has_media: bool) -> None:
        """Compare a part with the list of hashes, and note what it says."""
        names = ["clip_id", "video_id", "source_sha256"]
        self.clips.append(checked.distinct(part.select(names)))
        if not has_media:
            text = "the release says that it has no media"
            self._refuse_listed(part["path"], listed, text)
            return
        written = pc.is_valid(part["sha256"])
        text = "the manifest says that it was not written"
        self._refuse_listed(part["path"].filter(pc.invert(written)), listed, text)
        in_archive = pc.is_valid(part["member"])
        plain = part.filter(pc.and_not(written, in_archive)).select(["path", "sha256"])
        self.problems += [
            f"{path}: the hash in the manifest differs from the list"
            for path, sha256 in zip(*plain.to_pydict().values(), strict=True)
            if listed.get(path) != sha256
        ]
        packed = part.filter(pc.and_(written, in_archive)).select(["path", "member", "sha256"])
        if len(packed):
            path = checked.take(packed.select(["path"]), np.arange(len(packed)))["path"]
            others = packed.select(["member", "sha256"]).cast(_MEMBERS)
            self.packed.append(others.append_column("path", path))

    def _refuse_listed(self, paths: pa.ChunkedArray, listed: dict[str, str], text: str) -> None:
        """Note the files that exist although a text says otherwise, each once."""
        found = set(checked.words_of(paths.combine_chunks())[1].to_pylist()) & listed.keys()
        self.problems += [f"{path}: exists, although {text}" for path in found - self._unwritten]
        self._unwritten |= found


def _digest(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _in_shards(release: Path, packed: list[pa.Table]) -> list[str]:
    """Return members of archives that are missing or changed."""
    if not packed:
        return []
    members = pa.concat_tables(packed).combine_chunks()
    codes, paths = checked.words_of(members["path"].combine_chunks())
    order = np.argsort(codes, kind="stable")
    members = members.select(["member", "sha256"]).take(pa.array(order))
    problems, start = list[str](), 0
    for path, count in zip(paths.to_pylist(), np.bincount(codes).tolist(), strict=True):
        own = members.slice(start, count)
        wanted = dict(zip(*own.to_pydict().values(), strict=True))
        problems += _in_shard(release / path, path, wanted)
        start += count
    return problems


def _in_shard(shard: Path, name: str, wanted: dict[str, str]) -> list[str]:
    import tarfile

    found: dict[str, str] = {}
    try:
        with tarfile.open(shard, "r:") as archive:
            for entry in archive:
                if entry.name not in wanted or not entry.isfile():
                    continue
                # a few bytes of a sparse file can stand for any number, and exports write none
                stream = None if entry.issparse() else archive.extractfile(entry)
                found[entry.name] = "" if stream is None else _digest(stream)
    except (OSError, tarfile.TarError) as error:
        return [f"{name}: cannot be read as a tar file ({error})"]
    return [
        f"{name}: {member} is {'changed' if member in found else 'missing'}"
        for member, sha256 in wanted.items()
        if found.get(member) != sha256
    ]
