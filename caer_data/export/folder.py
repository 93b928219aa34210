"""The folder of an unfinished release: resumable, and renamed when complete.

.<name>.unfinished/
  lock        held by the command that works here
  key         identifies the release being made; contents with another key are deleted
  done.jsonl  one line per finished clip
  release/    becomes <name>
  cut/        clips cut by a rebuild
  looked/     what a rebuild found in other rips
  replaced/   the old release, while it is deleted
.<name>.replaced/  the old release, for the moment between two renames
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TextIO

from filelock import FileLock, Timeout

from caer_data.engine import ownership
from caer_data.engine.errors import BusyError, CaerError
from caer_data.engine.files import (
    explain_os_error,
    is_temporary,
    refuse_special,
    remove_leftovers,
    write_text,
)
from caer_data.export import checksums

ABOUT: Final = ownership.RELEASE
"""File that describes a release and marks its folder as one."""

_PARTS: Final = {"lock", "key", "done.jsonl", "release", "cut", "looked", "replaced"}
_NAMED: Final = 5
_FLUSH_S: Final = 1.0
_encode: Final = json.JSONEncoder(check_circular=False).encode  # there are many results


class Unfinished:
    """A release in progress.

    Attributes:
        root: folder of its files.
        done: clips that an earlier, interrupted call finished, by `clip_id`, each with the place
            of its result in the list.
    """

    def __init__(self, home: Path, key: str) -> None:
        self.root = home / "release"
        self._home = home
        self._journal = home / "done.jsonl"
        if not _holds(home / "key", key):
            shutil.rmtree(self.root, ignore_errors=True)
            self._journal.unlink(missing_ok=True)
            write_text(home / "key", key)
        self.root.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.root)
        self.done = self._read_journal()
        self._stream: TextIO | None = None
        self._flush_at = 0.0

    def note(self, result: dict[str, Any]) -> None:
        """Record that a clip is finished; its files must already exist.

        A process that is killed may lose the records of the last second, whose clips are then
        processed again.
        """
        try:
            if self._stream is None:
                self._stream = self._journal.open("a", encoding="utf-8")
            self._stream.write(_encode(result) + "\n")
            if time.monotonic() >= self._flush_at:
                self._stream.flush()
                self._flush_at = time.monotonic() + _FLUSH_S
        except OSError as error:
            raise CaerError(explain_os_error(error, self._journal)) from error

    def close(self) -> None:
        """Close the list of finished clips."""
        with suppress(OSError):  # what is not listed is processed again
            if self._stream is not None:
                self._stream.close()

    def publish(self, target: Path) -> None:
        """Move the complete release to its target, replacing an old one.

        Raises:
            CaerError: files were added at the target meanwhile, or the folder cannot be written.
        """
        remove_leftovers(self.root)
        replaced = _replaced(target)
        try:
            if target.exists() and any(target.iterdir()):
                _check_ours(target)
                target.rename(replaced)
            self.root.replace(target)
        except OSError as error:
            raise CaerError(explain_os_error(error, target)) from error
        if replaced.exists():
            _discard(replaced, self._home)

    def results(self) -> Iterator[dict[str, Any]]:
        """Yield the results of the clips in `done`."""
        if not self.done:
            return
        with self._journal.open("rb") as stream:
            for place in self.done.values():
                stream.seek(place)
                yield json.loads(stream.readline())

    def _read_journal(self) -> dict[str, int]:
        """Return finished clips, except incomplete lines and clips whose files are gone."""
        done: dict[str, int] = {}
        if not self._journal.is_file():
            return done
        place = 0
        with self._journal.open("r+b") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    stream.truncate(place)
                    break
                result = json.loads(line)
                if all(self._is_present(path, facts) for path, facts in result["files"].items()):
                    done[result["clip_id"]] = place
                place += len(line)
        return done

    def _is_present(self, path: str, facts: dict[str, Any]) -> bool:
        file = self.root / path
        return "bytes" not in facts or (file.is_file() and file.stat().st_size == facts["bytes"])


@contextmanager
def unfinished(target: Path, key: str) -> Iterator[Unfinished]:
    """Start a release, or resume one that was interrupted.

    Args:
        target: future folder of the release.
        key: hash of everything that determines the release.

    Raises:
        BusyError: another command is making a release there.
        CaerError: the folder cannot be written, or contains unknown files.
    """
    home = target.with_name(f".{target.name}.unfinished")
    try:
        home.mkdir(parents=True, exist_ok=True)
        others = sorted(
            entry.name
            for entry in home.iterdir()
            if entry.name not in _PARTS and not is_temporary(entry.name)
        )
    except OSError as error:
        raise CaerError(explain_os_error(error, home)) from error
    if others:
        raise CaerError(
            f"{home}: contains {_some(others)}, not written by caer-data; move it elsewhere"
        )
    lock = FileLock(home / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise BusyError(
            f"{target}: another caer-data command is writing it; wait for it to end, or choose "
            "another folder"
        ) from error
    try:
        _recover(target, home)
        with closing(Unfinished(home, key)) as under_way:
            yield under_way
        shutil.rmtree(home, ignore_errors=True)
    finally:
        lock.release()


def check_target(target: Path, origin: Path, overwrite: bool, holds: str = "the dataset") -> None:
    """Raise a CaerError if writing a release would destroy something.

    Args:
        target: future folder of the release.
        origin: folder that it is made from, a dataset or another release.
        overwrite: whether an older release may be replaced.
        holds: name for `origin` in messages.

    Raises:
        CaerError: the target is a file, contains the origin or is inside it, contains another
            release without `overwrite`, contains anything else, or contains a release with files
            that were added or changed.
    """
    if target.is_file():
        raise CaerError(f"{target}: this is a file; choose another folder")
    full, data = Path(os.path.realpath(target)), Path(os.path.realpath(origin))
    own = [data / name for name in ("clips", "tables", "work")]
    if data.is_relative_to(full) or any(full.is_relative_to(folder) for folder in own):
        raise CaerError(f"{target}: {holds} is there; choose another folder")
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if ownership.is_release(target) and not overwrite:
        raise CaerError(
            f"{target}: contains another release; choose another folder, or replace it with "
            "--overwrite"
        )
    _check_ours(target)


def _check_ours(target: Path) -> None:
    """Raise a CaerError unless the folder is an unchanged release."""
    if not ownership.is_release(target):
        raise CaerError(f"{target}: not empty and not a release; choose another folder")
    strangers = checksums.strangers(target)
    if strangers:
        raise CaerError(
            f"{target}: cannot be replaced, because these files were added or changed: "
            f"{_some(strangers)}; move them elsewhere, or choose another folder"
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def about(target: Path) -> dict[str, Any]:
    """Return the contents of `release.json`; empty if there is no release.

    Raises:
        CaerError: the file is damaged, or no file.
    """
    path = target / ABOUT
    refuse_special(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise CaerError(f"{path}: cannot be read ({error}); export the release again") from error
    return values if isinstance(values, dict) else {}


def _replaced(target: Path) -> Path:
    return target.with_name(f".{target.name}.replaced")


def _discard(replaced: Path, home: Path) -> None:
    """Delete a replaced release, after moving it to `home` in case the deletion is interrupted."""
    shutil.rmtree(home / "replaced", ignore_errors=True)
    replaced.rename(home / "replaced")
    shutil.rmtree(home / "replaced", ignore_errors=True)


def _recover(target: Path, home: Path) -> None:
    """Complete a `publish` that was killed between its two renames."""
    replaced = _replaced(target)
    if not replaced.exists():
        return
    if target.exists():
        _check_ours(replaced)
        _discard(replaced, home)
    else:
        replaced.rename(target)


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
