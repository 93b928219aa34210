"""Files that are whole or absent: atomic writes, hashes, safe names."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import digest

_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10)}

_WORDS = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+)*")

_TEMPORARY = re.compile(
    r"\..*\.caer-(?P<host>[0-9a-f]{8})-(?P<pid>\d{1,10})-(?P<start>\d{1,12})-[0-9a-f]{8}\.part",
    re.DOTALL,
)
_LEASE_S = 24 * 3600  # after its last write another machine's temporary file is nobody's
_MANY_FILES = 1000  # from here on, flushing each file takes longer than flushing every disk
_CLOCK_S = 2  # where a process's start is read from a clock that may be set meanwhile


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, renamed onto it only if the block succeeds.

    A file or a folder may be written there. The name is that of `temporary_name`; one that a kill
    left behind is removed by `remove_leftovers`. It reaches the disk before it is renamed, unless
    it lies in a folder that is itself temporary: whoever puts that in its place sees to it.

    Raises:
        CaerError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(temporary_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        lasts = not any(map(is_temporary, path.parts[:-1]))
        if temporary.is_dir():
            if lasts:
                _flush_contents(temporary)
            if path.is_dir():
                shutil.rmtree(path)
        if lasts:
            flush(temporary)
        temporary.replace(path)
        if lasts:
            flush(path.parent)
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    finally:
        if temporary.is_dir() and not temporary.is_symlink():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            # Whatever hinders this hindered the block already, and that error is the one to tell.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Give an empty folder that only this block uses and that goes with it.

    `temporary_name` names it, so that `remove_leftovers` recognises it if the process is killed.

    Raises:
        CaerError: the disk is full or the folder cannot be written.
    """
    folder = parent / temporary_name(name)
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise CaerError(explain_os_error(error, folder)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create(finished: Path, path: Path) -> bool:
    """Put a finished file in its place unless something is there; returns whether it was.

    The finished file is gone afterwards either way. This is one step: of several that create the
    same path one wins, and nobody replaces what another made.

    Raises:
        OSError: the folder cannot be written.
    """
    flush(finished)
    try:
        os.link(finished, path)
    except FileExistsError:
        return False
    except OSError:  # some file systems know no hard links
        if path.exists():
            return False
        finished.replace(path)
    finally:
        finished.unlink(missing_ok=True)
    flush(path.parent)
    return True


def flush(path: Path) -> None:
    """Have a file, the files of a folder, or the names in a folder reach the disk.

    After a power cut a renamed file is then whole, not a name with nothing behind it. File systems
    that cannot flush are left to themselves.
    """
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _flush_contents(folder: Path) -> None:
    """Have everything in a folder reach the disk; with many files, in one call for all disks."""
    contents = list(folder.rglob("*"))
    if len(contents) > _MANY_FILES and hasattr(os, "sync"):
        os.sync()
        return
    for path in contents:
        flush(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def create_text(path: Path, text: str) -> bool:
    """Write a text file, as UTF-8, unless there is one; returns whether it was written.

    Raises:
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(temporary_name(path.name))
    temporary.write_text(text, encoding="utf-8", newline="\n")
    return create(temporary, path)


def temporary_name(name: str) -> str:
    """Name for what will become `name`: hidden, never used twice, and it says whose it is.

    `.<name>.caer-<host>-<process>-<its start>-<random>.part`, the host as eight digits of a hash
    and the start in seconds as `_start_of` gives it.
    """
    host, process, start = _this_process(os.getpid())
    return f".{name[:48]}.caer-{host}-{process}-{start}-{uuid.uuid4().hex[:8]}.part"


def is_temporary(name: str) -> bool:
    """Whether a name is a `temporary_name`."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_leftovers(folder: Path) -> None:
    """Remove what interrupted processes left under a `temporary_name` in a folder and below it.

    Only such names are considered. Whatever a running process of this machine is writing stays.
    Whatever another machine is writing goes only a day after the last write to it or below it: each
    write renews that lease. Ages are measured with the file system's clock, so changing the local
    clock does no harm.
    """
    for leftover in folder.rglob(".*.part"):
        match = _TEMPORARY.fullmatch(leftover.name)
        if match is None or _in_use(
            leftover, match["host"], int(match["pid"]), int(match["start"])
        ):
            continue
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@cache
def _this_process(pid: int) -> tuple[str, int, int]:
    """Host, number and start of this process; the number is given, as a fork shares the cache."""
    return _host(), pid, _start_of(pid)


def _start_of(pid: int) -> int:
    """When a process started, s: since the system did, where that is told, else since 1970.

    On Linux psutil would add the time at which the system started, which moves when the clock is
    set. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, `starttime`

    Raises:
        psutil.NoSuchProcess: there is none of this number.
    """
    import psutil

    with suppress(OSError):
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(told.rpartition(")")[2].split()[19]) // os.sysconf("SC_CLK_TCK")
    return int(psutil.Process(pid).create_time())


def _host() -> str:
    return digest(platform.node(), 8)


def _in_use(leftover: Path, host: str, pid: int, start: int) -> bool:
    import psutil

    if host != _host():
        with suppress(OSError):
            return _now_at(leftover.parent) - _last_write(leftover) < _LEASE_S
        return True
    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return not ended and abs(_start_of(pid) - start) <= _CLOCK_S
    except psutil.NoSuchProcess:
        return False


def _now_at(folder: Path) -> float:
    """The time by the clock that dates the files of a folder, which may be a server's.

    Raises:
        OSError: nothing can be written there.
    """
    with tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_mtime


def _last_write(path: Path) -> float:
    """Time of the last write to a file, or to anything below a folder."""
    inner = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
    latest = path.lstat().st_mtime
    for entry in inner:
        latest = max(latest, entry.lstat().st_mtime)
    return latest


def explain_os_error(error: OSError, path: Path) -> str:
    """Turn an operating system's error into one sentence that says what to do."""
    hints = {
        28: "no space left on the device; free some and run the same command again",
        122: "the disk quota is used up; free some and run the same command again",
        13: "permission denied; choose a folder you may write to",
        30: "the file system is read-only; choose a folder you may write to",
        36: "the file name is too long; shorten it",
        17: "a part of the path is a file, not a folder",
        20: "a part of the path is a file, not a folder",
    }
    return f"{path}: {hints.get(error.errno or 0, error.strerror or str(error))}"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def slug(name: str, longest: int = 60) -> str:
    """Turn any name into a safe, lower-case, ASCII part of an identifier or file name.

    Letters and digits stay, everything else becomes single hyphens. Where this would lose letters
    (other scripts) or cut a long name, six digits of the name's hash keep it unique.
    """
    normal = unicodedata.normalize("NFKD", name)
    plain = "".join(c for c in normal if not unicodedata.combining(c))
    text = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    lost = any(c.isalnum() and not c.isascii() for c in plain)
    if lost or not text or len(text) > longest or text in _RESERVED:
        text = f"{text[: longest - 7].strip('-')}-{digest(name, 6)}".lstrip("-")
    return text


def identifier(name: str, context: str = "") -> str:
    """A slug that two names share only if they differ only in case.

    Words of ASCII letters and digits with single spaces between them come through a slug as they
    are; of any other name six digits of its hash are added, so that no identifier depends on which
    other names there are.

    Args:
        name: any name.
        context: what distinguishes equal names, such as the folder; part of the hash.
    """
    text = slug(name)
    if not context and _WORDS.fullmatch(name) and text == name.lower().replace(" ", "-"):
        return text
    number = digest(f"{name}\0{context}", 6)
    return f"{text}-{number}"


def inside(folder: Path, relative: str) -> Path:
    """Join a path from a table or an archive to its folder.

    Raises:
        CaerError: the path is absolute or leaves the folder.
    """
    # strings, not paths: releases of very many clips ask for each of them
    root = os.path.abspath(folder)  # noqa: PTH100
    full = os.path.normpath(f"{root}{os.sep}{relative}")
    below = full == root or full.startswith(f"{root.rstrip(os.sep)}{os.sep}")
    if relative.startswith(os.sep) or not below:
        raise CaerError(f"'{relative}' points outside of {folder}")
    return Path(os.path.normpath(folder / relative))
