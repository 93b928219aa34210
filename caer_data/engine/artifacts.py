"""Intermediate results: immutable, complete or absent, and found by a key of their inputs.

An artifact is one ZIP file, `work/<stage>/<subject>.<key>.zip`. Its members are uncompressed and
carry the checksums of the ZIP format. It is written under a temporary name and moved into place
only if nothing is there yet. When two processes race, it does not matter which one wins, because
equal keys mean equal content. A damaged artifact is removed when it is next needed, and recomputed.

Because an artifact is a single file, its storage only has to support "create this if missing". Both
disks and object stores do.
"""

from __future__ import annotations

import errno
import io
import json
import logging
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path, create, explain_os_error, temporary_name
from caer_data.engine.hashing import hash_of

_SUFFIX: Final = ".zip"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # a fixed date: equal content gives equal bytes
# raised by `zipfile` for foreign or damaged bytes; the last one for an unsupported compression
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError)
_DAMAGED_FILE: Final = frozenset({errno.EINVAL, errno.EIO, errno.EISDIR})
"""Errors that indicate a damaged file; all other OSErrors concern the machine."""

_log = logging.getLogger(__name__)


def key_of(stage: str, version: int, section: BaseModel | None, *inputs: Any) -> str:
    """Return an artifact's key: a hash of the stage, version, recipe section, and inputs."""
    parts = [stage, version, section.model_dump(mode="json") if section else None, *inputs]
    return hash_of(parts, 16)


class DamagedArtifactError(CaerError):
    """An artifact was damaged after it had been opened."""


class Artifact:
    """A finished artifact: read-only access to its members by name."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Artifact({str(self.path)!r})"

    @property
    def name(self) -> str:
        """Stage and file name, as in the list of artifacts in use: `faces/4f0c….zip`."""
        return f"{self.path.parent.name}/{self.path.name}"

    def names(self) -> list[str]:
        """Names of the members, sorted."""
        with self._opened() as archive:
            return sorted(archive.namelist())

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        Raises:
            KeyError: no such member.
            DamagedArtifactError: the file was damaged or removed since it was opened.
        """
        with self._opened() as archive:
            if name not in archive.NameToInfo:
                raise KeyError(name)
            return archive.read(name)

    def open(self, name: str) -> io.BytesIO:
        """Open a member for reading."""
        return io.BytesIO(self.read(name))

    def json(self, name: str) -> Any:
        """Return the value of a JSON member."""
        return json.loads(self.read(name))

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return the array of a NumPy member."""
        loaded: npt.NDArray[Any] = np.load(self.open(name), allow_pickle=False)
        return loaded

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
            if isinstance(error, OSError) and error.errno not in {*_DAMAGED_FILE, errno.ENOENT}:
                raise CaerError(explain_os_error(error, self.path)) from error
            raise DamagedArtifactError(
                f"{self.path}: was damaged while it was in use; run the same command again"
            ) from error


class Store:
    """The work folder of a dataset."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, stage: str, subject: str, key: str) -> Path:
        """Return the path of an artifact, whether it exists or not."""
        return self.folder / stage / f"{subject}.{key}{_SUFFIX}"

    def get(self, stage: str, subject: str, key: str) -> Artifact | None:
        """Return an artifact, or None if it is missing or damaged; a damaged one is removed."""
        return _whole(self.path(stage, subject, key))

    def make(
        self,
        stage: str,
        subject: str,
        key: str,
        fill: Callable[[Path], None],
        *,
        replace: bool = False,
    ) -> Artifact:
        """Return an artifact; if it does not exist, create it from the files that `fill` writes.

        With `replace`, it is created in any case; readers find the old one or the new one.

        Raises:
            CaerError: the disk is full or the folder cannot be written.
        """
        artifact = None if replace else self.get(stage, subject, key)
        if artifact is not None:
            return artifact
        path = self.path(stage, subject, key)
        scratch = path.with_name(temporary_name(path.stem))
        try:
            scratch.mkdir(parents=True)
            fill(scratch)
            packed = path.with_name(temporary_name(path.name))
            try:
                _pack(scratch, packed)
                if replace:
                    packed.replace(path)
                else:
                    create(packed, path)
            finally:
                packed.unlink(missing_ok=True)
        except OSError as error:
            raise CaerError(explain_os_error(error, path)) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return Artifact(path)

    def record(
        self, stage: str, subject: str, key: str, values: Any, *, replace: bool = False
    ) -> Artifact:
        """Store plain values as an artifact whose only member is `values.json`, and return it."""

        def fill(folder: Path) -> None:
            write_json(folder / "values.json", values)

        return self.make(stage, subject, key, fill, replace=replace)

    def recorded(self, stage: str, subject: str, key: str) -> Any | None:
        """Return the values that `record` stored; None if there are none."""
        artifact = self.get(stage, subject, key)
        return None if artifact is None else artifact.json("values.json")

    def all_recorded(self, stage: str) -> Iterator[Any]:
        """Yield the values of every record of a stage, in order of file names."""
        for path in self.files(stage):
            artifact = _whole(path)
            if artifact is not None:
                yield artifact.json("values.json")

    def discard(self, stage: str, subject: str, key: str) -> None:
        """Remove an artifact, so that it is recomputed."""
        self.path(stage, subject, key).unlink(missing_ok=True)

    def files(self, stage: str = "*") -> list[Path]:
        """Return the paths of all artifacts of a stage (by default of every stage), sorted."""
        return sorted(
            path
            for path in self.folder.glob(f"{stage}/*.*{_SUFFIX}")
            if not path.name.startswith(".") and path.is_file()
        )


_known: dict[Path, tuple[int, int, int]] = {}
"""State of each artifact's file when this process last found it intact."""


def _whole(path: Path) -> Artifact | None:
    try:
        state = _state(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    try:
        if _known.get(path) != state:
            with zipfile.ZipFile(path) as archive:
                bad = archive.testzip()
            if bad is not None:
                raise zipfile.BadZipFile(bad)
            _known[path] = state
        return Artifact(path)
    except FileNotFoundError:
        return None
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _DAMAGED_FILE:
            raise CaerError(explain_os_error(error, path)) from error
        _log.warning("%s: damaged, will be recomputed (%s)", path, error)
        if path.is_dir() and not path.is_symlink():
            raise CaerError(f"{path}: is a folder where a file is expected; remove it") from error
        with suppress(FileNotFoundError):
            if _state(path) == state:  # otherwise another process has replaced it already
                path.unlink()
        return None


def _state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _pack(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
                info.external_attr = 0o644 << 16
                info.file_size = path.stat().st_size  # decides whether 64-bit sizes are needed
                with path.open("rb") as source, archive.open(info, "w") as member:
                    shutil.copyfileobj(source, member, 1 << 20)


def write_json(path: Path, values: Any) -> None:
    """Write JSON atomically, with sorted keys."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, sort_keys=True, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Return the value of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
