"""`caer-data annotate backup` and `restore`: save a server folder to one file, and restore it.

The archive is a plain tar file with the database, the clips as served, the secrets, and a list of
all files with their hashes. Restoring refuses everything else, because an archive may come from
anybody.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from caer_data.annotate.studio.environment import VERSION
from caer_data.annotate.studio.folders import (
    POSTGRES,
    database_of,
    private_folder,
    read_access,
    write_access,
)
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path
from caer_data.engine.progress import Reporter

_DATABASE = "label_studio.sqlite3"
_LIST = "caer-server.json"
_FORMAT = "caer-data rating server 1"
_TAKEN = re.compile(
    r"label_studio\.sqlite3|access\.json|passwords(-[\w.\[\]-]+)?\.csv"
    r"|files/clips/\d{1,18}/[a-z0-9]{1,64}\.(mp4|jpg)"
    r"|media/upload/\d{1,18}/[0-9a-f]{8}-[a-z0-9]{1,64}\.(mp4|jpg)"
)
_MAX_LIST_BYTES = 1 << 30


def backup(folder: Path, target: Path, reporter: Reporter) -> int:
    """Save a server folder to one file, readable only by its owner; return the number of files.

    The copy of the database is a consistent snapshot, even while the server runs.

    Raises:
        CaerError: there is no server, its answers are in PostgreSQL, or the file already exists.
    """
    if database_of(folder) == POSTGRES:
        raise CaerError(
            f"{folder}: this server's answers are in PostgreSQL; save them with pg_dump, and copy "
            "the folder to save clips and secrets"
        )
    if not (folder / _DATABASE).is_file():
        raise CaerError(f"{folder}: no rating server was started here; there is nothing to save")
    if target.exists():
        raise CaerError(f"{target}: already exists; name a new file")
    with tempfile.TemporaryDirectory() as scratch, atomic_path(target) as temporary:
        copy = Path(scratch) / _DATABASE
        with (
            closing(sqlite3.connect(folder / _DATABASE)) as live,
            closing(sqlite3.connect(copy)) as still,
        ):
            live.backup(still)
        files = {_DATABASE: copy, **dict(_others(folder))}
        temporary.touch(0o600)
        listed = {}
        with (
            tarfile.open(temporary, "w") as archive,
            reporter.stage("backup", total=len(files), unit="files") as bar,
        ):
            for name, path in sorted(files.items()):
                listed[name] = _add(archive, name, path)
                bar.advance(1)
            text = json.dumps({"format": _FORMAT, "server": VERSION, "files": listed}).encode()
            archive.addfile(_member(_LIST, len(text)), io.BytesIO(text))
    return len(files)


def _others(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield all files of a server folder except the database, with their names in the archive."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name != _DATABASE and _TAKEN.fullmatch(name) and path.is_file():
            yield name, path


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def _add(archive: tarfile.TarFile, name: str, path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = stream.tell()
        stream.seek(0)
        archive.addfile(_member(name, size), stream)
    return {"size": size, "sha256": digest}


def restore(source: Path, folder: Path, reporter: Reporter) -> int:
    """Restore a server folder from a backup; return the number of files.

    Raises:
        CaerError: the folder is not empty, or the file is not a complete backup.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise CaerError(
            f"{folder}: not empty, and a backup never overwrites a server; set CAER_SERVER to a "
            "new folder, or move this one away"
        )
    try:
        with (
            tarfile.open(source, "r:") as archive,
            atomic_path(folder) as temporary,
            reporter.stage("restore", total=1, unit="server") as bar,
        ):
            private_folder(temporary)
            found, listed = _unpack(archive, temporary)
            _compare(found, listed)
            _check_restored(temporary)
            bar.advance(1)
    except FileNotFoundError as error:
        raise CaerError(f"{source}: no such file") from error
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CaerError(
            f"{source}: not a complete backup of a rating server ({error}); nothing was restored"
        ) from error
    return len(found)


def _unpack(archive: tarfile.TarFile, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Extract the members of a backup, each once; return sizes and hashes, as found and listed."""
    found: dict[str, Any] = {}
    for member in archive:
        stream = archive.extractfile(member) if member.type == tarfile.REGTYPE else None
        if stream is None:
            raise ValueError(f"'{member.name[:80]}' is not a plain file")
        if member.name == _LIST and member.size <= _MAX_LIST_BYTES:
            header = json.loads(stream.read())
            if header["format"] != _FORMAT:
                raise ValueError("it has another format")
            if archive.next() is not None:
                raise ValueError("the list is not its last member")
            return found, header["files"]
        if member.name in found or not _TAKEN.fullmatch(member.name):
            raise ValueError(f"'{member.name[:80]}' does not belong there")
        found[member.name] = _write(stream, folder / member.name)
    raise ValueError("its list is missing")


def _write(stream: IO[bytes], path: Path) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as target:
        path.chmod(0o600)
        while part := stream.read(1 << 20):
            digest.update(part)
            size += target.write(part)
    return {"size": size, "sha256": digest.hexdigest()}


def _compare(found: dict[str, Any], listed: dict[str, Any]) -> None:
    for name in sorted({*found, *listed}):
        if found.get(name) != listed.get(name):
            raise ValueError(f"'{name[:80]}' differs from what was saved")


def _check_restored(folder: Path) -> None:
    """Check the database and the secrets, and remove the old address of the server."""
    with (folder / _DATABASE).open("rb") as stream:
        if stream.read(16) != b"SQLite format 3\0":
            raise ValueError("its database is not an SQLite database")
    access = read_access(folder)
    if access is None:
        raise ValueError("its secrets are missing")
    write_access(folder, replace(access, url="", public_url=""))
