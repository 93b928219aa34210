"""Shows in an object store, as local files whose content is fetched when it is read.

`mirrored` creates a folder with a sparse file for every object. It has the object's size and
modification time but no content, so it takes no space; this is enough to find videos and to
recognise known ones. `held` fetches the content of one file while a block reads it. All contents
together take a bounded part of the disk: the least recently used files are emptied first.

`<cache>/s3/shows-<hash>/source.json` says where the files come from. `whole/` has a marker for each
file whose content has been fetched. `locks/` has a lock for each file: readers hold it shared, and
a process that fetches or empties the file holds it exclusively.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

from caer_data.engine.cache import store_folder
from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error, inside, write_text
from caer_data.engine.objects import Bucket, Place, Thing, parse

_ABOUT: Final = "source.json"
_AT_ONCE: Final = 32 * 1024**2
"""Size in bytes up to which objects other than videos, such as subtitles, are fetched at once."""

ROOM: Final = 100 * 1024**3
"""Maximum total size in bytes of all contents if `CAER_SOURCE_CACHE_GB` is not set."""


def mirrored(place: Place, videos: Iterator[str] | list[str] | tuple[str, ...]) -> Path:
    """Mirror the objects of a place as files without content; return their folder.

    Args:
        place: address of the shows.
        videos: extensions of video files, with their dots.

    Raises:
        CaerError: there are no objects, or the store does not answer or refuses.
    """
    bucket = Bucket(place)
    things = {thing.path: thing for thing in bucket.things() if _is_file(thing.path)}
    if not things:
        raise CaerError(f"{place}: is empty; give the prefix that the shows are under")
    root = store_folder("shows", str(place))
    tree = root / place.name
    try:
        tree.mkdir(parents=True, exist_ok=True)
        write_text(root / _ABOUT, json.dumps({"place": str(place)}) + "\n")
        _remove_others(tree, things)
        for thing in things.values():
            _lay_out(root, inside(tree, thing.path), thing)
    except OSError as error:
        raise CaerError(explain_os_error(error, tree)) from error
    endings = tuple(ending.lower() for ending in videos)
    for path, thing in things.items():
        if thing.size <= _AT_ONCE and not path.lower().endswith(endings):
            with held(inside(tree, path), keep=True):
                pass
    return tree


def name_of(shows: Path) -> str:
    """Return the address of mirrored shows in the store, or the folder of local ones."""
    root = _root_above(shows)
    return str(shows.resolve()) if root is None else str(_place(root))


@contextmanager
def held(
    path: Path, on_chunk: Callable[[], None] = lambda: None, *, keep: bool = False
) -> Iterator[None]:
    """Fetch a mirrored file's content and hold it while the block runs; ignore ordinary files.

    Args:
        path: the file.
        on_chunk: called repeatedly while it is fetched.
        keep: whether the content is never removed again.

    Raises:
        CaerError: the object no longer exists or was replaced, the store does not answer, or the
            disk is full.
    """
    root = _root_above(path)
    if root is None:
        yield
        return
    while True:
        with _lock(root, path, shared=True):
            if _mark(root, path).exists():
                with suppress(OSError):
                    os.utime(_mark(root, path))  # the time of last use
                yield
                return
        with _lock(root, path):
            if not _mark(root, path).exists():
                _fetch(root, path, on_chunk, keep=keep)


def _fetch(root: Path, path: Path, on_chunk: Callable[[], None], *, keep: bool) -> None:
    status = path.stat()
    place = _place(root)
    tree = root / place.name
    _make_room(root, status.st_size)
    try:
        thing = Bucket(place).fetch(path.relative_to(tree).as_posix(), path, on_chunk)
        if (thing.size, thing.time_ns) != (status.st_size, status.st_mtime_ns):
            raise CaerError(
                f"{path.name}: was replaced in {place} while it was in use; run the command again"
            )
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
        written = "" if keep else path.relative_to(root).as_posix()
        write_text(_mark(root, path), written)
    except BaseException as error:
        _empty(path, status.st_size, status.st_mtime_ns)
        if isinstance(error, OSError):
            raise CaerError(explain_os_error(error, path)) from error
        raise


def _make_room(root: Path, needed: int) -> None:
    """Empty files that are not being read, least recently used first, until `needed` bytes fit."""
    with _lock(root, root / "room"):
        marks = sorted((root / "whole").glob("*"), key=lambda mark: mark.stat().st_mtime_ns)
        named = [(mark, mark.read_text(encoding="utf-8")) for mark in marks]
        files = [(mark, root / name) for mark, name in named if name]
        taken = sum(path.stat().st_size for _, path in files if path.exists())
        for mark, path in files:
            if taken + needed <= _room():
                return
            with suppress(BlockingIOError), _lock(root, path, wait=False):
                status = path.stat()
                mark.unlink()
                _empty(path, status.st_size, status.st_mtime_ns)
                taken -= status.st_size


def _room() -> float:
    text = os.environ.get("CAER_SOURCE_CACHE_GB")
    if text is None:
        return ROOM
    try:
        return float(text) * 1024**3
    except ValueError as error:
        raise CaerError(f"CAER_SOURCE_CACHE_GB={text}: give a number of gigabytes") from error


def _lay_out(root: Path, path: Path, thing: Thing) -> None:
    """Create a file with the object's size and time but no content, unless it exists already."""
    if _looks_like(path, thing):
        return
    with _lock(root, path):  # another process may be fetching it now
        if not _looks_like(path, thing):
            _mark(root, path).unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            _empty(path, thing.size, thing.time_ns)


def _looks_like(path: Path, thing: Thing) -> bool:
    with suppress(FileNotFoundError):
        status = path.stat()
        return (status.st_size, status.st_mtime_ns) == (thing.size, thing.time_ns)
    return False


def _empty(path: Path, size: int, time_ns: int) -> None:
    """Remove a file's content; its size, time and inode stay."""
    os.truncate(path, 0)
    os.truncate(path, size)
    os.utime(path, ns=(time_ns, time_ns))


def _remove_others(tree: Path, things: dict[str, Thing]) -> None:
    """Remove the files of objects that no longer exist."""
    for path in tree.rglob("*"):
        if path.is_file() and path.relative_to(tree).as_posix() not in things:
            path.unlink()


def _is_file(path: str) -> bool:
    """Whether an object's path can be a file; web consoles create empty objects for folders."""
    return bool(path) and not path.endswith("/") and ".." not in path.split("/")


@contextmanager
def _lock(root: Path, path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold a file's lock, shared or exclusively; it is released if the process ends.

    Raises:
        BlockingIOError: another process holds it, and `wait` is false.
    """
    import fcntl  # Unix only

    name = root / "locks" / _digest(path)
    name.parent.mkdir(exist_ok=True)
    with name.open("a") as stream:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(stream, kind if wait else kind | fcntl.LOCK_NB)
        yield


def _mark(root: Path, path: Path) -> Path:
    return root / "whole" / _digest(path)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:24]


def _place(root: Path) -> Place:
    return parse(json.loads((root / _ABOUT).read_text(encoding="utf-8"))["place"])


@cache
def _root_above(path: Path) -> Path | None:
    """Return the root folder of the mirror that contains a file; None for ordinary files."""
    for parent in path.absolute().parents:
        if parent.name.startswith("shows-") and (parent / _ABOUT).is_file():
            return parent
    return None
